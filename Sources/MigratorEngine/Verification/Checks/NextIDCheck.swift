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
            let isAbove = next.next > (highest ?? Int.min)
            return CheckResult(
                check: name, subject: "\(next.table.name).\(next.column)",
                verdict: isAbove ? .exact : .differences,
                summary: isAbove
                    ? "next \(next.next), highest \(highest.map(String.init) ?? "none")"
                    : "next \(next.next), but \(highest ?? 0) is taken",
                figures: ["next": next.next, "highest": highest ?? 0],
                differences: isAbove
                    ? []
                    : [
                        Difference(
                            table: next.table.name, key: highest.map(String.init), columns: [next.column],
                            message: "\(next.sequence) would hand out \(next.next) again")
                    ])
        }
    }
}
