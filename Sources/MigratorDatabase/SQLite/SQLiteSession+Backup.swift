import CSQLite
import Glibc

extension SQLiteSession {
    /// Copies the whole database into a new file, in one snapshot, also while others write.
    /// - Throws: where the file exists already: nothing is ever overwritten.
    public func backup(to path: String) throws(DatabaseError) {
        let passage = try FailPoint.enter()
        let source = try open()
        guard access(path, F_OK) != 0 else {
            throw DatabaseError(kind: .statement, message: "the file \"\(path)\" exists already")
        }
        let target = try SQLiteSession(path: path, access: .create)
        defer { target.close() }
        guard let job = sqlite3_backup_init(target.connection, "main", source, "main") else {
            throw target.lastError(sqlite3_extended_errcode(target.connection))
        }
        canceller.statementStarts()
        // All pages in one step, so that no writer can come between and restart the copy.
        let code = sqlite3_backup_step(job, -1)
        canceller.statementEnds()
        let finished = sqlite3_backup_finish(job)
        guard code == SQLITE_DONE, finished == SQLITE_OK else {
            throw target.lastError(code == SQLITE_DONE ? finished : code)
        }
        try passage?.leave()
    }
}
