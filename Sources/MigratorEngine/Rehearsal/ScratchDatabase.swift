import MigratorDatabase
import MigratorScript

/// A copy of a database that a rehearsal may do with as it likes, and what is known of it from outside.
///
/// It holds a marker and, for as long as the rehearsal lives, a lock: without the marker nothing is ever removed, and
/// a marked copy whose lock is free was left by a rehearsal that was killed.
protocol ScratchDatabase: AnyObject {
    var report: RehearsalReport.Copy { get }
    /// A session of its own, as a command would have it; traced.
    func open() throws -> any Backend
    /// What the sessions did to others meanwhile.
    var locks: LockLog { get }
    /// The tables that hold the application's rows: neither the ledger nor registered backups are among them.
    func tables() throws -> [ScratchTable]
    /// Keeps a digest of every row under a name.
    func keepRows(as name: String) throws
    /// The rows that differ from those kept, by table and key; at most ten a table.
    func rowDifferences(from name: String) throws -> [Difference]
    func bytes() throws -> (all: Int, backups: Int?)
    /// Where the log of all writes stands; nil where there is none.
    func logPosition() throws -> Int?
    /// The copy goes, whatever state it is in.
    func remove() throws
}

/// A table with what is needed to write a further row like one that is there.
struct ScratchTable: Equatable {
    struct Column: Equatable {
        var name: String
        /// Holds text of at least this many characters; nil for any other type.
        var textLength: Int?
        /// Draws its value by itself: a sequence, an identity, a generated column.
        var isAutomatic = false
        /// Is part of a foreign key, or of a CHECK.
        var isBound = false
        /// From 1; 0 outside of the primary key.
        var keyPosition = 0
    }

    /// `public.messages`, or `messages` on SQLite: for people, and to tell tables apart.
    var shown: String
    /// Qualified and quoted.
    var quoted: String
    var columns: [Column]

    /// Without its schema.
    var name: String { shown.split(separator: ".", maxSplits: 1).last.map(String.init) ?? shown }

    var keyColumns: [Column] {
        columns.filter { $0.keyPosition > 0 }.sorted { $0.keyPosition < $1.keyPosition }
    }
}
