import MigratorDatabase

/// What tables hold now against what they held: by table, then by key.
struct ScratchComparison {
    var before: [ScratchTable]
    var now: [ScratchTable]

    /// - Parameter rows: of one table that is still there with the same columns: `key`, whether it `was` and `is`
    ///   there, and the `total` of different keys.
    func differences(rows: (ScratchTable) throws -> [Row]) throws -> [Difference] {
        var result: [Difference] = []
        for table in before {
            guard let current = now.first(where: { $0.shown == table.shown }) else {
                result.append(Difference(table: table.shown, message: "the table is gone"))
                continue
            }
            let had = Set(table.columns.map(\.name))
            let has = Set(current.columns.map(\.name))
            guard had == has else {
                let changed = had.symmetricDifference(has).sorted()
                result.append(
                    Difference(table: table.shown, columns: changed, message: "the columns differ"))
                continue
            }
            let different = try rows(current)
            result += different.map { row in
                let message =
                    switch (row.bool("was"), row.bool("is")) {
                    case (true, true): "the row differs"
                    case (true, false): "the row is gone"
                    default: "the row was not there before"
                    }
                return Difference(table: table.shown, key: row.text("key"), message: message)
            }
            if let total = different.first?.int("total"), total > different.count {
                result.append(Difference(table: table.shown, message: "\(total.counted("row")) in all"))
            }
        }
        for table in now where !before.contains(where: { $0.shown == table.shown }) {
            result.append(Difference(table: table.shown, message: "the table was not there before"))
        }
        return result
    }
}
