import MigratorDatabase
import MigratorScript

/// Keys that lie together among a table's integer keys, above one and up to another.
struct KeySection: Sendable, Equatable {
    /// Nil: from the lowest one on.
    var above: Int?
    /// Nil: to the highest one, and what has none.
    var upTo: Int?
}

/// A table's keys in stretches, each as a condition on the key: comparing stretch by stretch takes little memory on
/// either side, and can be interrupted. All of them together are all keys, NULL included.
struct KeyStretches {
    private let table: TableName
    private let key: String
    private let backend: any TableAccess
    private let size: Int
    /// As `format_type` writes it, with the collation by which the table's own index is ordered; PostgreSQL only.
    private let type: String
    private let collation: String
    /// Integers are parted by their values, so that nothing has to be read to find where a stretch ends.
    private let parting: (first: Int, last: Int, width: Int)?

    init(of table: TableName, key: String, backend: any TableAccess) throws {
        self.table = table
        self.key = key
        self.backend = backend
        switch backend.session.dialect {
        case .sqlite:
            (size, type, collation, parting) = (20_000, "", "", nil)
        case .postgresql:
            let row = try backend.session.query(
                """
                SELECT format_type(a.atttypid, NULL) AS type,
                    (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname)
                     FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                     WHERE c.oid = a.attcollation) AS collation
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attname = $2
                """, [.text(backend.quoted(table)), .text(key)]
            ).first
            size = 50_000
            type = row?.text("type") ?? "text"
            collation = row?.text("collation").map { " COLLATE \($0)" } ?? ""
            parting = try Self.parting(of: table, key: key, type: type, size: size, backend)
        }
    }

    /// As many keys a stretch as hold about `size` rows; nil where the keys are no integers, or the table's size is not
    /// known.
    private static func parting(
        of table: TableName, key: String, type: String, size: Int, _ backend: any TableAccess
    ) throws -> (first: Int, last: Int, width: Int)? {
        guard ["smallint", "integer", "bigint"].contains(type),
            let rows = try (backend as? PostgreSQLBackend)?.estimatedSize(of: table).rows, rows > size
        else { return nil }
        let column = key.quotedIdentifier
        let ends = try backend.session.query(
            "SELECT min(\(column)), max(\(column)) FROM \(backend.quoted(table))"
        ).first
        guard let first = ends?[0].asInt, let last = ends?[1].asInt else { return nil }
        let (span, overflows) = last.subtractingReportingOverflow(first)
        return overflows ? nil : (first, last, max(size, span / (rows / size)))
    }

    /// Calls `body` for each stretch with its condition; with nil where one stretch holds all.
    /// - Parameter narrows: whether a condition spares the work that it leaves out; asked where there are several
    ///   stretches, and where it does not, one stretch holds all.
    func forEach(where narrows: (String) throws -> Bool, _ body: (String?) throws -> Void) throws {
        var low: String?
        while true {
            let high = try bound(above: low)
            guard let condition = condition(low: low, high: high) else { return try body(nil) }
            if low == nil, try !narrows(condition) { return try body(nil) }
            try body(condition)
            guard high != nil else { break }
            low = high
        }
        try body("\(key.quotedIdentifier) IS NULL")
    }

    /// Sections of several stretches each, which together are all keys; nil where a condition spares nothing, or there
    /// are too few keys to part.
    func sections(where narrows: (String) throws -> Bool) throws -> [KeySection]? {
        guard let parting else { return nil }
        let stretches = (parting.last - parting.first) / parting.width + 1
        let count = min(Self.mostSections, stretches / 4)
        guard count > 1, let condition = condition(low: nil, high: try bound(above: nil)), try narrows(condition)
        else { return nil }
        let ends = (1..<count).map { parting.first + stretches * $0 / count * parting.width }
        return zip([nil] + ends, ends + [nil]).map { KeySection(above: $0, upTo: $1) }
    }

