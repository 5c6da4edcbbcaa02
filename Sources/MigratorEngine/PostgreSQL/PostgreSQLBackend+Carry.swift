import MigratorDatabase
import MigratorScript

/// What hangs on carried columns, as statements about a target that is still empty.
struct CarriedParts {
    struct Index {
        var name: String
        var definition: String
        var comment: String?
        /// Qualified and quoted.
        var place: String

        var statements: [String] {
            [definition] + (comment.map { ["COMMENT ON INDEX \(place) IS \($0.quotedLiteral)"] } ?? [])
        }
    }

    /// Columns, constraints and indexes that refuse rows, comments.
    var now: [String] = []
    /// Foreign keys.
    var keys: [String] = []
    /// Constraints that rows which are there need not meet: after the rows.
    var late: [String] = []
    var comments: [String] = []
    /// Indexes that refuse nothing.
    var indexes: [Index] = []
    /// The indexes' names: a schema has each but once, and the source has them still.
    var names: [SwitchRecord.CarriedIndex] = []
    /// Constraints and indexes that also need what stays behind.
    var left: [String] = []
}

extension PostgreSQLBackend {
    /// The columns with type, collation, default and comment, and each constraint and index in which one of them takes
    /// part. What the declaration says stays as it says it.
    func parts(
        of carried: CarriedColumns, from source: TableShape, to target: TableShape
    ) throws -> CarriedParts {
        var parts = CarriedParts()
        let table = target.relation.quoted
        for column in carried.columns {
            parts.now.append("ALTER TABLE \(table) ADD COLUMN \(column.definition)")
            if let text = column.comment {
                parts.now.append(
                    "COMMENT ON COLUMN \(table).\(column.name.quotedIdentifier) IS \(text.quotedLiteral)")
            }
        }
        guard !carried.columns.isEmpty else { return parts }
        let columns = try columnsUsed(of: source.relation.oid)
        let names = Set(carried.names)
        let there = names.union(target.columns.map(\.name))
        func isCarried(_ oid: Int) -> Bool { !names.isDisjoint(with: columns[oid] ?? []) }
        func fits(_ oid: Int) -> Bool { there.isSuperset(of: columns[oid] ?? []) }
        for constraint in source.constraints where isCarried(constraint.oid) && constraint.kind != .notNull {
            guard constraint.kind != .primaryKey, fits(constraint.oid) else {
                parts.left.append("constraint \(constraint.name)")
                continue
            }
            add(constraint, to: target, &parts)
        }
        for index in source.indexes where index.constraint == nil && index.isValid && isCarried(index.oid) {
            guard fits(index.oid) else {
                parts.left.append("index \(index.name)")
                continue
            }
            add(index, to: target, &parts)
        }
        return parts
    }

    private func add(_ constraint: CatalogConstraint, to target: TableShape, _ parts: inout CarriedParts) {
        let table = target.relation.quoted
        var name = constraint.name
        let isIndex = constraint.kind == .unique || constraint.kind == .exclusion
        if isIndex {
            name = Self.carriedName(constraint.name, of: target.relation)
            parts.names.append(.init(name: constraint.name, meanwhile: name))
        } else if target.constraints.contains(where: { $0.name == name }) {
            name = Self.truncated(name, suffix: "_carried")
        }
        var definition = constraint.definition
        if constraint.referencedOID == constraint.tableOID, let own = constraint.definition(referring: table) {
            definition = own
        }
        let statement = "ALTER TABLE \(table) ADD CONSTRAINT \(name.quotedIdentifier) \(definition)"
        let comment = constraint.comment.map {
            "COMMENT ON CONSTRAINT \(name.quotedIdentifier) ON \(table) IS \($0.quotedLiteral)"
        }
        switch constraint.kind {
        case .foreignKey:
            parts.keys.append(statement)
            parts.comments += [comment].compactMap(\.self)
        case .check where definition.hasSuffix(" NOT VALID"):
            parts.late.append(statement)
            parts.comments += [comment].compactMap(\.self)
        default:
            parts.now += [statement, comment].compactMap(\.self)
        }
    }

