import Glibc
import MigratorDatabase
import MigratorPlan
import MigratorScript

public struct AdoptOptions: Sendable {
    /// The tool; nil to find out by its table.
    public var tool: String?
    /// Where the tool's table is called otherwise than it does by itself.
    public var table: TableName?
    public var acceptsChanged = false
    public var keepsAlembicVersion = false

    public init() {}
    public static var tools: [String] { VersionTables.names }
}

public struct AdoptReport: Sendable, Equatable {
    public var tool: String
    public var table: String
    public var to: String?
    /// Stamped by this command.
    public var revisions: [String]
    public var pending: [String]
    public var keepsAlembicVersion: Bool
}

extension Migrator {
    /// Takes over a database that another tool has migrated: what its table says must fit the scripts, and is stamped.
    /// Nothing of the scripts is run.
    public func adopt(_ options: AdoptOptions) throws -> AdoptReport {
        try backend.checkServer(forWriting: true)
        let registry = try attachRegistry()
        defer { if registry { try? backend.session.execute("DETACH DATABASE sqitch") } }
        let (reader, name) = try versionTable(options)
        let table = backend.quoted(name)
        let versions = try reader.read(table, backend.session)
        let applied = try AdoptedChain(tool: reader.tool, scripts: allInOrder(), acceptsChanged: options.acceptsChanged)
            .applied(versions)
        if options.keepsAlembicVersion, reader.tool != AlembicTable.tool {
            throw MigratorError(
                "usage", .usage, "--keep-alembic-version goes with --from alembic", hint: "leave one of them out")
        }
        let seen = try recordedRevisions()
        let wanted = applied.map(\.revision)
        guard seen.isEmpty || seen.map(\.revision) == wanted else {
            throw MigratorError(
                "adopted-already", .refused,
                "the ledger has \(seen.count.counted("revision")) already, up to \"\(seen.last?.revision ?? "")\"",
                hint: "`migrator status` shows them; `migrator stamp` sets them right")
        }
        if seen.isEmpty || options.keepsAlembicVersion {
            try record(applied, target: wanted.last, table: options.keepsAlembicVersion ? table : nil)
        }
        let order = try planning(recordedRevisions())
        return AdoptReport(
            tool: reader.tool, table: name.description, to: wanted.last, revisions: seen.isEmpty ? wanted : [],
            pending: order.pending, keepsAlembicVersion: options.keepsAlembicVersion)
    }

    /// Another tool's scripts stand in their order as they were read, a baseline and what it stands for among them.
    private func allInOrder() throws -> [Script] {
        let chain = try planning([]).planner.chain.scripts
        return chain.count < scripts.count ? scripts : chain
    }

    private func record(_ applied: [Script], target: String?, table: String?) throws {
        _ = try working(nil, target: target, options: RunOptions()) { executor, report in
            _ = try self.inTransaction(executor) { _ in
                let known = Set(try self.backend.ledger.revisions().map(\.revision))
                for script in applied where !known.contains(script.revision) {
                    try self.backend.ledger.set(
                        RevisionRecord(
                            revision: script.revision, revises: script.revises, message: script.message,
                            state: .stamped, checksum: script.checksum, file: script.location.file,
                            runID: executor.run.id), script: script.text)
                }
                if let table { try self.backend.ledger.keepVersionTable(table, runID: executor.run.id) }
                return StepOutcome()
            }
            report.to = target
        }
    }

    /// Which tool's table is there.
    private func versionTable(_ options: AdoptOptions) throws -> (reader: any VersionTable.Type, name: TableName) {
        if let tool = options.tool {
            guard let reader = VersionTables.all.first(where: { $0.tool == tool }) else {
                throw MigratorError(
                    "usage", .usage, "\"\(tool)\" is no tool that can be adopted from",
                    hint: "name one of: " + VersionTables.names.joined(separator: ", "))
            }
            let name = options.table ?? reader.defaultTable
            guard let columns = try backend.columnNames(of: name) else {
                throw MigratorError(
                    "no-version-table", .difference, "the database has no table \"\(name)\" of \(tool)",
                    hint: "name it with --version-table, or another tool with --from")
            }
            guard reader.columns.allSatisfy(columns.contains) else {
                throw MigratorError(
                    "no-version-table", .difference,
                    "the table \"\(name)\" is not \(tool)'s: it lacks "
                        + reader.columns.filter { !columns.contains($0) }.joined(separator: ", "),
                    hint: "name the right table with --version-table, or another tool with --from")
            }
            return (reader, name)
        }
        let found = try VersionTables.all.filter { reader in
            guard let columns = try backend.columnNames(of: options.table ?? reader.defaultTable) else { return false }
            return reader.columns.allSatisfy(columns.contains)
        }
        // golang-migrate's table has what dbmate's has, and more.
        let distinct = found.filter {
            $0.tool != DbmateTable.tool || !found.contains { $0.tool == GolangMigrateTable.tool }
        }
        guard let reader = distinct.first, distinct.count == 1 else {
            throw MigratorError(
                distinct.isEmpty ? "no-version-table" : "several-version-tables", .usage,
                distinct.isEmpty
                    ? "the database has no version table of a known tool"
                    : "the database has version tables of several tools: "
                        + distinct.map { $0.tool }.joined(separator: ", "),
                hint: "name the tool with --from: " + VersionTables.names.joined(separator: ", "))
        }
        return (reader, options.table ?? reader.defaultTable)
    }

    /// On SQLite sqitch keeps its tables in a file beside the database.
    private func attachRegistry() throws -> Bool {
        guard let backend = backend as? SQLiteBackend else { return false }
        let folder = backend.path.lastIndex(of: "/").map { String(backend.path[..<$0]) } ?? "."
        let file = folder + "/sqitch.db"
        guard access(file, R_OK) == 0 else { return false }
        try backend.session.execute("ATTACH DATABASE \(file.quotedLiteral) AS sqitch")
        return true
    }
}
