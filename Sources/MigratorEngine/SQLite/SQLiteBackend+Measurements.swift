import MigratorDatabase

/// What a run's report shows of the file.
extension SQLiteBackend {
    /// The file's pages; how many of them a table has, SQLite would have to read them all for.
    public func sizes(_ moment: SizeRecord.Moment) throws -> [SizeRecord] {
        let page = try session.scalar("PRAGMA main.page_size").asInt ?? 0
        let pages = try session.scalar("PRAGMA main.page_count").asInt ?? 0
        let free = try session.scalar("PRAGMA main.freelist_count").asInt ?? 0
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return [
            SizeRecord(moment: moment, kind: .database, name: name, bytes: pages * page),
            SizeRecord(moment: moment, kind: .free, name: "free pages", bytes: free * page),
        ]
    }
}
