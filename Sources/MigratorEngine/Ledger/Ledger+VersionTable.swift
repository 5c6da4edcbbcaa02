import MigratorDatabase

/// `alembic_version`, kept in step for what still reads it: written in the transaction that writes the revision.
extension Ledger {
    private static let kind = "version-table"

    /// From now on the table holds the current revision.
    /// - Parameter name: quoted, with its schema.
    func keepVersionTable(_ name: String, runID: Int) throws(DatabaseError) {
        guard try keptVersionTable() != name else { return }
        try add(ObjectRecord(runID: runID, revision: "", item: -1, kind: Self.kind, name: name, detail: ""))
        versionTable = .some(name)
        try followVersionTable()
    }

    /// Quoted, with its schema; nil where none is kept.
    func keptVersionTable() throws(DatabaseError) -> String? {
        if let versionTable { return versionTable }
        let found = try session.scalar(
            "SELECT max(name) FROM \(table("object")) WHERE kind = $1", [.text(Self.kind)]
        ).asText
        versionTable = .some(found)
        return found
    }

    /// Writes the revision that the database has now. A downgrade that is under way has not left its revision yet.
    func followVersionTable() throws(DatabaseError) {
        guard let name = try keptVersionTable() else { return }
        try session.run("DELETE FROM \(name)")
        try session.run(
            """
            INSERT INTO \(name) (version_num) SELECT revision FROM \(table("revision"))
            WHERE state <> 'upgrading' ORDER BY position DESC LIMIT 1
            """)
    }
}
