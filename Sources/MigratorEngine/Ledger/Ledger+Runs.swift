import MigratorDatabase

extension Ledger {
    /// Who works, for people who find the lock taken and for the history.
    public struct RunOrigin: Sendable, Equatable {
        /// The command line without anything secret.
        public var command: String
        public var toolVersion: String
        public var user: String
        public var host: String
        public var pid: Int
        public var backendPID: Int?

        public init(
            command: String, toolVersion: String, user: String, host: String, pid: Int, backendPID: Int?
        ) {
            self.command = command
            self.toolVersion = toolVersion
            self.user = user
            self.host = host
            self.pid = pid
            self.backendPID = backendPID
        }
    }

    /// Registers a run and raises the epoch, which fences every run before it (ONLINE.md 4).
    /// A run that is still marked as running was killed: the lock is ours, so it cannot be alive.
    public func beginRun(
        _ origin: RunOrigin, direction: Direction?, from: String?, to: String?
    ) throws -> RunIdentity {
        try session.transaction {
            try session.run(
                "UPDATE \(table("run")) SET outcome = 'killed', finished_at = \(now) WHERE outcome = 'running'")
            try session.run("UPDATE \(table("fence")) SET epoch = epoch + 1")
            let epoch = try session.scalar("SELECT epoch FROM \(table("fence"))").asInt ?? 0
            let id =
                try session.query(
                    """
                    INSERT INTO \(table("run")) (command, direction, from_revision, to_revision, epoch,
                        tool_version, user_name, host, pid, backend_pid, started_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \(now)) RETURNING id
                    """,
                    [
                        .text(origin.command), SQLValue(direction?.rawValue), SQLValue(from), SQLValue(to),
                        SQLValue(epoch), .text(origin.toolVersion), .text(origin.user), .text(origin.host),
                        SQLValue(origin.pid), SQLValue(origin.backendPID),
                    ]
                ).first?.int("id") ?? 0
            try session.run("UPDATE \(table("fence")) SET run_id = $1", [SQLValue(id)])
            return RunIdentity(id: id, epoch: epoch)
        }
    }

    /// `done`, `failed`, `interrupted`, `refused`; an epoch that has moved on is left alone.
    public func finishRun(_ run: RunIdentity, outcome: String, error: String?) throws(DatabaseError) {
        try session.run(
            """
            UPDATE \(table("run")) SET outcome = $1, error = $2, finished_at = \(now)
            WHERE id = $3 AND outcome = 'running'
            """, [.text(outcome), SQLValue(error), SQLValue(run.id)])
    }

    /// The newest run, whatever became of it.
    public func lastRun() throws(DatabaseError) -> StatusReport.RunSummary? {
        try session.query(
            """
            SELECT id, command, outcome, user_name, host, pid, backend_pid, \(time("started_at")) AS started_at,
                   \(time("finished_at")) AS finished_at, error
            FROM \(table("run")) ORDER BY id DESC LIMIT 1
            """
        ).first.map { row in
            StatusReport.RunSummary(
                id: row.int("id") ?? 0, command: row.text("command") ?? "",
                outcome: row.text("outcome") ?? "", user: row.text("user_name") ?? "",
                host: row.text("host") ?? "", pid: row.int("pid") ?? 0, backendPID: row.int("backend_pid"),
                startedAt: row.text("started_at") ?? "",
                finishedAt: row.text("finished_at"), error: row.text("error"))
        }
    }
}
