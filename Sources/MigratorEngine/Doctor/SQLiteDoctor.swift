import Glibc
import MigratorDatabase

/// What a SQLite file, its folder and its settings say about how a migration would go.
struct SQLiteDoctor {
    let backend: SQLiteBackend
    private var session: any Session { backend.session }

    init(backend: SQLiteBackend) { self.backend = backend }

    func findings() throws -> [Finding] {
        try library() + file() + content()
    }

    private func library() throws -> [Finding] {
        let version = try session.scalar("SELECT sqlite_version()").asText ?? ""
        do {
            try backend.checkServer(forWriting: false)
        } catch let error as MigratorError {
            return [Finding("sqlite", error)]
        }
        let journal = try session.scalar("PRAGMA journal_mode").asText ?? ""
        let isLogged = journal == "wal"
        return [
            Finding("sqlite", .ok, "SQLite \(version), journal mode \(journal)"),
            isLogged
                ? nil
                : Finding(
                    "sqlite", .warning, "in journal mode \(journal) readers wait while a migration writes",
                    hint: "let the application run PRAGMA journal_mode = WAL once"),
        ].compactMap { $0 }
    }

    // MARK: The file

    /// File systems of other machines, whose locks SQLite cannot trust.
    private static let remoteSystems: Set<String> = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"]

    /// The kind of file system that a folder lies on, where the machine tells (Linux).
    private func fileSystem(of folder: String) -> String? {
        guard let real = realpath(folder, nil), let file = fopen("/proc/self/mounts", "r") else { return nil }
        defer {
            free(real)
            fclose(file)
        }
        let path = String(cString: real)
        var best = (length: -1, kind: String?.none)
        var buffer = [CChar](repeating: 0, count: 4096)
        while fgets(&buffer, Int32(buffer.count), file) != nil {
            let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = line.split(separator: " ")
            guard words.count > 2 else { continue }
            let point = String(words[1])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            if isAbove, point.utf8.count >= best.length { best = (point.utf8.count, String(words[2])) }
        }
        return best.kind
    }

    private func file() throws -> [Finding] {
        let path = backend.path
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var found: [Finding] = []
        if access(path, W_OK) != 0 {
            found.append(Finding("file", .problem, "\"\(path)\" cannot be written", hint: "make it writable"))
        }
        if access(folder, W_OK) != 0 {
            found.append(
                Finding(
                    "file", .problem, "its folder cannot be written, where SQLite keeps the journal",
                    hint: "make the folder writable"))
        }
        if let name = fileSystem(of: folder), Self.remoteSystems.contains(name) {
            found.append(
                Finding(
                    "file", .problem, "the file lies on \(name), where locks of SQLite do not work reliably",
                    hint: "migrate it on a disk of the machine that writes it"))
        }
        let size =
            (try session.scalar("PRAGMA page_count").asInt ?? 0) * (try session.scalar("PRAGMA page_size").asInt ?? 0)
        var figures = statvfs()
        if statvfs(folder, &figures) == 0 {
            let free = Int(figures.f_bavail) * Int(figures.f_frsize)
            let text = "the file takes \(size.bytes), \(free.bytes) are free"
            // The backup and the copy, and the journal of both.
            let isTight = free < 3 * size + 16 * 1_048_576
            found.append(
                isTight
                    ? Finding("space", .warning, text, hint: "make room for three times the file")
                    : Finding("space", .ok, text))
        }
        return found
    }

    // MARK: What it holds

    private func content() throws -> [Finding] {
        var found: [Finding] = []
        let damages = try session.query("PRAGMA quick_check(3)").compactMap { $0[0].asText }
        if damages != ["ok"] {
            found.append(
                Finding(
                    "content", .problem, "the file is damaged: " + damages.joined(separator: "; "),
                    hint: "restore a backup, or recover what is there with `sqlite3 FILE .recover`"))
        } else {
            let orphans = try session.query("PRAGMA foreign_key_check")
            let tables = Set(orphans.compactMap { $0[0].asText }).sorted().joined(separator: ", ")
            found.append(
                orphans.isEmpty
                    ? Finding("content", .ok, "no damage, every row finds its parent")
                    : Finding(
                        "content", .warning, "\(orphans.count.counted("row")) without parent in \(tables)",
                        hint: "mend them: a migration keeps foreign keys whole and may refuse them"))
        }
        let encoding = try session.scalar("PRAGMA encoding").asText ?? ""
        if encoding != "UTF-8" {
            found.append(Finding("content", .warning, "texts are kept as \(encoding)"))
        }
        return found + [try lock()].compactMap { $0 }
    }

    /// Whether somebody is writing at this moment.
    private func lock() throws -> Finding? {
        do {
            try session.begin()
            session.rollback()
            return nil
        } catch {
            guard error.kind == .lockNotAvailable else { return nil }
            return Finding(
                "lock", .warning, "another program is writing to the file",
                hint: "stop it, or use --lock-timeout: a migration needs the file's write lock")
        }
    }
}
