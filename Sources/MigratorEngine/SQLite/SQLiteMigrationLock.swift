import Glibc

/// A lock file beside the database, held with flock(2): the kernel frees it when the process ends, however it ends.
///
/// The database file itself is never locked this way: closing any descriptor of it would drop SQLite's own
/// POSIX locks (sqlite.org/howtocorrupt.html, 2.2).
final class SQLiteMigrationLock {
    let path: String
    private var descriptor: Int32

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    enum Attempt {
        case taken(SQLiteMigrationLock)
        /// What the holder wrote about itself.
        case held(owner: String)
        case failed(reason: String)
    }

    static func attempt(_ path: String, owner: String) -> Attempt {
        while true {
            let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
            guard descriptor >= 0 else { return .failed(reason: String(cString: strerror(errno))) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let reason = errno
                let text = read(descriptor)
                close(descriptor)
                return reason == EWOULDBLOCK
                    ? .held(owner: text) : .failed(reason: String(cString: strerror(reason)))
            }
            // The holder before us may have unlinked the file between our open and our lock.
            var mine = stat()
            var named = stat()
            guard fstat(descriptor, &mine) == 0, stat(path, &named) == 0, mine.st_ino == named.st_ino,
                mine.st_dev == named.st_dev
            else {
                close(descriptor)
                continue
            }
            var text = owner
            ftruncate(descriptor, 0)
            text.withUTF8 { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
            return .taken(SQLiteMigrationLock(path: path, descriptor: descriptor))
        }
    }

    private static func read(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }

    /// The file goes while the lock is still held, so that nobody can lock a file that is about to vanish unseen.
    func release() {
        guard descriptor >= 0 else { return }
        unlink(path)
        close(descriptor)
        descriptor = -1
    }

    deinit { release() }
}
