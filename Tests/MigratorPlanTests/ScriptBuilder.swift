import MigratorPlan
import MigratorScript

/// A script with one statement up and one down; the file is named after the revision.
func script(
    _ revision: String, _ parent: String? = nil, up: String = "SELECT 1;", down: String = "SELECT 2;"
) throws -> Script {
    let text = """
        -- migrator:revision \(revision)
        -- migrator:revises \(parent ?? "base")
        -- migrator:upgrade
        \(up)
        -- migrator:downgrade
        \(down)

        """
    return try Script.parse(bytes: Array(text.utf8), file: "m/\(revision).sql", dialect: .postgresql)
}

/// Scripts in one line from base.
func line(_ revisions: String...) throws -> [Script] {
    try revisions.enumerated().map { try script($1, $0 == 0 ? nil : revisions[$0 - 1]) }
}

func chain(_ scripts: [Script]) throws(ChainError) -> Chain { try Chain(ScriptGraph(scripts)) }

extension AppliedRevision {
    init(_ script: Script, isStamped: Bool = false) {
        self.init(
            revision: script.revision, revises: script.revises, isStamped: isStamped,
            checksum: script.checksum,
            script: script)
    }
}
