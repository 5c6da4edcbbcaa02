import MigratorDatabase
import MigratorScript

/// SQLite does not say in which order several triggers of one event run, so one trigger for each table and event
/// carries the statements of all steps of all revisions, in the order of the steps.
extension SQLiteBackend {
    static let stepKinds = [
        "sync", "ensure", "fill", "move", "backup", "back", SQLiteTriggerStep.syncBack, SQLiteTriggerStep.ensureBack,
    ]
    /// A backup whose rows are all there and that is not registered yet.
    static let madeBackup = "backup-made"

    func triggerSteps() throws -> [(object: ObjectRecord, step: SQLiteTriggerStep)] {
        guard try ledger.exists() else { return [] }
        return try ledger.objects().filter { Self.stepKinds.contains($0.kind) }.map {
            ($0, try decodeJSON(SQLiteTriggerStep.self, $0.detail, what: $0.name))
        }
    }

    func add(_ step: SQLiteTriggerStep, context: StepContext) throws {
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: step.kind,
                name: "\(step.source) -> \(step.target)", detail: try encodeJSON(step)))
        try makeTriggers(of: step.source)
    }

    public func performUnsync(
        source: TableName, target: TableName, context: StepContext
    ) throws -> StepOutcome {
        if context.direction == .downgrade { try removeTriggers(ofRevision: context.revision, context: context) }
        for (object, step) in try triggerSteps() {
            let ends = [(step.source, source), (step.target, target)]
            let isForward = step.kind == "sync" && ends.allSatisfy { isSameName($0, $1.name) }
            let isBack =
                step.kind == SQLiteTriggerStep.syncBack && isSameName(step.source, target.name)
                && isSameName(step.target, source.name)
            if isForward || isBack { try ledger.removeObject(object.id) }
        }
        for table in [source, target] { try makeTriggers(of: table.name) }
        return StepOutcome(details: ["triggers removed, the data stays"])
    }

    public func removeTriggers(ofRevision revision: String, context: StepContext) throws {
        var tables: [String] = []
        for (object, step) in try triggerSteps() where object.revision == revision && step.kind != "back" {
            try ledger.removeObject(object.id)
            if !tables.contains(step.source) { tables.append(step.source) }
            if step.kind == "backup" { try session.execute("DROP TABLE IF EXISTS \(main(step.target))") }
            if !step.leadsBack { try returnTriggers(of: step.target, revision: revision, item: object.item) }
        }
        for table in tables { try makeTriggers(of: table) }
        // Nothing was registered yet: half a backup is none.
        for object in try ledger.objects(revision: revision, kind: Self.madeBackup) {
            try ledger.removeObject(object.id)
            try session.execute("DROP TABLE IF EXISTS \(main(object.detail))")
        }
    }

    /// The target's own triggers, which an unfinished step has taken off.
    private func returnTriggers(of target: String, revision: String, item: Int) throws {
        guard let reached = try ledger.checkpoint(revision: revision, item: item), !reached.has("prove"),
            // A switch's goes with the table, which nobody uses.
            !reached.has("hide"), try table(target) != nil
        else { return }
        for trigger in reached.notes["triggers"] ?? [] { try session.execute(trigger) }
    }

    /// Ends one step's part in its table's triggers.
    func removeStep(kind: String, context: StepContext) throws {
        for (object, step) in try triggerSteps()
        where step.kind == kind && object.revision == context.revision && object.item == context.item {
            try ledger.removeObject(object.id)
            try makeTriggers(of: step.source)
        }
    }

    /// The definitions of the tool's triggers on a table, by name.
    func ownTriggers(of table: String) throws -> [String] {
        try objects("trigger", of: table).filter { isOwnTrigger($0.name, of: table) }.map(\.sql).sorted()
    }

    /// The events that the tool's triggers of a table are named by.
    static let triggerEvents = ["insert", "update", "delete", "before_insert", "before_update"]

    func isOwnTrigger(_ name: String, of table: String) -> Bool {
        Self.triggerEvents.contains { isSameName(name, "migrator_\(table)_\($0)") }
    }

    /// Makes a table's triggers anew from the ledger; without steps there are none.
    func makeTriggers(of name: String) throws {
        guard let table = try table(name) else { return }
        for event in Self.triggerEvents {
            try session.execute("DROP TRIGGER IF EXISTS \(main("migrator_\(table.name)_\(event)"))")
        }
        let all = try triggerSteps().map(\.step).filter { isSameName($0.source, name) }
        let steps = all.filter(\.isBeforeRow) + all.filter { !$0.isBeforeRow }
        let statements = try steps.compactMap { step in
            try self.table(step.target).map { SQLiteTriggerStatements(step: step, source: table, target: $0) }
        }
        let replaced = SQLiteReplacedRows(table, uniqueKeys: try uniqueKeys(of: table), steps: statements)
        if replaced != nil {
            try session.execute(
                "CREATE TABLE IF NOT EXISTS \(main(SQLiteReplacedRows.table)) (source TEXT NOT NULL, name TEXT NOT NULL, value)"
            )
        }
        let gone = replaced?.follow ?? []
        let bodies = [
            "insert": gone + statements.flatMap(\.whenInsertedFirst) + statements.flatMap(\.whenInserted),
            "update": gone + statements.flatMap(\.whenUpdated),
            "delete": statements.flatMap(\.whenDeleted),
            "before_insert": replaced?.note ?? [], "before_update": replaced?.note ?? [],
        ]
        for event in Self.triggerEvents {
            guard let body = bodies[event], !body.isEmpty else { continue }
            let moment =
                event.hasPrefix("before_") ? "BEFORE \(event.dropFirst(7).uppercased())" : "AFTER \(event.uppercased())"
            try session.execute(
                """
                CREATE TRIGGER \(main("migrator_\(table.name)_\(event)")) \(moment) ON \(table.name.quotedIdentifier)
                FOR EACH ROW BEGIN
                \(body.map { $0 + ";" }.joined(separator: "\n"))
                END
                """)
        }
    }
}
