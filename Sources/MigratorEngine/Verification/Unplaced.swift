import MigratorDatabase
import MigratorScript

/// Source rows that neither the mapping yields nor an `exceptions` step of the revision selects.
struct Unplaced {
    private let sync: Sync
    private let mapping: MappingSource
    private let script: Script
    private let backend: any TableAccess
    private(set) var count = 0
    private(set) var differences: [Difference] = []

    /// Of rows that have not been looked at yet.
    init(nothingSeenOf sync: Sync, mapping: MappingSource, script: Script, backend: any TableAccess) {
        (self.sync, self.mapping, self.script, self.backend) = (sync, mapping, script, backend)
    }

    /// Of all rows.
    init(
        sync: Sync, mapping: MappingSource, script: Script, backend: any TableAccess,
        checkInterruption: () throws -> Void = {}
    ) throws {
        self.init(nothingSeenOf: sync, mapping: mapping, script: script, backend: backend)
        try KeyStretches(of: sync.source, key: sync.key, backend: backend).forEach { condition in
            try KeyStretches.narrows(mapping.select, to: condition, session: backend.session)
        } _: { condition in
            try checkInterruption()
            try look(where: condition)
        }
    }

    /// Looks at the rows whose key meets the condition.
    mutating func look(where condition: String?) throws {
        let key = sync.key.quotedIdentifier
        let meant = condition.map { " AND (\($0))" } ?? ""
        // Each database plans one of the two forms well over many rows, and the other one badly.
        func isAbsent(_ select: String, _ column: String, _ meant: String = "") -> String {
            switch backend.session.dialect {
            case .postgresql:
                "NOT EXISTS (SELECT 1 FROM (SELECT * FROM (\(select)\n) AS y\(meant)) AS m WHERE m.\(column) = s.\(key))"
            case .sqlite:
                "s.\(key) NOT IN (SELECT \(column) FROM (SELECT * FROM (\(select)\n) AS y\(meant)) AS m WHERE \(column) IS NOT NULL)"
            }
        }
        var conditions = [isAbsent(mapping.select, key, condition.map { " WHERE \($0)" } ?? "")]
        for item in try script.upgrade.flatItems {
            guard case .exceptions(let exceptions) = item.action, exceptions.table.name == sync.source.name
            else { continue }
            conditions.append(isAbsent(exceptions.mapping.text, exceptions.key.quotedIdentifier))
        }
        let table = "(SELECT * FROM \(backend.quoted(sync.source)) AS x WHERE 1 = 1\(meant)) AS s"
        let found = try backend.session.query("SELECT count(*) FROM \(table) WHERE \(conditions[0])").first?[0]
            .asInt
        guard let found, found > 0 else { return }
        // What an exception explains is looked for only where something is to be explained.
        let source = "FROM \(table) WHERE " + conditions.joined(separator: " AND ")
        count += try backend.session.scalar("SELECT count(*) \(source)").asInt ?? 0
        guard count > 0, differences.count < 10 else { return }
        differences += try backend.session.query("SELECT s.\(key) AS key \(source) ORDER BY s.\(key) LIMIT 10").map {
            Difference(table: sync.source.name, key: $0.text("key"), message: "the row has no place in \(sync.target)")
        }
    }
}
