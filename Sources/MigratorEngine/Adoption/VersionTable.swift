import MigratorDatabase
import MigratorScript

/// What another tool's version table says, in one form for all of them.
struct RecordedVersions {
    struct Entry {
        /// As the tool calls it.
        var version: String
        /// Of the script that was run, where the tool keeps one.
        var checksum: String?
        /// All scripts up to this one are applied, not it alone.
        var includesEarlier = false
        var role = ScriptOrigin.Role.versioned
    }

    /// In the order in which they were applied.
    var entries: [Entry]
}

/// Reads the table in which one tool keeps what a database has. One tool each; a new one is a line in `all`.
protocol VersionTable: SendableMetatype {
    static var tool: String { get }
    static var defaultTable: TableName { get }
    /// Columns that tell it from another tool's table of the same name.
    static var columns: [String] { get }
    /// - Parameter table: quoted.
    /// - Throws: `MigratorError` where the table says that something went wrong half-way.
    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions
}

enum VersionTables {
    static let all: [any VersionTable.Type] = [
        GolangMigrateTable.self, GooseTable.self, DbmateTable.self, FlywayTable.self, DieselTable.self,
        SQLxTable.self, PrismaTable.self, SqitchTable.self, AlembicTable.self,
    ]
    static var names: [String] { all.map { $0.tool } }
}

extension MigratorError {
    /// The other tool has left something unfinished: it knows what, this one does not.
    static func unsettled(_ tool: String, _ what: String, hint: String) -> MigratorError {
        MigratorError("unsettled-version", .refused, "\(tool)'s table says that \(what)", hint: hint)
    }
}
