import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    public func restore(
        _ backup: BackupRecord, into name: String?, context: StepContext
    ) throws -> StepOutcome {
        guard session.isInTransaction else {
            return try session.transaction { try restore(backup, into: name, context: context) }
        }
        let relation = try table(of: backup)
        let target =
            try name.map { try place($0, schema: backup.schema) } ?? TableName(schema: backup.schema, backup.source)
        if let occupant = try catalog.relation(target) {
            throw MigratorError(
                "table-exists", .refused, "the \(occupant.kindName) \"\(target.name)\" exists already",
                hint: "restore into another name, or rename what is there")
        }
        try requireUnchanged(backup, hint: "look at it before you use it")
        if backup.kind == .setAside, name == nil {
            return try renameBack(backup, relation, to: target)
        }
        try copyRows(of: relation, columns: backup.columns, to: target, revision: backup.revision)
        let copied = try compare(relation, with: target, columns: backup.columns, key: nil)
        guard copied == (backup.rows, backup.hash) else {
            throw MigratorError(
                "backup-differs", .difference, "the backup \"\(backup.name)\" was changed while it was read",
                hint: "run the same command again")
        }
        let comment = "Restored by migrator from \(backup.schema).\(backup.name)"
        try session.execute("COMMENT ON TABLE \(quoted(target)) IS \(comment.quotedLiteral)")
        return StepOutcome(
            rows: copied.rows,
            details: ["\(target.name) made from \(backup.name): \(copied.rows.counted("row")) compared, 0 differences"])
    }

    /// The place that `--into` names: a table, or schema and table, each in quotes where it has a dot itself.
    private func place(_ text: String, schema: String) throws -> TableName {
        var parts = [""]
        var isQuoted = false
        let hasDot = text.contains(".")
        for character in text {
            switch character {
            case "\"" where hasDot: isQuoted.toggle()
            case "." where !isQuoted: parts.append("")
            default: parts[parts.count - 1].append(character)
            }
        }
        guard parts.count <= 2, !parts.contains(""), !isQuoted, parts.allSatisfy({ $0.utf8.count <= 63 }) else {
            throw MigratorError(
                "usage", .usage, "\"\(text)\" names no table",
                hint: "say TABLE or SCHEMA.TABLE, of at most 63 bytes each, in double quotes where a name has a dot")
        }
        let target = TableName(schema: parts.count == 2 ? parts[0] : schema, parts[parts.count - 1])
        guard
            try session.query("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", [SQLValue(target.schema)])
                .count == 1
        else {
            throw MigratorError(
                "schema-missing", .usage, "there is no schema \"\(target.schema ?? "")\"", hint: "create it first")
        }
        return target
    }

    /// The table itself gets its names and keys back. A key that rows have come to violate is left out and named.
    private func renameBack(
        _ backup: BackupRecord, _ relation: CatalogRelation, to target: TableName
    ) throws -> StepOutcome {
        try session.execute("ALTER TABLE \(relation.quoted) RENAME TO \(target.name.quotedIdentifier)")
        var details = ["\(backup.name) renamed \(target.name)"]
        for statement in (backup.definition ?? "").split(separator: ";\n") {
            do {
                try session.savepoint { try session.execute(String(statement)) }
            } catch let error as DatabaseError where error.kind == .statement {
                details.append("left out: \(statement) (\(error.message))")
            }
        }
        try ledger.setBackupRemoved(backup.id)
        return StepOutcome(rows: backup.rows, details: details)
    }

    public func prune(_ backup: BackupRecord) throws {
        guard session.isInTransaction else {
            return try session.transaction { try prune(backup) }
        }
        let relation = try catalog.relation(TableName(schema: backup.schema, backup.name))
        if let relation {
            guard relation.isTable else {
                throw MigratorError(
                    "backup-replaced", .refused,
                    "\"\(backup.name)\" is a \(relation.kindName) now, not the backup that was registered",
                    hint: "look at it, and rename it")
            }
            do {
                try session.execute("DROP TABLE \(relation.quoted)")
            } catch {
                guard error.sqlState == "2BP01" else { throw error }
                throw MigratorError(
                    "backup-in-use", .refused, "other objects depend on the backup \"\(backup.name)\"",
                    hint: "drop those objects first",
                    details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
            }
        }
        try ledger.setBackupRemoved(backup.id)
    }

    /// The backup's table.
    private func table(of backup: BackupRecord) throws -> CatalogRelation {
        guard let relation = try catalog.relation(TableName(schema: backup.schema, backup.name)),
            relation.isTable
        else {
            throw MigratorError(
                "backup-missing", .difference,
                "the table \"\(backup.name)\" of a registered backup is not there",
                hint: "somebody has dropped or renamed it: rename it back, or prune the backup")
        }
        return relation
    }

    // MARK: Export

    /// SQL for psql: tables under the backups' own names, with their data by COPY, in one transaction.
    public func export(_ backups: [BackupRecord], write: (String) throws -> Void) throws {
        guard let session = session as? PostgreSQLSession else {
            throw MigratorError("export-impossible", .failed, "the session cannot copy rows out")
        }
        let isOwn = !session.isInTransaction
        if isOwn { try session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") }
        defer { if isOwn { session.rollback() } }
        try write(
            """
            -- Backups made by migrator, from database \(Self.commentText(facts.database)).
            -- Load with: psql -X -v ON_ERROR_STOP=1 -f FILE DATABASE
            SET client_encoding = 'UTF8';
            SET standard_conforming_strings = on;
            SET search_path = pg_catalog;
            BEGIN;

            """)
        for backup in backups {
            let relation = try table(of: backup)
            try withPinnedOutput {
                let columns = try catalog.columns(of: relation.oid)
                let definitions = columns.map { column in
                    "    \(column.name.quotedIdentifier) \(column.type)"
                        + (column.collation.map { " COLLATE \($0)" } ?? "")
                }.joined(separator: ",\n")
                let names = columns.map(\.name.quotedIdentifier).joined(separator: ", ")
                let types = try ownTypes(of: relation.oid)
                let needs = types.isEmpty ? "" : "\n-- Needs types that are not PostgreSQL's own: \(types)"
                try write(
                    """

                    -- \(Self.commentText(backup.name)): \(backup.kind.rawValue) of \
                    \(Self.commentText("\(backup.schema).\(backup.source)")), revision \
                    \(Self.commentText(backup.revision)), \(backup.rows.counted("row")), \(backup.algorithm) \(backup.hash), \
                    made \(backup.createdAt)\(needs)
                    CREATE SCHEMA IF NOT EXISTS \(relation.schema.quotedIdentifier);
                    CREATE TABLE \(relation.quoted) (
                    \(definitions)
                    );
                    COPY \(relation.quoted) (\(names)) FROM stdin;

                    """)
                try session.copyOut("COPY (SELECT \(names) FROM \(relation.quoted)) TO STDOUT") { bytes in
                    try write(String(decoding: bytes, as: UTF8.self))
                }
                try write("\\.\n")
            }
        }
        try write("\nCOMMIT;\n")
    }

    /// Types that whoever loads the export must have made, as a comment's text.
    private func ownTypes(of oid: Int) throws -> String {
        let types = try session.query(
            """
            SELECT DISTINCT format_type(coalesce(nullif(t.typelem, 0), t.oid), NULL)
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
                AND t.typnamespace <> 'pg_catalog'::regnamespace ORDER BY 1
            """, [SQLValue(oid)]
        ).compactMap { $0[0].asText }
        return Self.commentText(types.joined(separator: ", "))
    }

    /// A name that must not end a comment's line.
    private static func commentText(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
