import MigratorScript

/// The next id of every table lies above the highest one that it has: a sequence behind would hand out an id twice.
struct NextIDCheck: UndividedCheck {
    let name = "next-ids"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        let touched = try context.touchedTables()
        return try context.backend.nextIDs().filter {
            context.level == .full || touched.contains($0.table.name)
        }.map { next in
            let column = next.column.quotedIdentifier
            let highest = try context.backend.session.scalar(
                "SELECT max(\(column)) FROM \(context.backend.quoted(next.table))"
            ).asInt
            guard let value = next.next else {
                return CheckResult(
                    check: name, subject: "\(next.table.name).\(next.column)", verdict: .exact,
                    summary: "no id is left: the highest that there can be has been given",
                    figures: ["highest": highest ?? 0])
            }
            let isAbove = value > (highest ?? Int.min)
            return CheckResult(
                check: name, subject: "\(next.table.name).\(next.column)",
                verdict: isAbove ? .exact : .differences,
                summary: isAbove
                    ? "next \(value), highest \(highest.map(String.init) ?? "none")"
                    : "next \(value), but \(highest ?? 0) is taken",
                figures: ["next": value, "highest": highest ?? 0],
                differences: isAbove
                    ? []
                    : [
                        Difference(
                            table: next.table.name, key: highest.map(String.init), columns: [next.column],
                            message: "\(next.sequence) would hand out \(value) again")
                    ])
        }
    }
}
