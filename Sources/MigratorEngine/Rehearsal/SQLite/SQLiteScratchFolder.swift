import Glibc
import MigratorDatabase

/// The folder that holds the copy of a SQLite file: its name is of this tool's making, the file `marker` in it is
/// locked (flock) for as long as the rehearsal lives.
final class SQLiteScratchFolder {
    let path: String
    private let marker: Int32

    private static let title = "migrator rehearse: a scratch copy; it is removed by the next rehearsal\n"
    /// All that the tool ever writes there.
    private static let files = ["copy.db", "rows.db", "marker"]
    private static let companions = ["", "-journal", "-wal", "-shm", ".migrator-lock", "-migrator.lock", ".lock"]

    var copy: String { path + "/copy.db" }
    var rows: String { path + "/rows.db" }

    /// - Parameter parent: nil takes `TMPDIR`, else `/tmp`.
    init(in parent: String?) throws {
        let parent = parent ?? Self.temporary
        path = parent + "/" + ScratchName().text
        guard mkdir(path, 0o700) == 0 else {
            throw Self.unwritable(parent)
        }
        marker = Glibc.open(path + "/marker", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard marker >= 0, flock(marker, LOCK_EX | LOCK_NB) == 0 else { throw Self.unwritable(parent) }
        var title = Self.title
        title.withUTF8 { _ = write(marker, $0.baseAddress, $0.count) }
    }

    static var temporary: String {
        getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
    }

    private static func unwritable(_ parent: String) -> MigratorError {
        MigratorError(
            "scratch-refused", .unavailable,
            "no scratch copy can be made in \"\(parent)\": \(String(cString: strerror(errno)))",
            hint: "name another folder with --scratch-url sqlite:FOLDER")
    }

    /// Room that the file system has, where it says so.
    static func freeBytes(in parent: String?) -> Int? {
        var facts = statvfs()
        guard statvfs(parent ?? temporary, &facts) == 0 else { return nil }
        return Int(facts.f_bavail) * Int(facts.f_frsize)
    }

    /// The marker goes last and while it is locked: half a removal is still a marked folder.
    func remove() {
        Self.removeFiles(path)
        close(marker)
    }

    private static func removeFiles(_ path: String) {
        for file in files where file != "marker" {
            for companion in companions { unlink(path + "/" + file + companion) }
        }
        unlink(path + "/marker")
        rmdir(path)
    }

    /// Removes the folders of rehearsals that were killed: of this user, marked, and their lock free; a folder that
    /// was never marked is removed where it is empty and old.
    static func removeLeftovers(in parent: String?) -> (removed: [String], notes: [String]) {
        let parent = parent ?? temporary
        guard let directory = opendir(parent) else { return ([], []) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(ScratchName.prefix) { names.append(name) }
        }
        closedir(directory)
        var removed: [String] = []
        var notes: [String] = []
        for name in names.sorted() {
            guard let scratch = ScratchName(name) else { continue }
            let path = parent + "/" + name
            var info = stat()
            guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_uid == geteuid() else { continue }
            guard let marker = openMarker(path) else {
                // rmdir takes nothing but an empty folder.
                if scratch.isOld, access(path + "/marker", F_OK) != 0, rmdir(path) == 0 { removed.append(path) }
                continue
            }
            defer { close(marker) }
            guard flock(marker, LOCK_EX | LOCK_NB) == 0 else { continue }
            removeFiles(path)
            if access(path, F_OK) == 0 {
                notes.append("the scratch folder \"\(path)\" of a killed rehearsal holds other files and stays")
            } else {
                removed.append(path)
            }
        }
        return (removed, notes)
    }

    /// - Returns: nil where there is no marker, or one that is not this tool's.
    private static func openMarker(_ path: String) -> Int32? {
        let descriptor = Glibc.open(path + "/marker", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &buffer, buffer.count)
        // Killed between making it and writing into it: it is empty, and this tool's all the same.
        let text = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        if text == title || text.isEmpty { return descriptor }
        close(descriptor)
        return nil
    }
}
