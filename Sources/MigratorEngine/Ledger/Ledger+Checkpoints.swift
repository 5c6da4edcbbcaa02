import MigratorDatabase

extension Ledger {
    /// A row of `checkpoint`.
    struct StoredCheckpoint {
        /// Items of a downgrade count from -1 downwards.
        var item: Int
        var checkpoint: Checkpoint
        /// ISO 8601, UTC.
        var updatedAt: String
    }

    /// The steps of a revision that have come half-way, in the order of their last commits.
    func checkpoints(revision: String) throws(DatabaseError) -> [StoredCheckpoint] {
        try session.query(
            """
            SELECT item, state, \(time("updated_at")) AS updated_at FROM \(table("checkpoint"))
            WHERE revision = $1 ORDER BY \(table("checkpoint")).updated_at
            """, [.text(revision)]
        ).compactMap { row in
            Checkpoint(json: row.text("state") ?? "").map {
                StoredCheckpoint(item: row.int("item") ?? 0, checkpoint: $0, updatedAt: row.text("updated_at") ?? "")
            }
        }
    }

    func startOfRun(_ id: Int) throws(DatabaseError) -> String? {
        try session.query(
            "SELECT \(time("started_at")) AS started_at FROM \(table("run")) WHERE id = $1", [SQLValue(id)]
        ).first?.text("started_at")
    }
}
