import Foundation

@testable import MigratorScript

/// A folder of another tool's scripts, removed when it goes.
final class FormatFolder {
    let path: String

    init(_ files: [String: String]) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "formats-" + UUID().uuidString)
        path = url.path
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for (name, text) in files {
            let file = url.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func load(
        _ dialect: Dialect = .postgresql, format: ScriptFormat? = nil, environment: [String: String] = [:]
    ) throws(ScriptError) -> (scripts: [Script], format: RecognisedFormat) {
        try ScriptFolder.load(path, shown: "m", dialect: dialect, format: format) { environment[$0] }
    }
}

extension Script {
    /// `1 up`, or `1 off up`, then what each section does; `-` where there is no way back.
    var outline: String {
        guard let sections = try? sections() else { return "\(revision) malformed" }
        var text = revision + (isTransactional ? "" : " off") + " [" + sections.upgrade.outline + "]"
        if case .section(let section) = sections.downgrade {
            text += " [" + section.outline + "]"
        } else {
            text += " -"
        }
        return text
    }
}

extension Section {
    fileprivate var outline: String {
        items.map { item in
            switch item.action {
            case .statement(let statement): statement.text
            case .transaction(let boundary): boundary.rawValue.uppercased()
            case .backup(let table): "backup \(table)"
            default: "?"
            }
        }.joined(separator: "; ")
    }
}
