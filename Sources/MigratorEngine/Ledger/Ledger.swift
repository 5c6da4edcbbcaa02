import MigratorDatabase
import MigratorScript

/// The record of everything the tool has done, in the database itself, written in the same transaction as the work.
///
/// PostgreSQL: tables in a schema of their own; SQLite: tables with the prefix `migrator_`.
public final class Ledger {
    public static let formatVersion = 3

    public let session: any Session
    /// The ledger's schema on PostgreSQL, unquoted.
    public let schema: String
    /// What the run that works now takes; nil outside of runs.
    var journal: RunJournal?
    /// Once it was seen to be there it is not asked for again: nothing takes a ledger away.
    var isFound = false
    /// What goes into the ledger together, right before the commit.
    var deferred: [LedgerWrite] = []
    /// The version table of another tool that is kept in step; looked up once.
    var versionTable: String??

    public init(session: any Session, schema: String = "migrator") {
        self.session = session
        self.schema = schema
    }

    /// The quoted name of a ledger table, such as `"migrator"."run"` or `"migrator_run"`.
    public func table(_ name: String) -> String {
        switch session.dialect {
        case .postgresql: "\(schema.quotedIdentifier).\(name.quotedIdentifier)"
        case .sqlite: "migrator_\(name)".quotedIdentifier
        }
    }

    /// The current time as an SQL expression whose value reads as ISO 8601 in UTC.
    var now: String {
        switch session.dialect {
        case .postgresql: "clock_timestamp()"
        case .sqlite: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        }
    }

    /// A stored time as ISO 8601 text in UTC.
    func time(_ column: String) -> String {
        switch session.dialect {
        case .postgresql:
            "to_char(\(column) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        case .sqlite: column
        }
    }

    public func exists() throws(DatabaseError) -> Bool {
        if isFound { return true }
        switch session.dialect {
        case .postgresql:
            isFound = try session.scalar("SELECT to_regclass($1) IS NOT NULL", [.text(table("format"))]).asBool
        case .sqlite:
            // Its file may be put back to an earlier state at any time.
            return try session.scalar(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrator_format'"
            ).asBool
        }
        return isFound
    }

    // MARK: Revisions

    /// All recorded revisions in the order in which they were applied, without the texts of their scripts.
    /// - Parameter isBrief: without messages and times as well, which a command that may have nothing to do spares.
    public func revisions(isBrief: Bool = false) throws(DatabaseError) -> [RevisionRecord] {
        let details =
            isBrief ? "" : ", message, \(time("applied_at")) AS applied_at, \(time("contracted_at")) AS contracted_at"
        return try session.query(
            """
            SELECT revision, revises, state, checksum, file, run_id\(details)
            FROM \(table("revision")) ORDER BY position
            """
        ).map { row in
            RevisionRecord(
                revision: row[0].asText ?? "", revises: row[1].asText, message: row[6].asText ?? "",
                state: RevisionRecord.State(rawValue: row[2].asText ?? "") ?? .applied,
                checksum: row[3].asText ?? "", file: row[4].asText ?? "", runID: row[5].asInt ?? 0,
                appliedAt: row[7].asText ?? "", contractedAt: row[8].asText)
        }
    }

    /// The whole script of a recorded revision as it was applied, so that an older checkout can still go back.
    public func script(of revision: String) throws(DatabaseError) -> String {
        try session.scalar("SELECT script FROM \(table("revision")) WHERE revision = $1", [.text(revision)]).asText
            ?? ""
    }

    /// Inserts the revision, or changes the state, checksum and script of one that is there.
    /// - Parameter script: the whole text.
    public func set(_ record: RevisionRecord, script: String) throws(DatabaseError) {
        try write([setting(of: record, script: script)])
        try followVersionTable()
    }

    func setting(of record: RevisionRecord, script: String) -> LedgerWrite {
        LedgerWrite(
            """
            INSERT INTO \(table("revision"))
                (revision, revises, message, state, checksum, script, file, run_id, position, applied_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                (SELECT coalesce(max(position), 0) + 1 FROM \(table("revision"))), \(now))
            ON CONFLICT (revision) DO UPDATE SET revises = excluded.revises, message = excluded.message,
                state = excluded.state, checksum = excluded.checksum, script = excluded.script,
                file = excluded.file, run_id = excluded.run_id, applied_at = excluded.applied_at
            """,
            [
                .text(record.revision), SQLValue(record.revises), .text(record.message),
                .text(record.state.rawValue), .text(record.checksum), .text(script),
                .text(record.file), SQLValue(record.runID),
            ])
    }

    public func setState(_ state: RevisionRecord.State, of revision: String) throws(DatabaseError) {
        try session.run(
            "UPDATE \(table("revision")) SET state = $1 WHERE revision = $2",
            [.text(state.rawValue), .text(revision)])
    }

