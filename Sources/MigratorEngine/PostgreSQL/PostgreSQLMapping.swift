import MigratorDatabase
import MigratorScript

/// A mapping as the server understands it, not as we would read it.
struct PostgreSQLMapping {
    /// The author's SELECT, or the one by name. It refers to its source by the unqualified name, so that a common
    /// table expression of that name can stand in for it.
    var select: String
    /// Its output columns that the target has, in the target's order.
    var columns: [String]
    /// Output columns that the target lacks.
    var unknownColumns: [String]
    /// Columns of the source that it reads; empty where it reads whole rows.
    var sourceColumns: [String]
    /// Why a row of the source does not decide its row of the target by itself; nil where it does.
    var reasonNotRowLocal: String?
    /// Whether a change of a row can take it out of what is yielded: there is a condition or a join.
    var leavesRowsOut = false
    /// Types to which columns are cut where they are written, not where they are compared.
    var casts: [String: String] = [:]

    var isRowLocal: Bool { reasonNotRowLocal == nil }
    var columnList: String { columns.map(\.quotedIdentifier).joined(separator: ", ") }
    /// The columns as they are written to the target.
    var valueList: String {
        columns.map { column in
            let name = column.quotedIdentifier
            return casts[column].map { "\(name)::\($0) AS \(name)" } ?? name
        }.joined(separator: ", ")
    }
}

