import MigratorDatabase
import MigratorScript

extension Migrator {
    /// Plays the scenarios beside the revisions that were applied here, not stamped, each in a transaction that is rolled back.
    /// What sequences hand out meanwhile is not handed out again: the next ids may leave a gap.
    public func verifyFunctionally() throws -> [CheckResult] {
        try backend.checkServer(forWriting: true)
        try checkBelonging()
        let records = try recordedRevisions().filter(\.isFinished)
        var results: [CheckResult] = []
        for (index, record) in records.enumerated() where record.state == .applied {
            guard let file = checkFiles.first(where: { $0.revision == record.revision }) else { continue }
            let later = try records.dropFirst(index + 1).map { try planning(records).recordedScript(of: $0) }
            for scenario in file.scenarios {
                try checkInterruption()
                let subject = "\(record.revision), \(scenario.title)"
                reporter.report(.stepStarted("try \(scenario.title)"))
                if let successor = try Self.successor(of: scenario, in: later, dialect: backend.session.dialect) {
                    results.append(
                        CheckResult(
                            check: "functional", subject: subject, verdict: .skipped,
                            summary: "superseded by revision \(successor)"))
                } else {
                    results.append(try ScenarioRun(backend: backend, scenario: scenario).result(subject: subject))
                }
            }
        }
        return results
    }

    /// A check file must stand beside a script.
    public func checkBelonging() throws {
        for file in checkFiles where !scripts.contains(where: { $0.revision == file.revision }) {
            throw MigratorError(
                "check-without-script", .malformedScripts, "there is no script of revision \"\(file.revision)\"",
                hint: "name the file and its header as the script beside it", location: file.location)
        }
        for (index, file) in checkFiles.enumerated()
        where checkFiles[..<index].contains(where: { $0.revision == file.revision }) {
            throw MigratorError(
                "duplicate-check", .malformedScripts, "revision \"\(file.revision)\" has two check files",
                hint: "put both into one", location: file.location)
        }
    }

    /// A later revision that has switched a table of the scenario away.
    private static func successor(
        of scenario: CheckFile.Scenario, in later: [Script], dialect: Dialect
    ) throws -> String? {
        let statements = scenario.steps.map { step in
            switch step {
            case .statement(let statement): statement
            case .expect(let check), .verify(let check): check.query
            }
        }
        let identifiers = statements.reduce(into: Set<String>()) {
            $0.formUnion(StatementTraits($1, dialect: dialect).identifiers)
        }
        return try later.first { script in
            try script.upgrade.flatItems.contains { item in
                if case .switchTable(let move) = item.action { identifiers.contains(move.source.name) } else { false }
            }
        }?.revision
    }
}

/// One scenario in one transaction.
private struct ScenarioRun {
    var backend: any Backend
    var scenario: CheckFile.Scenario

    private var session: any Session { backend.session }

    func result(subject: String) throws -> CheckResult {
        func result(_ verdict: Verdict, _ summary: String, _ differences: [Difference] = []) -> CheckResult {
            CheckResult(
                check: "functional", subject: subject, verdict: verdict, summary: summary, differences: differences)
        }
        // Within a transaction this pragma does nothing.
        if session.dialect == .sqlite { try session.execute("PRAGMA foreign_keys = ON") }
        try session.begin()
        defer { session.rollback() }
        if session.dialect == .postgresql {
            try session.execute("SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'")
        }
        do {
            if let view = scenario.through, try backend.columnNames(of: view) == nil {
                return result(.skipped, "\"\(view)\" does not stand")
            }
            for given in scenario.given where try !isTrue(given) {
                return result(.skipped, "not so: \(given.title)")
            }
            var assertions = 0
            for step in scenario.steps {
                switch step {
                case .statement(let statement): try located(statement) { try session.execute(statement.text) }
                case .expect(let check):
                    assertions += 1
                    guard try isTrue(check) else {
                        return result(.differences, "fails", [difference(check, "\"\(check.title)\" is not true")])
                    }
                case .verify(let check):
                    assertions += 1
                    let violations = try located(check.query) { try Violations(of: check.query, session: session) }
                    guard violations.count == 0 else {
                        let rows = violations.shown.joined(separator: ", ")
                        return result(
                            .differences, "fails",
                            [difference(check, "\"\(check.title)\" does not hold: \(rows)")])
                    }
                }
            }
            // Keys that are only looked at when a transaction ends.
            if session.dialect == .postgresql { try session.execute("SET CONSTRAINTS ALL IMMEDIATE") }
            return result(.exact, assertions.counted("assertion") + " \(assertions == 1 ? "holds" : "hold")")
        } catch let error as MigratorError {
            guard error.status == .failed else { throw error }
            return result(
                .differences, "fails", [Difference(key: error.location?.description, message: error.message)])
        } catch let error as DatabaseError where error.kind == .statement {
            return result(
                .differences, "fails", [Difference(key: scenario.location.description, message: error.message)])
        }
    }

    /// At least one row, and nothing but true in it.
    private func isTrue(_ check: Check) throws -> Bool {
        let rows = try located(check.query) { try session.query(check.query.text) }
        return !rows.isEmpty && rows.allSatisfy { $0.values.allSatisfy(\.asBool) }
    }

    private func located<Result>(_ statement: Statement, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            guard let error = error as? DatabaseError,
                error.kind != .cancelled && error.kind != .connectionLost
            else { throw error }
            var worded = MigratorError(error, statement: statement)
            worded.status = .failed
            throw worded
        }
    }

    private func difference(_ check: Check, _ message: String) -> Difference {
        Difference(key: check.query.location.description, message: message)
    }
}