    public func setContracted(_ revision: String) throws(DatabaseError) {
        try session.run(
            "UPDATE \(table("revision")) SET contracted_at = \(now) WHERE revision = $1", [.text(revision)])
    }

    /// Forgets the revision with what only concerned it; backups, proofs and steps stay as history.
    public func remove(revision: String) throws(DatabaseError) {
        for name in ["revision", "object", "fingerprint", "exception", "checkpoint"] {
            try session.run("DELETE FROM \(table(name)) WHERE revision = $1", [.text(revision)])
        }
        try followVersionTable()
    }

    // MARK: Proofs, exceptions

    public func add(_ proof: ProofRecord) throws(DatabaseError) {
        try session.run(
            """
            INSERT INTO \(table("proof")) (run_id, revision, item, check_name, subject, verdict, detail, made_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, \(now))
            """,
            [
                SQLValue(proof.runID), .text(proof.revision), SQLValue(proof.item), .text(proof.check),
                .text(proof.subject), .text(proof.verdict), .text(proof.detail),
            ])
    }

    /// Proofs of a revision, newest last.
    public func proofs(revision: String) throws(DatabaseError) -> [ProofRecord] {
        try session.query(
            """
            SELECT run_id, revision, item, check_name, subject, verdict, detail
            FROM \(table("proof")) WHERE revision = $1 ORDER BY id
            """, [.text(revision)]
        ).map { row in
            ProofRecord(
                runID: row.int("run_id") ?? 0, revision: row.text("revision") ?? "",
                item: row.int("item") ?? 0, check: row.text("check_name") ?? "",
                subject: row.text("subject") ?? "", verdict: row.text("verdict") ?? "",
                detail: row.text("detail") ?? "")
        }
    }

    public func add(_ exception: ExceptionRecord) throws(DatabaseError) {
        try session.run(
            """
            INSERT INTO \(table("exception")) (revision, item, table_name, row_key, reason, row_data)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (revision, item, table_name, row_key) DO UPDATE SET reason = excluded.reason
            """,
            [
                .text(exception.revision), SQLValue(exception.item), .text(exception.table),
                .text(exception.key), .text(exception.reason), .text(exception.row),
            ])
    }

    public func exceptionCount(revision: String? = nil) throws(DatabaseError) -> Int {
        try session.scalar(
            "SELECT count(*) FROM \(table("exception")) WHERE ($1 = '' OR revision = $1)",
            [.text(revision ?? "")]
        ).asInt ?? 0
    }

    // MARK: Checkpoints

    /// How far a step in several transactions has come. Items of a downgrade count from -1 downwards.
    public func checkpoint(revision: String, item: Int) throws(DatabaseError) -> Checkpoint? {
        try session.query(
            "SELECT state FROM \(table("checkpoint")) WHERE revision = $1 AND item = $2",
            [.text(revision), SQLValue(item)]
        ).first.flatMap { Checkpoint(json: $0.text("state") ?? "") }
    }

    /// Whether a step of the revision has been begun in several transactions and not been ended.
    public func hasCheckpoint(revision: String) throws(DatabaseError) -> Bool {
        try session.scalar("SELECT count(*) FROM \(table("checkpoint")) WHERE revision = $1", [.text(revision)]) != 0
    }

    public func setCheckpoint(_ checkpoint: Checkpoint, revision: String, item: Int) throws(DatabaseError) {
        try session.run(
            """
            INSERT INTO \(table("checkpoint")) (revision, item, state, rows, updated_at)
            VALUES ($1, $2, $3, $4, \(now))
            ON CONFLICT (revision, item) DO UPDATE
            SET state = excluded.state, rows = excluded.rows, updated_at = excluded.updated_at
            """,
            [.text(revision), SQLValue(item), .text(checkpoint.json), SQLValue(checkpoint.rows)])
    }

    public func removeCheckpoint(revision: String, item: Int) throws(DatabaseError) {
        try session.run(
            "DELETE FROM \(table("checkpoint")) WHERE revision = $1 AND item = $2",
            [.text(revision), SQLValue(item)])
    }

    /// Splits the `columns` of a backup: quoted identifiers, comma-separated.
    static func identifiers(in list: String) -> [String] {
        var names: [String] = []
        var name = ""
        var isInside = false
        var characters = list[...]
        while let character = characters.popFirst() {
            switch (character, isInside) {
            case ("\"", false): isInside = true
            case ("\"", true) where characters.first == "\"":
                characters.removeFirst()
                name.append("\"")
            case ("\"", true):
                names.append(name)
                name = ""
                isInside = false
            case (_, true): name.append(character)
            default: break
            }
        }
        return names
    }
}
