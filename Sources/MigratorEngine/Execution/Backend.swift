import MigratorDatabase
import MigratorScript

/// Where a step belongs: handed to everything that a backend does for a script's item.
public struct StepContext {
    public var runID: Int
    public var revision: String
    public var direction: Direction
    /// Ordinal of the item within its section, nested items counted flat, from 0.
    public var item: Int
    public var options: RunOptions
    public var reporter: any Reporter
    /// Where the step stands in one.
    var script: Script?

    public init(
        runID: Int, revision: String, direction: Direction, item: Int, options: RunOptions,
        reporter: any Reporter
    ) {
        self.runID = runID
        self.revision = revision
        self.direction = direction
        self.item = item
        self.options = options
        self.reporter = reporter
    }
}

/// What a step did, for people and for the ledger.
public struct StepOutcome: Sendable, Equatable {
    public var rows: Int?
    /// One line each: `1,900 rows compared, 0 differences`.
    public var details: [String]
    /// Of a way back: names of indexes and constraints that do not come back, since somebody has changed them by hand.
    public var leftNames: Set<String> = []

    public init(rows: Int? = nil, details: [String] = []) {
        self.rows = rows
        self.details = details
    }
}

/// How a switch will be done, and why.
public struct StrategyDecision: Sendable, Equatable {
    public var strategy: Strategy
    public var reason: String
    /// What else there is to say of it: columns that come along undeclared, or stay behind.
    public var notes: [String]

    public init(strategy: Strategy, reason: String, notes: [String] = []) {
        self.strategy = strategy
        self.reason = reason
        self.notes = notes
    }
}

/// The schema as text: a relation's qualified name ("public.messages") to its definition, a line a fact, sorted.
/// Facts: columns with type, nullability, default, identity, collation; constraints; indexes with validity;
/// triggers; view definition; grants; owner; row-level security and policies; publications; replica
/// identity; comments; storage options. The tool's own schema or tables, and registered backups, are left out.
public typealias SchemaSnapshot = [String: [String]]

/// A table of the database with the identities that survive a rename (PostgreSQL: oid and attnum).
public struct InventoryTable: Sendable, Equatable {
    public var schema: String
    public var name: String
    /// Identity to name.
    public var columns: [String: String]
    /// Where the rows are, which TRUNCATE changes; nil where the role may not do that, and on SQLite, which has no such
    /// statement.
    public var storage: String?

    public init(schema: String, name: String, columns: [String: String], storage: String? = nil) {
        self.schema = schema
        self.name = name
        self.columns = columns
        self.storage = storage
    }
}

/// A database's tables by their names in scripts.
public protocol TableAccess: AnyObject {
    var session: any Session { get }
    /// The schema-qualified and quoted name; an unqualified table lives in the backend's schema.
    func quoted(_ table: TableName) -> String
    func tableExists(_ table: TableName) throws -> Bool
    /// Names in order; nil where there is no such table or view.
    func columnNames(of table: TableName) throws -> [String]?
}

/// Relations whose definition a transaction may have changed, and their definitions as they are in it.
public struct TouchedSchema: Sendable, Equatable {
    public var relations: Set<String>
    public var definitions: SchemaSnapshot

    public init(relations: Set<String>, definitions: SchemaSnapshot) {
        self.relations = relations
        self.definitions = definitions
    }
}

/// What the executor needs of a database; one implementation each.
/// Everything that changes data runs inside the transaction that `beginWork` opened,
/// and writes what it did into the ledger there.
public protocol Backend: TableAccess {
    var ledger: Ledger { get }
    /// The schema in which unqualified names live (`main` on SQLite).
    var schema: String { get }

    // MARK: Before anything
    /// Refuses what cannot work: a replica, a read-only file, a transaction pooler, a server that is too old.
    func checkServer(forWriting: Bool) throws
    /// Creates the ledger, or upgrades an older version of it. A missing privilege: the exact GRANT is the hint.
    func prepareLedger() throws
    /// One migrator at a time: polling try-lock; `options.wait`, else `MigratorError` status locked naming the owner.
    func acquireMigrationLock(options: RunOptions, reporter: any Reporter) throws
    func releaseMigrationLock()
    /// Who holds that lock now, where it can be told without taking it.
    func migratorAtWork() throws -> String?

