import MigratorDatabase
import MigratorScript

/// What revisions have made that is to be found again: switches, triggers, what `when created` asks about.
extension Ledger {
    @discardableResult
    public func add(_ object: ObjectRecord) throws(DatabaseError) -> Int {
        try session.query(
            """
            INSERT INTO \(table("object")) (run_id, revision, item, kind, name, detail)
            VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
            """,
            [
                SQLValue(object.runID), .text(object.revision), SQLValue(object.item), .text(object.kind),
                .text(object.name), .text(object.detail),
            ]
        ).first?.int("id") ?? 0
    }

    /// The objects of a revision (of all where it is nil), of one kind (of all where it is nil), oldest first.
    public func objects(revision: String? = nil, kind: String? = nil) throws(DatabaseError) -> [ObjectRecord] {
        try objects(revision: revision, kinds: kind.map { [$0] } ?? [])
    }

    /// - Parameter kinds: all where empty.
    public func objects(revision: String? = nil, kinds: [String]) throws(DatabaseError) -> [ObjectRecord] {
        let isOfKind = kinds.isEmpty ? "" : "AND kind IN (\(kinds.map(\.quotedLiteral).joined(separator: ", ")))"
        return try session.query(
            """
            SELECT id, run_id, revision, item, kind, name, detail FROM \(table("object"))
            WHERE ($1 = '' OR revision = $1) \(isOfKind) ORDER BY id
            """, [.text(revision ?? "")]
        ).map { row in
            var object = ObjectRecord(
                runID: row.int("run_id") ?? 0, revision: row.text("revision") ?? "",
                item: row.int("item") ?? 0, kind: row.text("kind") ?? "", name: row.text("name") ?? "",
                detail: row.text("detail") ?? "")
            object.id = row.int("id") ?? 0
            return object
        }
    }

    /// The upgrade's switch that one of a downgrade leads back; nil where the revision has recorded none.
    func switchRecord(ledBackBy move: Move, revision: String) throws(DatabaseError) -> ObjectRecord? {
        let name = "\(move.target) -> \(move.source)"
        return try objects(revision: revision, kind: "switch").last { $0.name == name }
    }

    public func removeObject(_ id: Int) throws(DatabaseError) {
        try session.run("DELETE FROM \(table("object")) WHERE id = $1", [SQLValue(id)])
    }

    public func updateObject(_ id: Int, detail: String) throws(DatabaseError) {
        try session.run(
            "UPDATE \(table("object")) SET detail = $1 WHERE id = $2", [.text(detail), SQLValue(id)])
    }
}
