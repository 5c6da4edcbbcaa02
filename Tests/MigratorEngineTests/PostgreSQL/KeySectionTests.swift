import MigratorDatabase
import MigratorTestSupport
import Testing

@testable import MigratorEngine
@testable import MigratorScript

/// A large table's keys in sections, which several connections compare side by side.
@Suite struct KeySectionTests {
    private static let rows = 420_000
    private static let sync = Sync(source: TableName("letters"), target: TableName("copies"), key: "id")
    private static let script = Script(
        location: ScriptLocation(file: "", line: 1), dialect: .postgresql, revision: "0001", revises: nil,
        revisesLocation: ScriptLocation(file: "", line: 1), message: "", isTransactional: true, upgrade: Section(),
        downgrade: .section(Section()), checksum: "", text: "", origin: nil)

    /// Every third id, from -30,000 on.
    private static func makeTables() throws -> (database: TestDatabase, context: VerificationContext) {
        let database = try PostgreSQLServer.shared().createDatabase()
        let backend = try makeBackend(database)
        try backend.session.execute(
            """
            CREATE TABLE letters (id bigint UNIQUE, n bigint);
            INSERT INTO letters SELECT i * 3 - 30000, i FROM generate_series(1, \(rows)) AS s (i);
            CREATE TABLE copies (id bigint UNIQUE, n bigint);
            INSERT INTO copies SELECT * FROM letters;
            ANALYZE letters, copies;
            """)
        return (database, VerificationContext(backend: backend, level: .standard, applied: [], drift: []))
    }

    private static func sections(_ context: VerificationContext) throws -> (MappingSource, [KeySection]) {
        let mapping = try MappingSource(
            mapping: nil, source: sync.source, target: sync.target, backend: context.backend)
        let sections = try SyncComparison.sections(of: sync, mapping: mapping, context)
        return (mapping, sections.compactMap(\.self))
    }

    @Test func `each row lies in one stretch of one section`() throws {
        let (database, context) = try Self.makeTables()
        defer { withExtendedLifetime(database) {} }
        try context.backend.session.execute("INSERT INTO copies VALUES (NULL, 1), (NULL, 2)")
        let (_, sections) = try Self.sections(context)
        #expect(sections.count > 1)
        let stretches = try KeyStretches(of: Self.sync.target, key: "id", backend: context.backend)
        var conditions: [String] = []
        for section in sections { try stretches.forEach(in: section) { conditions.append("(\($0))::integer") } }
        #expect(conditions.count > 2 * sections.count)
        let times = conditions.map { "coalesce(\($0), 0)" }.joined(separator: " + ")
        let counts = try context.backend.session.query("SELECT \(times), count(*) FROM copies GROUP BY 1")
        #expect(counts.count == 1 && counts.first?[0].asInt == 1 && counts.first?[1].asInt == Self.rows + 2)
    }

    @Test func `what differs is found once, wherever it lies`() throws {
        let (database, context) = try Self.makeTables()
        defer { withExtendedLifetime(database) {} }
        let (mapping, sections) = try Self.sections(context)
        let end = try #require(sections.first?.upTo)
        let above = (end + 29_999) / 3 * 3 - 29_997
        let (lowest, highest) = (-29_997, Self.rows * 3 - 30_000)
        /// What is done, and the keys that then differ.
        let changes: [(String, [Int])] = [
            ("SELECT 1", []),
            ("UPDATE copies SET n = n + 1 WHERE id = \(lowest)", [lowest]),
            ("UPDATE copies SET n = NULL WHERE id = \(highest)", [highest]),
            ("DELETE FROM copies WHERE id = \(above)", [above]),
            ("DELETE FROM letters WHERE id = \(above - 3)", [above - 3]),
            ("INSERT INTO copies VALUES (\(end), 0) ON CONFLICT (id) DO UPDATE SET n = 0", [end]),
            ("INSERT INTO copies VALUES (\(end + 1), 0) ON CONFLICT (id) DO UPDATE SET n = 0", [end + 1]),
            ("INSERT INTO copies VALUES (\(highest + 5_000_000), 0)", [highest + 5_000_000]),
            ("INSERT INTO letters VALUES (\(lowest - 5_000_000), 0)", [lowest - 5_000_000]),
            // What makes up for one another, in two sections and in one.
            (
                "UPDATE copies SET n = n + CASE id WHEN \(lowest) THEN 1 ELSE -1 END WHERE id IN (\(lowest), \(highest))",
                [lowest, highest]
            ),
            (
                "UPDATE copies AS c SET n = o.n FROM copies AS o WHERE (c.id, o.id) IN ((\(lowest), \(highest)), (\(highest), \(lowest)))",
                [lowest, highest]
            ),
            (
                "UPDATE copies AS c SET n = o.n FROM copies AS o WHERE (c.id, o.id) IN ((\(above), \(above + 3)), (\(above + 3), \(above)))",
                [above, above + 3]
            ),
            ("UPDATE copies SET id = \(above + 1) WHERE id = \(above)", [above, above + 1]),
        ]
        for (change, keys) in changes {
            try context.backend.session.discardingChanges {
                try context.backend.session.execute(change)
                var rows = RowComparison()
                for section in sections {
                    let (part, unplaced) = try SyncComparison.both(
                        Self.sync, mapping: mapping, within: section, script: Self.script, context)
                    rows.add(part)
                    #expect(unplaced.count == 0, "\(change)")
                }
                #expect(rows.differences.map { $0.key ?? "" } == keys.map(String.init), "\(change)")
                #expect(rows.differenceCount == keys.count, "\(change)")
            }
        }
    }
}