    // MARK: Transactions
    /// Opens the transaction of one segment: pins the settings, fences by run and epoch, locks the tables
    /// that the items touch in the application's order, with short attempts until `options.lockTimeout`.
    func beginWork(for items: [Item], run: RunIdentity, options: RunOptions, reporter: any Reporter) throws
    /// SQLite: `PRAGMA foreign_key_check` first.
    func commitWork() throws
    func rollbackWork()
    /// The open transaction, up to its end, waits for a lock for a moment only.
    func waitBriefly() throws
    /// The transactions that hold what these items want to lock, a line each.
    func blockers(of items: [Item]) throws -> [String]

    // MARK: Catalog
    /// Definitions of all relations of `schema`, or of those named only.
    func schemaSnapshot(of relations: Set<String>?) throws -> SchemaSnapshot
    /// What the open transaction may have changed of the schema; nil means: compare everything.
    func touchedSchema() throws -> TouchedSchema?
    /// What is thrown where the role may not read the ledger.
    func unreadableLedger(_ error: DatabaseError) -> any Error
    /// Every foreign key of the tables of `schema`.
    func foreignKeys() throws -> [ForeignKey]
    /// Key columns that draw their values from a sequence, with what comes next.
    func nextIDs() throws -> [NextID]
    /// Indexes that are not valid, constraints that are not validated, triggers that are off: what of `schema`
    /// does not do what its definition says.
    func invalidObjects() throws -> [Difference]
    /// Refuses tables to which logical replication brings rows: past every trigger, and by a name that a switch takes
    /// away. SQLite has nothing of the kind.
    func refuseSubscribed(_ tables: [TableName]) throws
    /// About how many rows and bytes a table has, by the database's own statistics; for plans and progress only.
    /// No rows where the database has not counted them yet.
    func estimatedSize(of table: TableName) throws -> (rows: Int?, bytes: Int?)
    /// The database's size, and its tables' where it tells them without reading them; waits for nobody.
    func sizes(_ moment: SizeRecord.Moment) throws -> [SizeRecord]
    /// What scripts declare of `schema`, by relation, a line a fact that begins with its subject: who owns a
    /// relation and who may use it is not among them.
    func declaredFacts() throws -> SchemaSnapshot
    /// All user tables of `schema`, by identity.
    func inventory() throws -> [String: InventoryTable]

    /// Hands over a backend on an empty scratch schema or database, inside an open transaction; nothing of it stays.
    func withScratch<Result>(_ body: (any Backend) throws -> Result) throws -> Result

    // MARK: Steps of an upgrade
    /// `leftovers`: empty ones are dropped, others renamed by `--set-aside`, else refused naming them.
    func clearLeftovers(_ tables: [TableName], context: StepContext) throws -> StepOutcome
    func backup(_ table: TableName, context: StepContext) throws -> StepOutcome
    /// Decides without touching anything (a scratch schema behind a savepoint of the open transaction).
    /// `definition` is the statements of the section that define the target.
    func decideStrategy(_ move: Move, definition: [Statement], context: StepContext) throws -> StrategyDecision
    /// The rows get there, everything is compared, the source's role passes on.
    /// With strategy copy the definition has been run in place; with rename it has not.
    func performSwitch(
        _ move: Move, strategy: Strategy, definition: [Statement], context: StepContext
    ) throws -> StepOutcome
    func performCopy(_ move: Move, context: StepContext) throws -> StepOutcome
    func performSync(_ sync: Sync, context: StepContext) throws -> StepOutcome
    /// Ends a sync of any earlier revision: triggers and functions go, the data stays.
    func performUnsync(source: TableName, target: TableName, context: StepContext) throws -> StepOutcome
    /// `beforeRow`: a later `fill` of the same section computes columns of the same source, so the trigger must
    /// run before the row is written; otherwise after it.
    func performEnsure(_ ensure: Ensure, beforeRow: Bool, context: StepContext) throws -> StepOutcome
    func performFill(_ fill: Fill, context: StepContext) throws -> StepOutcome
    func recordExceptions(_ exceptions: Exceptions, context: StepContext) throws -> StepOutcome

