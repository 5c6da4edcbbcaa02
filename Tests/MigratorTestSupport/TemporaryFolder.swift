import Foundation

/// A folder of its own, removed with everything in it when the object goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        // Short: a Unix socket's path may have 107 bytes.
        var template = Array("/tmp/migrator-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandError(message: "mkdtemp: errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

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
