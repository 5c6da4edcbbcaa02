import Glibc

/// The few things that the command line does with files.
enum Files {
    static var workingFolder: String {
        guard let pointer = getcwd(nil, 0) else { return "." }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// In bytes; nil where there is no such file.
    static func size(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    /// An absolute path, without doubled slashes and `.`.
    static func absolute(_ path: String, relativeTo folder: String) -> String {
        let whole = path.hasPrefix("/") ? path : folder + "/" + path
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    /// As it is shown to people: relative to where they stand, when it lies below.
    static func shown(_ path: String, in workingFolder: String) -> String {
        if path == workingFolder { return "." }
        let prefix = workingFolder == "/" ? "/" : workingFolder + "/"
        return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The reason of the last failed call, as the C library words it.
    static var reason: String { String(cString: strerror(errno)) }

    /// nil where it cannot be read; `reason` then says why.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Writes a file that must not be there yet; false where that fails.
    static func create(_ path: String, _ text: String) -> Bool { create(path, Array(text.utf8)) }

    static func create(_ path: String, _ bytes: [UInt8]) -> Bool {
        guard let file = NewFile(path) else { return false }
        return file.write(bytes) && file.close()
    }

    /// Writes a file that may be there already: whoever reads it meanwhile gets the old text or the new one. What is
    /// no ordinary file, such as a pipe, is written to as it is; false where that fails.
    static func replace(_ path: String, _ text: String) -> Bool {
        var status = stat()
        let isThere = lstat(path, &status) == 0
        guard !isThere || status.st_mode & S_IFMT == S_IFREG else { return overwrite(path, text) }
        let new = "\(path).\(getpid()).new"
        guard create(new, text) else {
            let reason = errno
            remove(new)
            errno = reason
            return false
        }
        if isThere { chmod(new, status.st_mode & 0o7777) }
        if rename(new, to: path) { return true }
        let reason = errno
        remove(new)
        errno = reason
        return false
    }

    /// Writes to a file's end, which is made where it is missing; false where that fails.
    static func append(_ path: String, _ text: String) -> Bool { write(path, text, O_CREAT | O_APPEND) }

    private static func overwrite(_ path: String, _ text: String) -> Bool { write(path, text, O_TRUNC) }

    private static func write(_ path: String, _ text: String, _ flags: Int32) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | flags, 0o666)
        guard descriptor >= 0 else { return false }
        let file = NewFile(descriptor)
        return file.write(text) && file.close()
    }

    /// Makes a folder and those above it; false where that fails.
    static func makeFolder(_ path: String) -> Bool {
        if isFolder(path) { return true }
        let above = folder(of: path)
        guard above == path || above == "." || makeFolder(above) else { return false }
        return mkdir(path, 0o777) == 0 || isFolder(path)
    }

    static func rename(_ path: String, to other: String) -> Bool { Glibc.rename(path, other) == 0 }

    static func remove(_ path: String) { unlink(path) }

    static func names(in folder: String) -> [String]? {
        guard let directory = opendir(folder) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// A file that is being written and that was not there before.
final class NewFile {
    private var descriptor: Int32

    /// nil where the file exists or cannot be made; `Files.reason` says why.
    init?(_ path: String, permissions: mode_t = 0o666) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions)
        if descriptor < 0 { return nil }
    }

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    func write(_ text: String) -> Bool {
        write(Array(text.utf8))
    }

    func write(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { return false }
                done += count
            }
            return true
        }
    }

    /// On the disk when it returns true.
    func close() -> Bool {
        // A pipe or a terminal cannot be synced.
        let isSynced = fsync(descriptor) == 0 || errno == EINVAL
        let isClosed = Glibc.close(descriptor) == 0
        descriptor = -1
        return isSynced && isClosed
    }
}
