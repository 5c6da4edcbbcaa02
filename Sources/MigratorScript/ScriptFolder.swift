import Glibc

/// Finds and reads the scripts of a folder.
public enum ScriptFolder {
    /// A script larger than this is no script.
    static let sizeLimit = 64 << 20

    /// The scripts of one dialect, in the order of their file names.
    ///
    /// A subfolder named like the dialect is taken; a folder without such subfolders is taken itself.
    /// Files that do not end in `.sql`, hidden ones and `.check.sql` are passed over.
    /// - Parameters:
    ///   - shown: how the folder is called in messages and in each script's location.
    ///   - readsHeadersOnly: what is malformed below a script's header is found when a section is asked for.
    public static func load(
        _ folder: String, shown: String, dialect: Dialect, readsHeadersOnly: Bool = false
    ) throws(ScriptError) -> [Script] {
        var scripts: [Script] = []
        for (bytes, file) in try files(of: folder, shown: shown, dialect: dialect, where: isScript) {
            scripts.append(
                readsHeadersOnly
                    ? try Script.read(bytes: bytes, file: file, dialect: dialect)
                    : try Script.parse(bytes: bytes, file: file, dialect: dialect))
        }
        return scripts
    }

    /// The check files beside the scripts of one dialect, in the order of their names.
    public static func loadChecks(
        _ folder: String, shown: String, dialect: Dialect
    ) throws(ScriptError) -> [CheckFile] {
        var checks: [CheckFile] = []
        let isCheck: (String) -> Bool = { $0.hasSuffix(".check.sql") && !$0.hasPrefix(".") }
        for (bytes, file) in try files(of: folder, shown: shown, dialect: dialect, where: isCheck) {
            checks.append(try CheckFile.parse(bytes: bytes, file: file, dialect: dialect))
        }
        return checks
    }

    private static func files(
        of folder: String, shown: String, dialect: Dialect, where isWanted: (String) -> Bool
    ) throws(ScriptError) -> [(bytes: [UInt8], file: String)] {
        let (path, name) = try resolve(folder, shown: shown, dialect: dialect)
        let root = realPath(path) ?? path
        // The folder given may be a link, for it was named; what lies in it may not lead out of it.
        guard path == folder || root.hasPrefix((realPath(folder) ?? folder) + "/") else {
            throw ScriptError(
                code: "script-outside-folder", message: "\"\(name)\" is a link that leads out of \"\(shown)\"",
                hint: "move the folder there, or name it with --migrations",
                location: ScriptLocation(file: name, line: 1))
        }
        var files: [(bytes: [UInt8], file: String)] = []
        for file in try entries(of: path, shown: name) where isWanted(file) {
            files.append((try read(path + "/" + file, shown: name + "/" + file, root: root), name + "/" + file))
        }
        return files
    }

    /// The dialects that a folder has scripts for: its subfolders; nothing where it has none.
    public static func dialects(in folder: String) -> [Dialect] {
        Dialect.allCases.filter { isFolder(folder + "/" + $0.rawValue) }
    }

    static func resolve(
        _ folder: String, shown: String, dialect: Dialect
    ) throws(ScriptError) -> (path: String, shown: String) {
        guard isFolder(folder) else {
            throw ScriptError(
                code: "no-migrations-folder", message: "there is no folder \"\(shown)\"",
                hint: "name it with --migrations, or make one with `migrator init`",
                location: ScriptLocation(file: shown, line: 1))
        }
        let dialects = dialects(in: folder)
        if dialects.isEmpty { return (folder, shown) }
        let beside = try entries(of: folder, shown: shown).filter(isScript)
        if let file = beside.first {
            throw ScriptError(
                code: "wrong-folder", message: "\"\(file)\" lies beside the folders of the databases",
                hint: "move it into \(dialects.map { "\(shown)/\($0.rawValue)" }.joined(separator: " or "))",
                location: ScriptLocation(file: shown + "/" + file, line: 1))
        }
        guard dialects.contains(dialect) else {
            throw ScriptError(
                code: "wrong-folder",
                message:
                    "\"\(shown)\" has scripts for \(dialects.map(\.title).joined(separator: ", ")) only, the database is \(dialect.title)",
                hint: "put the scripts for \(dialect.title) into \(shown)/\(dialect.rawValue)",
                location: ScriptLocation(file: shown, line: 1))
        }
        return (folder + "/" + dialect.rawValue, shown + "/" + dialect.rawValue)
    }

    private static func isScript(_ name: String) -> Bool {
        name.hasSuffix(".sql") && !name.hasSuffix(".check.sql") && !name.hasPrefix(".")
    }

    static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    static func isFile(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    static func entries(of folder: String, shown: String) throws(ScriptError) -> [String] {
        guard let directory = opendir(folder) else {
            throw unreadable(shown, reason: String(cString: strerror(errno)))
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func unreadable(_ shown: String, reason: String) -> ScriptError {
        ScriptError(
            code: "unreadable", message: "\"\(shown)\" cannot be read: \(reason)",
            hint: "look at its permissions", location: ScriptLocation(file: shown, line: 1))
    }

    static func read(_ path: String, shown: String, root: String) throws(ScriptError) -> [UInt8] {
        func refuse(_ code: String, _ message: String, _ hint: String) -> ScriptError {
            ScriptError(
                code: code, message: message, hint: hint, location: ScriptLocation(file: shown, line: 1))
        }
        // Non-blocking, so that a FIFO is found out instead of waited for.
        let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
        var descriptor = open(path, flags | O_NOFOLLOW)
        if descriptor < 0, errno == ELOOP {
            guard let target = realPath(path) else {
                throw unreadable(shown, reason: "the link leads nowhere")
            }
            guard target.hasPrefix(root + "/") else {
                throw refuse(
                    "script-outside-folder", "\"\(shown)\" is a link that leads out of the folder",
                    "copy the file into the folder")
            }
            descriptor = open(target, flags)
        }
        guard descriptor >= 0 else { throw unreadable(shown, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            throw refuse("not-a-regular-file", "\"\(shown)\" is not a regular file", "replace it by a file")
        }
        guard info.st_size <= sizeLimit else {
            throw refuse("script-too-large", "\"\(shown)\" is larger than 64 MiB", "load data by other means")
        }
        var failure: Int32?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(info.st_size)) { buffer, filled in
            while filled < buffer.count {
                let count = Glibc.read(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
                if count < 0 { failure = errno }
                if count <= 0 { break }
                filled += count
            }
        }
        if let failure { throw unreadable(shown, reason: String(cString: strerror(failure))) }
        return bytes
    }
}
