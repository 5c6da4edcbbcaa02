/// Another tool's revisions as scripts of this tool: each revises the one before it.
enum ForeignScripts {
    static func scripts(_ revisions: [ForeignRevision], dialect: Dialect) throws(ScriptError) -> [Script] {
        var scripts: [Script] = []
        for revision in revisions {
            let parent = scripts.last?.revision
            scripts.append(try script(revision, revises: parent, dialect: dialect))
        }
        return scripts
    }

    private static func script(
        _ foreign: ForeignRevision, revises: String?, dialect: Dialect
    ) throws(ScriptError) -> Script {
        let format = foreign.origin.format
        let location = ScriptLocation(file: foreign.upgrade.source.file, line: 1)
        let upgrade = try ForeignSection(foreign.upgrade, .upgrade, dialect: dialect, format: format)
        var back: ForeignSection?
        if let part = foreign.downgrade {
            back = try ForeignSection(part, .downgrade, dialect: dialect, format: format)
        }
        // Where only one of them is a transaction, it says so itself.
        let isTransactional =
            foreign.upgrade.isTransactional && foreign.downgrade?.isTransactional ?? true
        func whole(_ section: Section, _ part: ForeignPart?) -> Section {
            guard let part, part.isTransactional, !isTransactional, !section.items.isEmpty else { return section }
            let boundaries = section.items.contains { if case .transaction = $0.action { true } else { false } }
            return boundaries
                ? section
                : Section(
                    items: [Item(location: part.location, action: .transaction(.begin))] + section.items
                        + [Item(location: part.location, action: .transaction(.commit))])
        }
        let sections = (
            up: whole(upgrade.section, foreign.upgrade), down: back.map { whole($0.section, foreign.downgrade) }
        )
        func text(_ section: ForeignSection, _ items: Section) -> String {
            items.items.count == section.section.items.count
                ? section.text : "-- migrator:begin\n\(section.text)\n-- migrator:commit"
        }
        let downgrade: Downgrade =
            sections.down.map { .section($0) }
            ?? .irreversible(reason: foreign.irreversibleReason, location: location)
        let message = foreign.message.isEmpty ? foreign.revision : foreign.message
        var lines = [
            "-- migrator:revision \(foreign.revision)", "-- migrator:revises \(revises ?? "base")",
            "-- migrator:message \(message)", "-- migrator:origin \(format.rawValue) \(foreign.origin.version)",
        ]
        if !isTransactional { lines.append("-- migrator:transaction off") }
        lines += ["", "-- migrator:upgrade", text(upgrade, sections.up), ""]
        if let back, let down = sections.down {
            lines += ["-- migrator:downgrade", text(back, down), ""]
        } else {
            lines += ["-- migrator:irreversible \(foreign.irreversibleReason)", ""]
        }
        return Script(
            location: location, dialect: dialect, revision: foreign.revision, revises: revises,
            revisesLocation: location, message: message, isTransactional: isTransactional,
            upgrade: sections.up, downgrade: downgrade, checksum: checksum(of: foreign),
            text: lines.joined(separator: "\n"), origin: foreign.origin)
    }

    /// Of the files as they stand, a BOM and the difference of CRLF and LF aside.
    private static func checksum(of foreign: ForeignRevision) -> String {
        var files = [foreign.upgrade.source]
        if let down = foreign.downgrade?.source, down.file != files[0].file { files.append(down) }
        if let originals = foreign.originals { files = originals }
        files += foreign.settings
        return Script.checksum(of: files.map(\.normalized).reduce(into: []) { $0 += $1 + [0] })
    }
}

extension ForeignPart {
    var location: ScriptLocation { source.location(start) }
}
