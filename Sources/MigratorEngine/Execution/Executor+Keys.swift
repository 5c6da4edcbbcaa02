import MigratorDatabase
import MigratorScript

extension Executor {
    /// DROP TABLE locks every table that the doomed one refers to, `users` among them, for as long as its whole
    /// transaction takes (ONLINE.md H15). Where such a lock could not be had in a moment, the foreign keys go first,
    /// one at a time and in transactions of their own, so that the next attempt needs the doomed table alone.
    func dropKeysFirst(_ items: [FlatItem]) throws {
        guard backend.session.dialect == .postgresql else { return }
        for item in items {
            guard case .statement(let statement) = item.item.action,
                statement.text.lowercased().split(whereSeparator: \.isWhitespace).prefix(2) == ["drop", "table"]
            else { continue }
            let doomed = Set(statement.locks.map { "\($0.table.schema ?? backend.schema).\($0.table.name)" })
            for key in try backend.foreignKeys() where key.referenced != key.table {
                guard doomed.contains("\(key.table.schema ?? backend.schema).\(key.table.name)") else { continue }
                try dropBriefly(key)
            }
        }
    }

    /// One attempt: whoever holds the lock goes first.
    private func dropBriefly(_ key: ForeignKey) throws {
        var options = self.options
        options.isBrief = true
        do {
            try backend.beginWork(for: [], run: run, options: options, reporter: reporter)
            try backend.session.execute(
                "ALTER TABLE \(backend.quoted(key.table)) DROP CONSTRAINT IF EXISTS \(key.name.quotedIdentifier)")
            try backend.commitWork()
        } catch {
            backend.rollbackWork()
            guard let error = error as? DatabaseError, error.kind == .lockNotAvailable else { throw error }
        }
    }
}
