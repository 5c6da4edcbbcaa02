import Foundation

/// A folder of its own, removed with everything in it when the object goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        // Short: a Unix socket's path may have 107 bytes.
        var template = Array("\(Self.place)/migrator-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandError(message: "mkdtemp: errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// In memory where there is plenty: a database is made there in a tenth of the time, and no test cuts the power.
    private static let place: String = {
        let needed = 8 << 30
        let mountedWithoutExecution: UInt = 8  // ST_NOEXEC
        var figures = statvfs()
        let information = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let available = information.firstMatch(of: /MemAvailable: +([0-9]+) kB/).flatMap { Int($0.1) } ?? 0
        let isRoomy =
            available * 1024 > needed && statvfs("/dev/shm", &figures) == 0
            && Int(figures.f_bavail) * Int(figures.f_frsize) > needed && figures.f_flag & mountedWithoutExecution == 0
        return isRoomy ? "/dev/shm" : "/tmp"
    }()

    public func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path; missing folders are made.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> String {
        let file = file(name)
        let folder = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }

    public func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: file(name))), as: UTF8.self)
    }
}
