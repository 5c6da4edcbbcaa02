import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public var defaultMode: MigrationMode { .window }
    public var isOnlineCapable: Bool { false }
    public func performOnline(_ work: OnlineWork) throws -> StepOutcome { StepOutcome() }
    public func executeOutside(_ sql: String, options: RunOptions) throws { try session.execute(sql) }
    public func prepareContract(of script: Script, context: StepContext) throws {}
    public func checkBackup(of table: TableName, context: StepContext) throws {}
    public func waitBriefly() {}
    public func migratorAtWork() -> String? { nil }
    public func blockers(of items: [Item]) throws -> [String] { [] }
    public func loadSignals(options: RunOptions, reporter: any Reporter) -> (any LoadSignals)? { nil }
}