    // MARK: While the application writes
    /// How a script's steps run that says nothing of it, nor the command line.
    var defaultMode: MigrationMode { get }
    var isOnlineCapable: Bool { get }
    /// Does a step in short transactions of its own, from the checkpoint on, and is done when it returns.
    func performOnline(_ work: OnlineWork) throws -> StepOutcome
    /// Runs a statement that cannot run in a transaction; a lock that is not to be had in time is status locked.
    func executeOutside(_ sql: String, options: RunOptions) throws
    /// Refuses a switch by copy after which the old table could not follow the new one; looks only.
    func requireFollowable(_ move: Move) throws
    /// Refuses a backup whose name is taken by what is not the tool's; looks only.
    func checkBackup(of table: TableName, context: StepContext) throws
    /// The signals that this role can read now.
    func loadSignals(options: RunOptions, reporter: any Reporter) throws -> (any LoadSignals)?

    // MARK: Steps of a downgrade
    /// Refuses an online way back by an old table that has not followed the new one, or cannot take its place; looks only.
    func requireFollowed(_ move: Move, context: StepContext) throws
    /// The backup that the way back of a recorded switch takes values or rows from; nil where it needs none. Leaves
    /// changes behind, which are to be rolled back.
    /// - Throws: `MigratorError`, status refused, where it has been pruned.
    func backupOfWayBack(_ move: Move, context: StepContext) throws -> BackupRecord?
    /// A `switch` in a downgrade section whose upgrade stands in the ledger: back to what was, with every write since.
    func revertSwitch(_ move: Move, record: ObjectRecord, context: StepContext) throws -> StepOutcome
    func archive(_ tables: [TableName], context: StepContext) throws -> StepOutcome
    /// Until the transaction ends, nobody else writes to the table.
    func holdStill(_ table: TableName) throws
    /// Registers key and values of columns that are about to go; `where any value is not null`.
    func archiveColumns(_ columns: [String], of table: TableName, context: StepContext) throws -> StepOutcome
    /// Everything that steps of this revision left running (triggers, functions of sync, ensure, fill) and that the
    /// downgrade section has not ended by itself is taken away.
    func removeTriggers(ofRevision revision: String, context: StepContext) throws

    // MARK: Later
    /// What must be proved before a soak may end, without a lock.
    func prepareContract(of script: Script, context: StepContext) throws
    /// Ends the soak of a revision: view, follower, reverse trigger.
    func contract(revision: String, context: StepContext) throws -> StepOutcome
    /// Content hash of a table's columns: rows, hash, and the algorithm by which it was made.
    func contentHash(of table: TableName, columns: [String]) throws -> (rows: Int, hash: String, algorithm: String)
    /// Tells a restored copy of the database from the original; nil where that cannot be known.
    func identityOfSystem() throws -> String?

    // MARK: Backups
    /// Brings a registered backup back: a set-aside table by renaming it back (`into` nil), any other as a new table
    /// named `into` (default: the source's name, refused where that exists). A changed backup is refused;
    /// the copy is compared by hash.
    func restore(_ backup: BackupRecord, into name: String?, context: StepContext) throws -> StepOutcome
    /// Drops a registered backup's table, never with CASCADE, and notes it in the ledger.
    func prune(_ backup: BackupRecord) throws
    /// Writes SQL that restores the backups elsewhere (psql or sqlite3 reads it), piece by piece.
    func export(_ backups: [BackupRecord], write: (String) throws -> Void) throws

    /// The verification checks of this database, in the order in which they are shown.
    var checks: [any VerificationCheck] { get }
    /// Further connections that see the snapshot of the open transaction, each on a transaction of its own that only
    /// reads; fewer where the database has none to give. Their cancel handles are told before they are handed over.
    func readers(_ count: Int, cancelledBy register: (any CancelHandle) -> Void) throws -> [any Backend]
}

/// A foreign key, whether the database enforces it or not.
public struct ForeignKey: Sendable, Equatable {
    public var name: String
    public var table: TableName
    public var columns: [String]
    public var referenced: TableName
    public var referencedColumns: [String]
    /// The columns that tell the table's rows apart: its primary key; empty where it has none.
    public var rowKey: [String] = []
}

/// A column that draws its values from a sequence.
public struct NextID: Sendable, Equatable {
    public var table: TableName
    public var column: String
    /// The sequence, for people.
    public var sequence: String
    /// The value that the next row gets; nil where every id up to the highest of all has been given, so that there is none.
    public var next: Int?
}

/// Which run works, for the fence (ONLINE.md 4).
public struct RunIdentity: Sendable, Equatable {
    public var id: Int
    public var epoch: Int

    public init(id: Int, epoch: Int) {
        self.id = id
        self.epoch = epoch
    }
}
