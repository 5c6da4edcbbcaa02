import MigratorDatabase
import MigratorScript

/// Statements that cannot run in a transaction: the intent is committed, the statement runs, its end is committed.
/// After a restart the catalog says what became of it (ONLINE.md 4.3), never our memory.
extension Executor {
    func runOutside(_ item: FlatItem, _ statement: Statement, work: inout RevisionWork) throws {
        let isRestart = work.intents[item.ordinal] != nil
        let traits = StatementTraits(statement, dialect: backend.session.dialect)
        guard try holds(item, work: &work) else { return }
        let indexesBefore = try isRestart ? nil : indexNames(of: traits)
        if !isRestart {
            work.add(
                item, state: .intent, intent: indexesBefore?.joined(separator: "\n") ?? "",
                outcome: StepOutcome(), duration: .zero)
            let revision = work
            try commitProgress(work: &work) { try pinFingerprint(of: traits, work: revision) }
        }
        let clock = ContinuousClock()
        let start = clock.now
        reporter.report(.stepStarted(statement.title))
        backend.ledger.journal?.beginStep(item: item.ordinal, kind: item.item.action.kind, title: statement.title)
        let isDone = try isRestart && judge(traits, before: work.intents[item.ordinal] ?? "", work: work)
        if !isDone {
            do {
                try removeInvalidIndex(traits, options: options)
                try backend.executeOutside(statement.text, options: options)
                try checkValid(traits, statement)
            } catch {
                try? removeInvalidIndex(traits, options: .impatient)
                guard let error = error as? DatabaseError else { throw error }
                if work.isUndo && error.saysMissing {
                    reporter.report(.note("\(statement.title): not there, the upgrade had not come so far"))
                } else if error.kind == .cancelled || error.kind == .connectionLost {
                    throw error
                } else {
                    throw MigratorError(error, statement: statement)
                }
            }
        }
        backend.ledger.journal?.endStep()
        work.comparesEverything = true
        work.done.insert(item.ordinal)
        work.add(item, outcome: StepOutcome(), duration: clock.now - start)
        reporter.report(
            .stepFinished(
                statement.title, rows: nil, duration: clock.now - start,
                details: isDone ? ["found done by the run before"] : []))
        try commitProgress(work: &work)
    }

    /// Commits what the ledger is to know of steps that committed by themselves.
    func commitProgress(work: inout RevisionWork, _ more: () throws -> Void = {}) throws {
        try backend.beginWork(for: [], run: run, options: options, reporter: reporter)
        do {
            if knownSchema == nil { knownSchema = try backend.schemaSnapshot(of: nil) }
            try more()
            try backend.ledger.add(work.steps)
            work.steps = []
            try backend.ledger.set(
                work.record(state: work.planned.direction == .upgrade ? .upgrading : .downgrading),
                script: work.planned.script.text)
            try backend.commitWork()
        } catch {
            backend.rollbackWork()
            throw error
        }
    }

    /// Whether a statement that an earlier run began has taken effect.
    private func judge(_ traits: StatementTraits, before: String, work: RevisionWork) throws -> Bool {
        switch traits.concurrentIndex {
        case .create(let index?, let table):
            return try indexState(index, table: table) == true
        case .create(nil, let table):
            let known = Set(before.split(separator: "\n").map(String.init))
            let new = try indexes(of: table).filter { !known.contains($0.name) }
            for index in new where !index.isValid {
                try backend.session.execute(
                    "DROP INDEX CONCURRENTLY "
                        + backend.quoted(TableName(schema: table.schema, index.name)))
            }
            return new.contains { $0.isValid }
        case .drop(let indexes):
            return try indexes.allSatisfy { try indexState($0, table: nil) == nil }
        default:
            // VACUUM, REINDEX and their like can run twice.
            return false
        }
    }

    private func indexNames(of traits: StatementTraits) throws -> [String]? {
        guard case .create(nil, let table)? = traits.concurrentIndex else { return nil }
        return try indexes(of: table).map(\.name)
    }

    /// A cancelled or failed build leaves an invalid index, which IF NOT EXISTS would then accept.
    private func removeInvalidIndex(_ traits: StatementTraits, options: RunOptions) throws {
        guard case .create(let index?, let table)? = traits.concurrentIndex,
            try indexState(index, table: table) == false
        else { return }
        reporter.report(.note("index \"\(index.name)\" is invalid: it is dropped and built again"))
        try backend.executeOutside(
            "DROP INDEX CONCURRENTLY " + backend.quoted(TableName(schema: table.schema, index.name)),
            options: options)
    }

    private func checkValid(_ traits: StatementTraits, _ statement: Statement) throws {
        guard case .create(let index?, let table)? = traits.concurrentIndex,
            try indexState(index, table: table) == false
        else { return }
        throw MigratorError(
            "index-invalid", .failed, "index \"\(index.name)\" was built but is not valid",
            hint: "look into the server's log, then run the same command again", location: statement.location)
    }

    /// Nil: no such index; else whether it is valid and ready.
    private func indexState(_ index: TableName, table: TableName?) throws -> Bool? {
        let name = backend.quoted(TableName(schema: index.schema ?? table?.schema, index.name))
        return try backend.session.query(
            "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass($1)", [.text(name)]
        ).first?[0].asBool
    }

    private func indexes(of table: TableName) throws -> [(name: String, isValid: Bool)] {
        try backend.session.query(
            """
            SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = to_regclass($1) ORDER BY 1
            """, [.text(backend.quoted(table))]
        ).map { ($0[0].asText ?? "", $0[1].asBool) }
    }
}