extension PostgreSQLBackend {
    /// Has the server analyse a mapping, as temporary views behind a savepoint that is rolled back.
    /// - Throws: `MigratorError` with file, line and column where the SELECT cannot be analysed.
    func analyse(
        _ mapping: Statement?, source: TableName, target: TableName, key: String
    ) throws -> PostgreSQLMapping {
        guard let relation = try catalog.relation(source), let sourceColumns = try columnNames(of: source) else {
            throw MigratorError(
                "source-missing", .refused, "the table \"\(source)\" does not exist",
                hint: "look at `migrator plan`: an earlier revision may be missing")
        }
        guard let targetColumns = try columnNames(of: target) else {
            throw MigratorError(
                "target-missing", .refused, "the table \"\(target)\" does not exist",
                hint: "create it above the directive")
        }
        guard let mapping else {
            let computed = try catalog.oid(of: target).map { try catalog.columns(of: $0) } ?? []
            let generated = Set(computed.filter { $0.generated != nil }.map(\.name))
            let columns = targetColumns.filter { sourceColumns.contains($0) && !generated.contains($0) }
            return PostgreSQLMapping(
                select:
                    "SELECT \(columns.map(\.quotedIdentifier).joined(separator: ", ")) FROM \(source.name.quotedIdentifier)",
                columns: columns, unknownColumns: [], sourceColumns: columns,
                reasonNotRowLocal: columns.contains(key) ? nil : "it does not yield the key \"\(key)\"")
        }
        var analysis = PostgreSQLMapping(
            select: mapping.text, columns: [], unknownColumns: [], sourceColumns: [], reasonNotRowLocal: nil)
        try session.savepoint(keeping: false) {
            let prefix = "CREATE TEMPORARY VIEW migrator_mapping AS "
            do {
                try session.execute(prefix + mapping.text)
            } catch let error as DatabaseError where error.kind == .statement {
                throw MigratorError(error, statement: mapping, prefix: prefix.count)
            }
            let rule = try self.rule(of: "migrator_mapping")
            let output = try columnNames(ofTemporary: "migrator_mapping")
            analysis.columns = targetColumns.filter(output.contains)
            analysis.unknownColumns = output.filter { !targetColumns.contains($0) }
            analysis.sourceColumns = try columnsRead(by: "migrator_mapping", of: relation.oid)
            analysis.leavesRowsOut = [":quals {", "{JOINEXPR ", "} {RANGETBLREF "].contains(where: rule.contains)
            analysis.reasonNotRowLocal = try notRowLocal(
                rule, mapping: mapping, source: source, sourceOID: relation.oid, key: key)
        }
        if !analysis.unknownColumns.isEmpty {
            throw MigratorError(
                "mapping-column", .malformedScripts,
                "the mapping yields \"\(analysis.unknownColumns.joined(separator: "\", \""))\", which \"\(target)\" does not have",
                hint: "name its columns as \"\(target)\" does", location: mapping.location)
        }
        return analysis
    }

    private func notRowLocal(
        _ rule: String, mapping: Statement, source: TableName, sourceOID: Int, key: String
    ) throws -> String? {
        let marks = [
            (":hasAggs true", "it aggregates"), (":hasWindowFuncs true", "it uses a window function"),
            (":hasSubLinks true", "it has a sub-select in an expression"),
            (":hasTargetSRFs true", "it yields sets"), (":setOperations {", "it is a UNION or another set operation"),
            (":distinctClause (", "it is DISTINCT"), (":groupClause (", "it groups"),
            (":limitCount {", "it has a LIMIT"), (":limitOffset {", "it has an OFFSET"),
            (":hasRecursive true", "it is recursive"), ("{SQLVALUEFUNCTION", "its values depend on when it runs"),
        ]
        if let mark = marks.first(where: { rule.contains($0.0) }) { return mark.1 }
        let references = Self.references(to: sourceOID, in: rule)
        if references != 1 {
            return references == 0
                ? "it does not read \"\(source)\"" : "it reads \"\(source)\" \(references) times"
        }
        // Behind a CTE of the source's name only the CTE itself may read the table: else the name was qualified.
        let shadow =
            "CREATE TEMPORARY VIEW migrator_shadow AS WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(quoted(source))) SELECT * FROM (\(mapping.text)\n) AS mapping"
        try session.execute(shadow)
        let shadowRule = try self.rule(of: "migrator_shadow")
        guard shadowRule.contains(":ctename \(source.name)") || shadowRule.contains(":rtekind 6"),
            Self.references(to: sourceOID, in: shadowRule) == 1
        else { return "it names \"\(source)\" with its schema, so that no row can stand in for the table" }
        guard Self.outputOrigins(in: rule).contains(where: { $0.name == key && $0.table == sourceOID }) else {
            return "its \"\(key)\" is not the key of \"\(source)\" as it is"
        }
        if let name = try volatileFunction(in: rule) { return "it calls \(name), whose value depends on when it runs" }
        return nil
    }

    /// How often a rule's range tables hold a relation. PostgreSQL 16 and newer name it in the permissions beside.
    private static func references(to oid: Int, in rule: String) -> Int {
        rule.occurrences(of: ":relid \(oid) ") - rule.occurrences(of: "{RTEPERMISSIONINFO :relid \(oid) ")
    }

    /// pg_depend leaves out the server's own functions, so they are read from the rule itself.
    private func volatileFunction(in rule: String) throws -> String? {
        var ids: Set<String> = []
        for mark in [":funcid ", ":opfuncid "] {
            for part in rule.components(separatedBy: mark).dropFirst() {
                ids.insert(String(part.prefix { $0.isNumber }))
            }
        }
        guard !ids.isEmpty else { return nil }
        return try session.query(
            """
            SELECT proname || '()' FROM pg_catalog.pg_proc
            WHERE oid = ANY ($1::oid[]) AND (provolatile = 'v'
                OR oid IN ('now()'::regprocedure, 'statement_timestamp()'::regprocedure,
                           'transaction_timestamp()'::regprocedure))
            LIMIT 1
            """, [.text("{\(ids.filter { !$0.isEmpty }.sorted().joined(separator: ","))}")]
        ).first?[0].asText
    }

    func rule(of view: String) throws -> String {
        try session.scalar(
            "SELECT ev_action::text FROM pg_catalog.pg_rewrite WHERE ev_class = ('pg_temp.' || $1)::regclass",
            [.text(view)]
        ).asText ?? ""
    }

    func columnNames(ofTemporary view: String) throws -> [String] {
        try session.query(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = ('pg_temp.' || $1)::regclass AND attnum > 0 ORDER BY attnum",
            [.text(view)]
        ).compactMap { $0[0].asText }
    }

    func requireRowLocal(_ mapping: PostgreSQLMapping, _ what: String, location: ScriptLocation?) throws {
        guard let reason = mapping.reasonNotRowLocal else { return }
        throw MigratorError(
            "mapping-not-row-local", .refused, "the mapping of \(what) is not row-local: \(reason)",
            hint: "let each row of the source decide its own row of the target, or use `ensure`", location: location)
    }
}

extension String {
    func occurrences(of part: String) -> Int { components(separatedBy: part).count - 1 }

    /// The pieces between the occurrences of a separator.
    func components(separatedBy separator: String) -> [String] {
        let bytes = Array(utf8)
        let mark = Array(separator.utf8)
        var pieces: [String] = []
        var start = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index] == mark[0], bytes[index..<index + mark.count].elementsEqual(mark) {
                pieces.append(String(decoding: bytes[start..<index], as: UTF8.self))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        pieces.append(String(decoding: bytes[start...], as: UTF8.self))
        return pieces
    }
}
