import MigratorScript

/// A row of the ledger's `revision` table.
public struct RevisionRecord: Sendable, Equatable {
    public enum State: String, Sendable {
        case applied
        /// Declared to be there; a downgrade only forgets it.
        case stamped
        /// An upgrade that has committed some of its steps and not all.
        case upgrading
        /// A downgrade that has committed some of its steps and not all.
        case downgrading
    }
    public var revision: String
    public var revises: String?
    public var message: String
    public var state: State
    public var checksum: String
    public var file: String
    public var runID: Int
    /// ISO 8601, UTC.
    public var appliedAt: String
    public var contractedAt: String?

    public init(
        revision: String, revises: String?, message: String, state: State, checksum: String,
        file: String, runID: Int, appliedAt: String = "", contractedAt: String? = nil
    ) {
        self.revision = revision
        self.revises = revises
        self.message = message
        self.state = state
        self.checksum = checksum
        self.file = file
        self.runID = runID
        self.appliedAt = appliedAt
        self.contractedAt = contractedAt
    }
}

/// A row of `backup`: a table that holds what would otherwise be gone, with its proof.
public struct BackupRecord: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// `backup TABLE`: the whole table before a switch.
        case table
        /// Key and values of columns that a way back takes away.
        case columns
        /// `archive`: what only these tables held.
        case archive
        /// Renamed out of the way by `--set-aside`.
        case setAside = "set-aside"
        /// The target that stays behind after a downgrade.
        case target
    }
    public var id: Int = 0
    public var runID: Int
    public var revision: String
    public var kind: Kind
    public var schema: String
    /// The table whose rows it holds, as it was named.
    public var source: String
    /// The backup's own name, in the same schema.
    public var name: String
    /// The column that tells its rows apart; nil where there is no single one.
    public var key: String?
    /// In the order of the content hash.
    public var columns: [String]
    public var rows: Int
    public var hash: String
    /// How `hash` was made: `row-hash-sum` (PostgreSQL), `sha256-sum` (SQLite).
    public var algorithm: String
    /// `pg_current_snapshot()` under the lock, as text; nil on SQLite.
    public var snapshot: String?
    /// The transaction that made it (xid8 as text); nil on SQLite.
    public var transactionID: String?
    /// Tells a restored copy of the database from the original; nil on SQLite.
    public var systemIdentifier: String?
    public var createdAt: String = ""
    /// Statements that bring indexes, constraints and so on back where a restore needs them.
    public var definition: String?

    public init(
        runID: Int, revision: String, kind: Kind, schema: String, source: String, name: String, key: String?,
        columns: [String], rows: Int, hash: String, algorithm: String, snapshot: String? = nil,
        transactionID: String? = nil, systemIdentifier: String? = nil, definition: String? = nil
    ) {
        self.runID = runID
        self.revision = revision
        self.kind = kind
        self.schema = schema
        self.source = source
        self.name = name
        self.key = key
        self.columns = columns
        self.rows = rows
        self.hash = hash
        self.algorithm = algorithm
        self.snapshot = snapshot
        self.transactionID = transactionID
        self.systemIdentifier = systemIdentifier
        self.definition = definition
    }
}

/// A row of `object`: something the tool created, renamed or changed, with what a way back needs.
public struct ObjectRecord: Sendable, Equatable {
    public var id: Int = 0
    public var runID: Int
    public var revision: String
    /// Ordinal of the item within the upgrade section, nested items counted flat; -1 for the script as a whole.
    public var item: Int
    /// `switch`, `copy`, `sync`, `ensure`, `fill`, `trigger`, `function`, `created-table`, `created-column`, `view`, ...
    public var kind: String
    /// What it is about, unquoted: `direct_messages -> messages`, `public.messages.conversation_id`.
    public var name: String
    /// JSON or SQL, owned by the code that wrote it.
    public var detail: String

    public init(runID: Int, revision: String, item: Int, kind: String, name: String, detail: String) {
        self.runID = runID
        self.revision = revision
        self.item = item
        self.kind = kind
        self.name = name
        self.detail = detail
    }
}

/// A row of `proof`: what was compared, and the verdict.
public struct ProofRecord: Sendable, Equatable {
    public var runID: Int
    public var revision: String
    public var item: Int
    /// `backup`, `switch`, `copy`, `counts`, `next-id`, `query`, `fingerprint`, ...
    public var check: String
    public var subject: String
    public var verdict: String
    /// JSON.
    public var detail: String

    public init(
        runID: Int, revision: String, item: Int, check: String, subject: String, verdict: String,
        detail: String
    ) {
        self.runID = runID
        self.revision = revision
        self.item = item
        self.check = check
        self.subject = subject
        self.verdict = verdict
        self.detail = detail
    }
}

/// A row of `exception`: a source row that no mapping could place.
public struct ExceptionRecord: Sendable, Equatable {
    public var revision: String
    public var item: Int
    public var table: String
    public var key: String
    public var reason: String
    /// The row as JSON.
    public var row: String

    public init(revision: String, item: Int, table: String, key: String, reason: String, row: String) {
        self.revision = revision
        self.item = item
        self.table = table
        self.key = key
        self.reason = reason
        self.row = row
    }
}
