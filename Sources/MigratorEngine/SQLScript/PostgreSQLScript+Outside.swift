import MigratorDatabase
import MigratorScript

/// Statements that cannot run in a transaction.
extension PostgreSQLScript {
    /// Its intent is committed before it, and its end behind it, so that a run can go on where the script has stopped.
    func addOutside(
        _ item: FlatItem, _ statement: Statement, isFirst: Bool, _ work: inout RevisionWork
    ) throws {
        let state: RevisionRecord.State = work.planned.direction == .upgrade ? .upgrading : .downgrading
        func commit(_ more: () -> Void = {}) throws {
            try ledger.add(work.steps)
            work.steps = []
            more()
            try ledger.set(work.record(state: state), script: work.planned.script.text)
            script.add("CALL pg_temp.migrator_follow()")
            script.add("COMMIT")
        }
        addBeginning(isFirst: isFirst)
        work.add(item, state: .intent, intent: "", outcome: StepOutcome(), duration: .zero)
        let concurrent = StatementTraits(statement, dialect: .postgresql).concurrentIndex
        try commit {
            if case .create(nil, let table)? = concurrent { noteIndexes(of: table) }
        }
        script.add(statement.text)
        if case .create(let index?, let table)? = concurrent {
            let schema = index.schema ?? table.schema
            let name = (schema.map { "\($0.quotedIdentifier)." } ?? "") + index.name.quotedIdentifier
            script.addGuard(
                "(SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass(\(name.quotedLiteral)))",
                "index \"\(index.name)\" was built but is not valid")
        }
        addBeginning(isFirst: false)
        work.add(item, outcome: StepOutcome(), duration: .zero)
        try commit()
    }

    /// Into the intent that stands last: the table's indexes, by which a restart knows the new one.
    private func noteIndexes(of table: TableName) {
        let name = (table.schema.map { "\($0.quotedIdentifier)." } ?? "") + table.name.quotedIdentifier
        let steps = ledger.table("step")
        script.add(
            """
            UPDATE \(steps) SET intent = coalesce((
                SELECT string_agg(c.relname, chr(10) ORDER BY c.relname)
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE i.indrelid = to_regclass(\(name.quotedLiteral))), '')
            WHERE id = (SELECT max(id) FROM \(steps))
            """)
    }
}
