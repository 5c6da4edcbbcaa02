import MigratorDatabase

/// What was measured before a revision's upgrade.
struct PerformanceRecord: Equatable {
    var revision: String
    /// The query's name; empty for the size of the database.
    var name: String
    var measurement: QueryMeasurement?
    /// Of the database, registered backups apart.
    var bytes: Int?
}

extension Ledger {
    /// Made when the first figures are recorded: ledgers of before have none.
    private func preparePerformance() throws(DatabaseError) {
        let count = session.dialect == .postgresql ? "bigint" : "INTEGER"
        let time = session.dialect == .postgresql ? "timestamptz" : "TEXT"
        if try hasPerformance() { return }
        try session.execute(
            """
            CREATE TABLE \(table("performance")) (
                revision text NOT NULL, name text NOT NULL, parameters text, buffers \(count), microseconds \(count),
                unserved text, indexes text, bytes \(count), measured_at \(time) NOT NULL,
                PRIMARY KEY (revision, name))
            """)
    }

    private func hasPerformance() throws(DatabaseError) -> Bool {
        session.dialect == .postgresql
            ? try session.scalar("SELECT to_regclass($1) IS NOT NULL", [.text(table("performance"))]).asBool
            : try session.scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'migrator_performance'").asBool
    }

    /// Replaces what an earlier upgrade of the revision has recorded.
    func setPerformance(_ records: [PerformanceRecord], revision: String) throws(DatabaseError) {
        try preparePerformance()
        try session.run("DELETE FROM \(table("performance")) WHERE revision = $1", [.text(revision)])
        for record in records {
            let measured = record.measurement
            try session.run(
                """
                INSERT INTO \(table("performance"))
                    (revision, name, parameters, buffers, microseconds, unserved, indexes, bytes, measured_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \(now))
                """,
                [
                    .text(revision), .text(record.name), SQLValue(measured.map { Self.text($0.parameters) }),
                    SQLValue(measured?.buffers), SQLValue(measured?.microseconds),
                    SQLValue(measured?.unserved.joined(separator: "\n")),
                    SQLValue(measured?.indexes.joined(separator: "\n")), SQLValue(record.bytes),
                ])
        }
    }

    func performance(revision: String) throws(DatabaseError) -> [PerformanceRecord] {
        guard try hasPerformance() else { return [] }
        return try session.query(
            """
            SELECT name, parameters, buffers, microseconds, unserved, indexes, bytes
            FROM \(table("performance")) WHERE revision = $1 ORDER BY name
            """, [.text(revision)]
        ).map { row in
            func lines(_ column: String) -> [String] {
                (row.text(column) ?? "").split(separator: "\n").map(String.init)
            }
            let measurement = row.int("buffers").map { buffers in
                QueryMeasurement(
                    parameters: Self.values(row.text("parameters") ?? ""), buffers: buffers,
                    microseconds: row.int("microseconds") ?? 0, unserved: lines("unserved"),
                    indexes: lines("indexes"))
            }
            return PerformanceRecord(
                revision: revision, name: row.text("name") ?? "", measurement: measurement, bytes: row.int("bytes"))
        }
    }

    /// Each value as its length, a colon and itself; NULL as N.
    private static func text(_ values: [String?]) -> String {
        values.map { $0.map { "\($0.count):\($0)" } ?? "N" }.joined()
    }

    private static func values(_ text: String) -> [String?] {
        var values: [String?] = []
        var rest = text[...]
        while let first = rest.first {
            if first == "N" {
                rest.removeFirst()
                values.append(nil)
                continue
            }
            let digits = rest.prefix { $0.isNumber }
            rest = rest.dropFirst(digits.count + 1)
            let count = Int(digits) ?? 0
            values.append(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return values
    }
}
