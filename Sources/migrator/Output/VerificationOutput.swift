import MigratorEngine

/// One line a check, the differences below it, the verdict at the end.
enum VerificationOutput {
    static func show(_ report: VerificationReport, _ console: Console) {
        show(report.results, console)
        console.print("")
        let place = report.revision.map { "revision \($0.oneLine)" } ?? "no revision"
        let count = report.results.count.counted("check")
        switch (report.isDifference, report.verdict) {
        case (true, .incomplete):
            console.print(
                console.styled("DIFFERENT", .bad, descriptor: 1)
                    + ": \(place), \(count), the evidence is incomplete")
        case (true, _):
            let differences = report.results.filter { $0.verdict == .differences }.map(\.differenceCount)
            let total = differences.reduce(0, +)
            let figure =
                total > 0 ? total.counted("difference") : "the application has written since the switch"
            console.print(
                console.styled("DIFFERENT", .bad, descriptor: 1) + ": \(place), \(count), \(figure)")
        case (false, .incomplete):
            console.print(
                console.styled("incomplete", .careful, descriptor: 1)
                    + ": \(place), \(count), no difference in what can be judged")
        case (false, _):
            console.print(console.styled("ok", .good, descriptor: 1) + ": \(place), \(count), no differences")
        }
    }

    static func show(_ results: [CheckResult], _ console: Console) {
        let width = results.map { $0.check.count }.max() ?? 0
        for result in results {
            let check = result.check + String(repeating: " ", count: width - result.check.count)
            console.print(
                "\(mark(result.verdict, console))  \(check)  \(result.subject.oneLine): \(result.summary.oneLine)"
            )
            let figures = result.figures.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.grouped)" }
            if !figures.isEmpty, console.mode.isVerbose {
                console.print("              " + figures.joined(separator: ", "))
            }
            for difference in result.differences {
                console.print("              " + line(difference))
                for value in difference.values {
                    console.print(
                        "                \(value.column.oneLine): \(shown(value.found)), should be \(shown(value.expected))"
                    )
                }
            }
            if result.differenceCount > result.differences.count {
                console.print("              … \(result.differenceCount.grouped) in all")
            }
        }
    }

    private static func mark(_ verdict: Verdict, _ console: Console) -> String {
        let (text, style): (String, Console.Style) =
            switch verdict {
            case .exact: ("ok", .good)
            case .differences: ("DIFFERENT", .bad)
            case .incomplete: ("incomplete", .careful)
            case .information: ("info", .faint)
            case .skipped: ("skipped", .faint)
            }
        return console.styled(text, style, descriptor: 1) + String(repeating: " ", count: 10 - text.count)
    }

    private static func shown(_ value: String?) -> String {
        value.map { "'\($0.oneLine.prefix(200))'" } ?? "NULL"
    }

    static func line(_ difference: Difference) -> String {
        var place = [difference.table, difference.key.map { "key \($0)" }].compactMap { $0 }
        if !difference.columns.isEmpty { place.append(difference.columns.joined(separator: ", ")) }
        let head = place.isEmpty ? "" : place.joined(separator: ", ") + ": "
        return (head + difference.message).oneLine
    }
}

extension VerificationReport {
    var json: JSONValue {
        .object([
            "revision": JSONValue(revision), "level": .string(level.rawValue),
            "verdict": .string(verdict.rawValue), "is_difference": .bool(isDifference),
            "reasons": JSONValue(reasons), "checks": .array(results.map(\.json)),
        ])
    }
}

extension CheckResult {
    var json: JSONValue {
        .object([
            "check": .string(check), "subject": .string(subject), "verdict": .string(verdict.rawValue),
            "summary": .string(summary), "figures": .object(figures.mapValues { .int($0) }),
            "differences": .array(differences.map(\.json)), "difference_count": .int(differenceCount),
        ])
    }
}

extension Difference {
    var json: JSONValue {
        var object: [String: JSONValue] = [
            "table": JSONValue(table), "key": JSONValue(key), "columns": JSONValue(columns),
            "message": .string(message),
        ]
        if !values.isEmpty {
            object["values"] = .array(
                values.map {
                    .object([
                        "column": .string($0.column), "expected": JSONValue($0.expected), "found": JSONValue($0.found),
                    ])
                })
        }
        return .object(object)
    }
}
