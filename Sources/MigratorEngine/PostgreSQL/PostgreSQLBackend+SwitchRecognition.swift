import MigratorDatabase
import MigratorScript

/// Is the source there, and is it the table that the script means?
extension PostgreSQLBackend {
    func recogniseSource(
        _ move: Move, declared: TableShape, context: StepContext
    ) throws -> TableShape {
        let source = try shape(of: try existingSource(move, context: context))
        if move.mapping == nil {
            let missing = declared.columns.filter { column in
                source.column(column.name) == nil
                    && (column.name == move.key
                        || column.isNotNull && column.defaultExpression == nil && column.identity == nil
                            && column.generated == nil)
            }
            guard missing.isEmpty else {
                let names = missing.map(\.name).joined(separator: ", ")
                throw MigratorError(
                    "not-the-source", .refused,
                    "the table \"\(move.source)\" is not the one that revision \"\(context.revision)\" means: it lacks \(names)",
                    hint: "rename it, or map its columns with mapping=select",
                    details: ["its columns: " + source.columns.map(\.name).joined(separator: ", ")])
            }
        }
        try checkKey(move, of: source)
        guard declared.isKey(move.key) else {
            throw MigratorError(
                "key-unsuitable", .refused,
                "\"\(move.key)\" does not tell the rows of \"\(move.target)\" apart",
                hint: "declare it as the primary key, or as unique and not null")
        }
        return source
    }

    /// The source as a relation, before the target's definition is looked at.
    func existingSource(_ move: Move, context: StepContext) throws -> CatalogRelation {
        let relation = try catalog.relation(move.source)
        if let relation, relation.kind == .table || relation.kind == .partitionedTable { return relation }
        let isThere = try tableExists(move.target)
        var message = "the table \"\(move.source)\" does not exist"
        if let relation { message = "\"\(move.source)\" is a \(relation.kindName), not a table" }
        throw MigratorError(
            "source-missing", .refused,
            message + (isThere ? ", but \"\(move.target)\" does" : ""),
            hint: isThere
                ? "if the switch has been made by other means, run migrator stamp \(context.revision)"
                : "create \"\(move.source)\" or name the schema that holds it with --schema; a database that never had it is adopted by migrator stamp \(context.revision)"
        )
    }

    /// PostgreSQL 18 takes `NOT NULL ... NOT VALID`: rows that break it stay where they are, and could not come back.
    func refuseUnvalidatedNotNull(_ source: CatalogRelation) throws {
        guard facts.version >= 180_000 else { return }
        let rows = try session.query(
            """
            SELECT k.conname, a.attname FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
            WHERE k.conrelid = $1::oid AND k.contype = 'n' AND NOT k.convalidated ORDER BY 1 LIMIT 1
            """, [SQLValue(source.oid)])
        guard let name = rows.first?.text("conname"), let column = rows.first?.text("attname") else { return }
        throw MigratorError(
            "not-null-not-valid", .refused,
            "\"\(column)\" of \"\(source.name)\" is NOT NULL, but the constraint \"\(name)\" is NOT VALID: rows that break it could not come back",
            hint:
                "drop the constraint, or mend the rows and run ALTER TABLE \(source.quoted) VALIDATE CONSTRAINT \(name.quotedIdentifier)"
        )
    }

    /// Asked before the backup: the server refuses only the statement that needs it, behind everything else.
    /// - Parameter strategy: a copy also makes anew the keys that point at the source, and the views over it.
    func requireOwner(of source: CatalogRelation, strategy: Strategy) throws {
        let rows = try session.query(
            """
            SELECT c.oid::regclass::text AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner
            FROM pg_catalog.pg_class c
            WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') AND (c.oid = $1::oid OR $2::boolean AND c.oid IN (
                SELECT conrelid FROM pg_catalog.pg_constraint WHERE confrelid = $1::oid AND contype = 'f'
                UNION ALL SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid))
            ORDER BY c.oid <> $1::oid, 1 LIMIT 1
            """, [SQLValue(source.oid), SQLValue(strategy == .copy)])
        guard let name = rows.first?.text("name"), let owner = rows.first?.text("owner") else { return }
        throw MigratorError(
            "privilege-missing", .unavailable,
            "\"\(name)\" belongs to \"\(owner)\", and the switch of \"\(source.name)\" changes it",
            hint: "connect as its owner, or let an administrator run GRANT \(owner.quotedIdentifier) TO "
                + facts.user.quotedIdentifier)
    }

    /// A table that another one follows keeps its name and its triggers until that is over.
    func refuseFollowed(_ source: CatalogRelation, revision: String) throws {
        guard facts.hasLedger else { return }
        for object in try ledger.objects(kinds: ["follower"]) where object.revision != revision {
            guard TriggerRecord(json: object.detail)?.triggers.first?.table == source.quoted else { continue }
            throw MigratorError(
                "table-followed", .refused,
                "the old table of revision \"\(object.revision)\" still follows \"\(source.name)\", so that it cannot be "
                    + "switched again",
                hint: "run `migrator contract \(object.revision)` first")
        }
    }

    private func checkKey(_ move: Move, of source: TableShape) throws {
        guard move.mapping == nil || source.column(move.key) != nil else { return }
        guard source.isKey(move.key) else {
            let key = source.constraints.first { $0.kind == .primaryKey }
            let what =
                key.map { "its primary key is (\($0.columns.joined(separator: ", ")))" }
                ?? "it has no primary key"
            throw MigratorError(
                "key-unsuitable", .refused,
                "\"\(move.key)\" does not tell the rows of \"\(move.source)\" apart: \(what)",
                hint: "name the single column of the primary key, or one that is unique and not null, as key="
            )
        }
    }

    /// A target that this section has not created is somebody else's.
    func checkTargetIsFree(_ move: Move, definition: [Statement]) throws {
        guard let relation = try catalog.relation(move.target) else { return }
        if definition.isEmpty, relation.isTable,
            try session.query("SELECT 1 FROM \(relation.quoted) LIMIT 1").isEmpty
        {
            return
        }
        throw MigratorError(
            "target-exists", .refused,
            "the \(relation.kindName) \"\(move.target)\" stands already beside \"\(move.source)\", and this revision has not made it",
            hint: "rename it, or put `-- migrator:leftovers \(move.target)` before the switch")
    }
}
