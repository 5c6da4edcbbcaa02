import Glibc
import MigratorDatabase
import MigratorPlan

/// Plain revisions for SQLite, recorded on a scratch file that the scripts before them have made.
struct SQLiteScriptScratch {
    let writer: ScriptWriter
    let plan: Plan
    let script: SQLScript
    let hasLedger: Bool

    func write() throws {
        let folder = try SQLiteScratchFolder(in: nil)
        defer { folder.remove() }
        let backend = try SQLiteBackend.open(path: folder.copy, access: .creating)
        defer { backend.session.close() }
        if let from = plan.from {
            do {
                _ = try writer.migrator(on: backend, reporter: SilentReporter()).upgrade(
                    to: from, options: writer.options)
            } catch {
                let error = MigratorError.from(error)
                throw MigratorError(
                    "needs-database", .configuration,
                    "the revisions up to \"\(from)\" do not work on an empty file: \(error.message)",
                    hint: "name a database that is at \(from) with --database; nothing is changed in it",
                    location: error.location, details: error.details)
            }
        } else if hasLedger {
            try backend.prepareLedger()
        }
        var literals = RecordedLiterals(.sqlite)
        if try backend.ledger.exists() {
            // Which run it will be, the script finds out.
            let ids = RecordedLiterals.placeholder
            try backend.session.execute(
                """
                DELETE FROM sqlite_sequence WHERE name = 'migrator_run';
                INSERT INTO sqlite_sequence (name, seq) VALUES ('migrator_run', \(ids.run - 1));
                UPDATE migrator_fence SET epoch = \(ids.epoch - 1)
                """)
            literals.run = RecordedLiterals.Run(
                id: ids.run, epoch: ids.epoch, idExpression: "(SELECT id FROM temp.migrator_this_run)",
                epochExpression: "(SELECT epoch FROM migrator_fence)",
                preparation: "CREATE TEMP TABLE migrator_this_run AS SELECT max(id) AS id FROM migrator_run")
        }
        try ScriptRecording(writer: writer, plan: plan, script: script).record(
            on: backend, literals: literals, isScratch: true)
    }
}
