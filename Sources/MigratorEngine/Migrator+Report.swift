import MigratorDatabase

extension Migrator {
    /// The runs that the ledger knows, the newest first.
    public func runs(limit: Int? = nil) throws -> [RunRecord] {
        try readingRuns { try backend.ledger.runs(limit: limit) }
    }

    /// What the ledger holds of a run, in one snapshot; writes nothing.
    /// - Parameter id: nil for the newest run.
    public func details(ofRun id: Int?) throws -> RunDetails {
        try readingRuns {
            guard let run = try backend.ledger.runs(id: id, limit: 1).first else {
                let last = try backend.ledger.runs(limit: 1).first?.id
                throw MigratorError(
                    "unknown-run", .usage,
                    id.map { "the ledger has no run \($0)" } ?? "the ledger has no run yet",
                    hint: last.map { "the newest is run \($0); `migrator report --list` names them all" }
                        ?? "run `migrator upgrade head`")
            }
            return try backend.ledger.details(of: run)
        }
    }

    private func readingRuns<Result>(_ body: () throws -> Result) throws -> Result {
        try backend.checkServer(forWriting: false)
        guard try readingLedger(backend.ledger.exists) else {
            throw MigratorError(
                "no-ledger", .difference, "this database has no ledger: nothing has been migrated here",
                hint: "run `migrator upgrade head`, or `migrator stamp REVISION` for a database that is there")
        }
        return try readingLedger {
            try backend.session.beginReading()
            defer { backend.session.rollback() }
            return try body()
        }
    }
}