    private func add(_ index: CatalogIndex, to target: TableShape, _ parts: inout CarriedParts) {
        let name = Self.carriedName(index.name, of: target.relation)
        parts.names.append(.init(name: index.name, meanwhile: name))
        let twin = CarriedParts.Index(
            name: name, definition: index.creation(name: name, on: target.relation.quoted), comment: index.comment,
            place: "\(target.relation.schema.quotedIdentifier).\(name.quotedIdentifier)")
        if index.isUnique { parts.now += twin.statements } else { parts.indexes.append(twin) }
    }

    static func carriedName(_ name: String, of target: CatalogRelation) -> String {
        "migrator_carried_" + nextKeyName("\(target.name) \(name)").dropFirst(nextKeyPrefix.count)
    }

    /// The columns on which each constraint and index of a table depends, in expressions and conditions too.
    func columnsUsed(of table: Int) throws -> [Int: Set<String>] {
        let rows = try session.query(
            """
            SELECT d.objid, a.attname FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.refobjsubid > 0
            AND d.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass)
            """, [SQLValue(table)])
        var used: [Int: Set<String>] = [:]
        for row in rows { used[row.int("objid") ?? 0, default: []].insert(row.text("attname") ?? "") }
        return used
    }

    // MARK: The roles pass

    /// The source is out of the way: its indexes' names are free.
    func nameCarried(_ indexes: [SwitchRecord.CarriedIndex], of target: CatalogRelation) throws {
        for index in indexes {
            let place = "\(target.schema.quotedIdentifier).\(index.meanwhile.quotedIdentifier)"
            try session.execute("ALTER INDEX \(place) RENAME TO \(index.name.quotedIdentifier)")
        }
    }

    /// The source comes back: its indexes' names are its own again.
    func giveUpNames(_ indexes: [SwitchRecord.CarriedIndex], of target: CatalogRelation) throws {
        let there = Set(try catalog.indexes(of: target.oid).map(\.name))
        for index in indexes where there.contains(index.name) {
            let place = "\(target.schema.quotedIdentifier).\(index.name.quotedIdentifier)"
            try session.execute("ALTER INDEX \(place) RENAME TO \(index.meanwhile.quotedIdentifier)")
        }
    }

    /// The carried columns draw their next values from where the source's do.
    /// - Returns: the statements that lead back.
    func passCarriedSequences(
        _ columns: [String], source: TableShape, target: CatalogRelation
    ) throws -> [String] {
        var undo: [String] = []
        for column in source.columns where columns.contains(column.name) {
            let name = column.name.quotedIdentifier
            guard let sequence = try catalog.ownedSequence(of: source.relation.oid, column: column.name) else {
                continue
            }
            guard let identity = column.identity else {
                try session.execute("ALTER SEQUENCE \(sequence.quoted) OWNED BY \(target.quoted).\(name)")
                undo.append("ALTER SEQUENCE \(sequence.quoted) OWNED BY \(source.relation.quoted).\(name)")
                continue
            }
            guard let own = try catalog.ownedSequence(of: target.oid, column: column.name) else { continue }
            func goOn(_ sequence: CatalogRelation, from other: CatalogRelation) -> String {
                "SELECT setval(\(sequence.quoted.quotedLiteral)::regclass, last_value, is_called) FROM \(other.quoted)"
            }
            try passOptions(from: sequence, to: own)
            try session.execute(goOn(own, from: sequence))
            undo.append(goOn(sequence, from: own))
            if identity == .always {
                try session.execute("ALTER TABLE \(target.quoted) ALTER COLUMN \(name) SET GENERATED ALWAYS")
            }
        }
        return undo
    }

    /// An identity's steps and limits: several writers of one number space keep apart by them.
    func passOptions(from sequence: CatalogRelation, to own: CatalogRelation) throws {
        let options = try session.scalar(
            """
            SELECT format('INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s %s', seqincrement, seqmin, seqmax,
                seqstart, seqcache, CASE WHEN seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)
            FROM pg_catalog.pg_sequence WHERE seqrelid = $1::oid
            """, [SQLValue(sequence.oid)]
        ).asText
        if let options { try session.execute("ALTER SEQUENCE \(own.quoted) \(options)") }
    }
}