    private static let mostSections = 8

    /// Calls `body` for each stretch of a section that `sections` has made.
    func forEach(in section: KeySection, _ body: (String) throws -> Void) throws {
        var low = section.above.map(String.init)
        while true {
            var high = try bound(above: low)
            if let end = section.upTo, high.flatMap({ Int($0) }).map({ $0 >= end }) ?? true { high = String(end) }
            guard let condition = condition(low: low, high: high) else { break }
            try body(condition)
            guard let high, high != section.upTo.map(String.init) else { break }
            low = high
        }
        if section.upTo == nil { try body("\(key.quotedIdentifier) IS NULL") }
    }

    /// The literal of the last key of the stretch that begins above `low`; nil where it is the last one.
    private func bound(above low: String?) throws -> String? {
        if let parting {
            let (high, overflows) = (low.flatMap { Int($0) } ?? parting.first).addingReportingOverflow(parting.width)
            return overflows || high >= parting.last ? nil : String(high)
        }
        let column = key.quotedIdentifier
        let rest = condition(low: low, high: nil).map { " WHERE \($0)" } ?? ""
        let from = "FROM \(backend.quoted(table)) AS t\(rest) ORDER BY t.\(column) LIMIT 1 OFFSET \(size)"
        switch backend.session.dialect {
        case .postgresql:
            return try backend.session.scalar("SELECT t.\(column)::text \(from)").asText
                .map { "\($0.quotedLiteral)::\(type)" }
        case .sqlite:
            return try backend.session.scalar(
                "SELECT \(SQLiteStretch.literal("k")) FROM (SELECT t.\(column) AS k \(from)) WHERE k IS NOT NULL"
            ).asText
        }
    }

    private func condition(low: String?, high: String?) -> String? {
        let column = key.quotedIdentifier + collation
        let parts = [low.map { "\(column) > \($0)" }, high.map { "\(column) <= \($0)" }].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: " AND ")
    }
}

extension KeyStretches {
    /// Whether the database reads less of what a SELECT reads where a condition on its key stands outside of it: a
    /// mapping that groups or sorts is computed whole for each stretch.
    static func narrows(_ select: String, to condition: String, session: any Session) throws -> Bool {
        let meant = PostgreSQLMapping.narrowed(select, to: condition)
        let narrowed = "SELECT 1 FROM (\(meant)\n) AS mapping WHERE \(condition)"
        switch session.dialect {
        case .postgresql:
            func cost(_ sql: String) throws -> Double {
                let plan = try session.query("EXPLAIN \(sql)").first?[0].asText ?? ""
                let figure = plan.split(separator: "..").dropFirst().first?.split(separator: " ").first
                return figure.flatMap { Double($0) } ?? .infinity
            }
            return try cost(narrowed) < 0.5 * cost("SELECT 1 FROM (\(select)\n) AS mapping")
        case .sqlite:
            return try session.query("EXPLAIN QUERY PLAN \(narrowed)").allSatisfy {
                !($0.text("detail") ?? "").hasPrefix("SCAN")
            }
        }
    }
}

extension RowComparison {
    /// As in one statement, and in the snapshot of the open transaction, stretch by stretch.
    /// - Parameter judged: given a condition on the key, a condition on the table's key for the rows to be judged.
    init(
        inStretches mapping: MappingSource, table: TableName, key: String, _ context: VerificationContext,
        judged: ((_ condition: String?) -> String)? = nil
    ) throws {
        let backend = context.backend
        self.init()
        try KeyStretches(of: table, key: key, backend: backend).forEach { condition in
            try KeyStretches.narrows(mapping.select, to: condition, session: backend.session)
        } _: { condition in
            try context.checkInterruption()
            add(
                try RowComparison(
                    expected: mapping.select, columns: mapping.columns, table: table, key: key, backend: backend,
                    condition: condition, judged: judged?(condition), showsValues: context.showsValues))
        }
    }
}
