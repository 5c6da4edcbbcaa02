import MigratorScript

/// One revision as the listing commands show it, in Alembic's forms.
struct ListedRevision: Equatable {
    var script: Script
    let sections: Script.Sections
    var isHead: Bool
    var isCurrent = false

    init(script: Script, isHead: Bool) throws(ScriptError) {
        self.script = script
        sections = try script.sections()
        self.isHead = isHead
    }

    private var marks: String {
        (isHead ? " (head)" : "") + (isCurrent ? " (current)" : "")
    }

    private var parent: String { script.revises ?? "<base>" }

    /// `0003 (head)`
    var short: String { script.revision.oneLine + marks }

    /// `0002 -> 0003 (head), message`
    var line: String {
        let message = script.message.isEmpty ? "" : ", \(script.message.oneLine)"
        return "\(parent.oneLine) -> \(script.revision.oneLine)\(marks)\(message)"
    }

    /// The block of `-v`; an empty line ends it.
    var block: String {
        """
        Rev: \(script.revision.oneLine)\(marks)
        Parent: \(parent.oneLine)
        Path: \(script.location.file.oneLine)

            \(script.message.oneLine)

            Revision ID: \(script.revision.oneLine)
            Revises: \(script.revises?.oneLine ?? "")

        """
    }

    var json: JSONValue {
        .object([
            "revision": .string(script.revision), "revises": JSONValue(script.revises),
            "message": .string(script.message), "path": .string(script.location.file),
            "is_head": .bool(isHead), "is_current": .bool(isCurrent),
            "is_reversible": .bool(sections.downgrade.isReversible), "checksum": .string(script.checksum),
        ])
    }
}

/// What a command without a database prints for each dialect: once where the chains are the same.
struct DialectListing {
    var dialect: Dialect
    var revisions: [ListedRevision]

    private var identity: [String] {
        revisions.flatMap { [$0.short, $0.script.revises ?? "", $0.script.message] }
    }

    static func show(
        _ listings: [DialectListing], isVerbose: Bool, console: Console,
        line: (ListedRevision) -> String
    ) {
        let areSame = Set(listings.map(\.identity)).count <= 1
        let shown = areSame && !isVerbose ? Array(listings.prefix(1)) : listings
        for listing in shown {
            if shown.count > 1 { console.print("\(listing.dialect.title):") }
            for revision in listing.revisions {
                console.print(isVerbose ? revision.block : line(revision))
            }
        }
    }

    static func json(_ listings: [DialectListing]) -> JSONValue {
        .object([
            "dialects": .object(
                Dictionary(
                    listings.map { ($0.dialect.rawValue, .array($0.revisions.map(\.json))) },
                    uniquingKeysWith: { first, _ in first }))
        ])
    }
}
