import MigratorDatabase
import MigratorScript

/// What a query cost once, and how the database would find its rows.
struct QueryMeasurement: Equatable {
    /// Of the query's $1, $2, ...
    var parameters: [String?]
    /// Pages that were looked at, in memory or not.
    var buffers: Int
    var microseconds: Int
    /// Scans that read a table, or an index, from end to end; small tables aside.
    var unserved: [String]
    /// Indexes that lead to rows by a condition.
    var indexes: [String]

    /// - Parameter parameters: those to ask with; nil asks the form's own SELECT for them.
    /// - Returns: nil where that SELECT has no row: there is nothing to ask for.
    static func take(
        _ form: CheckFile.Form, parameters known: [String?]?, _ backend: any Backend
    ) throws -> QueryMeasurement? {
        let session = backend.session
        try session.beginReading()
        defer { session.rollback() }
        if session.dialect == .postgresql {
            try session.execute("SET LOCAL statement_timeout = '30s'; SET LOCAL jit = off")
        }
        do {
            var values: [SQLValue] = known?.map { SQLValue($0) } ?? []
            if known == nil, let select = form.parameters {
                guard let row = try session.query(select.text).first else { return nil }
                values = row.values
            }
            return try session.dialect == .postgresql
                ? postgresql(form.query, values, session) : sqlite(form.query, values, session)
        } catch let error as DatabaseError where error.kind == .statement {
            throw MigratorError(error, statement: form.query)
        }
    }

    // MARK: PostgreSQL

    private static func postgresql(
        _ query: Statement, _ values: [SQLValue], _ session: any Session
    ) throws -> QueryMeasurement {
        func lines(_ options: String) throws -> [String] {
            try session.query("EXPLAIN (\(options), FORMAT JSON) \(query.text)", values)
                .compactMap { $0[0].asText }.flatMap { $0.split(separator: "\n").map(String.init) }
        }
        // The first time fills caches, and sets hints in the rows.
        _ = try lines("ANALYZE, BUFFERS")
        let plan = PlanLines(try lines("ANALYZE, BUFFERS"))
        return QueryMeasurement(
            parameters: values.map(\.asText),
            buffers: (plan.first("Shared Hit Blocks").flatMap { Int($0) } ?? 0)
                + (plan.first("Shared Read Blocks").flatMap { Int($0) } ?? 0),
            microseconds: Int((plan.first("Execution Time").flatMap { Double($0) } ?? 0) * 1000),
            unserved: try plan.unserved.filter { try isLarge($0.relation, session) }.map(\.text), indexes: plan.indexes)
    }

    /// Of a table with few pages any plan will do, and the server takes any.
    private static func isLarge(_ relation: String, _ session: any Session) throws -> Bool {
        try session.scalar(
            """
            SELECT coalesce(pg_relation_size(coalesce(
                (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)), to_regclass($1)))
                > 16 * current_setting('block_size')::int, true)
            """, [.text(relation.quotedIdentifier)]
        ).asBool
    }

    // MARK: SQLite

    private static func sqlite(
        _ query: Statement, _ values: [SQLValue], _ session: any Session
    ) throws -> QueryMeasurement {
        let plan = try session.query("EXPLAIN QUERY PLAN \(query.text)", values).compactMap { $0.text("detail") }
        _ = try session.query(query.text, values)
        let sqlite = session as? SQLiteSession
        let before = sqlite?.pageAccesses ?? 0
        let start = ContinuousClock.now
        _ = try session.query(query.text, values)
        let time = ContinuousClock.now - start
        let searches = plan.filter { $0.hasPrefix("SEARCH ") && !$0.contains(" AUTOMATIC ") }
        let scans = plan.filter {
            $0.hasPrefix("SCAN ") && !$0.hasPrefix("SCAN CONSTANT") && !$0.hasPrefix("SCAN (")
                || $0.contains(" AUTOMATIC ")
        }
        return QueryMeasurement(
            parameters: values.map(\.asText), buffers: (sqlite?.pageAccesses ?? 0) - before,
            microseconds: Int(time.components.seconds) * 1_000_000
                + Int(time.components.attoseconds / 1_000_000_000_000),
            unserved: scans, indexes: searches)
    }
}

/// A plan as PostgreSQL prints it in JSON, one property a line, each node's own before those of its children.
private struct PlanLines {
    private var properties: [(key: String, value: String)] = []

    init(_ lines: [String]) {
        for line in lines {
            let parts = line.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].allSatisfy(\.isWhitespace), parts[2].hasPrefix(": ") else { continue }
            var value = parts[2].dropFirst(2)
            if value.hasSuffix(",") { value.removeLast() }
            if value.hasPrefix("\""), value.hasSuffix("\""), value.count > 1 { value = value.dropFirst().dropLast() }
            properties.append((String(parts[1]), String(value)))
        }
    }

    func first(_ key: String) -> String? { properties.first { $0.key == key }?.value }

    private var nodes: [[String: String]] {
        var nodes: [[String: String]] = []
        for (key, value) in properties {
            if key == "Node Type" { nodes.append([:]) }
            guard !nodes.isEmpty else { continue }
            nodes[nodes.count - 1][key] = nodes[nodes.count - 1][key] ?? value
        }
        return nodes
    }

    private static let indexScans = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"]

    /// Scans from end to end, with the table or index that they read.
    var unserved: [(text: String, relation: String)] {
        nodes.compactMap { node in
            let type = node["Node Type"] ?? ""
            let name = node["Relation Name"] ?? ""
            if type == "Seq Scan" { return ("\(type) on \(name)", name) }
            guard Self.indexScans.contains(type), node["Index Cond"] == nil else { return nil }
            let index = node["Index Name"] ?? ""
            return ("all of index \(index)" + (name.isEmpty ? "" : " on \(name)"), index)
        }
    }

    var indexes: [String] {
        nodes.compactMap { node in
            Self.indexScans.contains(node["Node Type"] ?? "") && node["Index Cond"] != nil ? node["Index Name"] : nil
        }
    }
}
