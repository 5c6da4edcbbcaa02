import MigratorDatabase

/// A column as the catalog has it.
public struct CatalogColumn: Sendable, Equatable {
    public enum Identity: String, Sendable {
        case always = "a"
        case byDefault = "d"
    }
    public enum Generated: String, Sendable {
        case stored = "s"
        /// PostgreSQL 18.
        case virtual = "v"
    }
    public var name: String
    /// attnum: survives a rename, is never used again after a drop.
    public var number: Int
    /// `format_type`, with modifier: `character varying(50)`.
    public var type: String
    public var isNotNull: Bool
    /// The expression of the default, or of the generated column.
    public var defaultExpression: String?
    public var identity: Identity?
    public var generated: Generated?
    /// Schema-qualified and quoted; nil where it is the type's own.
    public var collation: String?
    public var comment: String?
}

/// A constraint as the catalog has it.
public struct CatalogConstraint: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case check = "c"
        case foreignKey = "f"
        case primaryKey = "p"
        case unique = "u"
        case exclusion = "x"
        case constraintTrigger = "t"
        /// PostgreSQL 18 names them.
        case notNull = "n"
    }
    public var oid: Int
    public var name: String
    public var kind: Kind
    /// `pg_get_constraintdef`: what stands after `ADD CONSTRAINT name`. Tables in the search path are not qualified.
    public var definition: String
    /// The table that has it.
    public var tableOID: Int
    /// That table, qualified and quoted.
    public var table: String
    public var tableName: String
    public var tableSchema: String
    public var columns: [String]
    /// Of a foreign key.
    public var referencedOID: Int?
    public var referencedColumns: [String]
    /// The index behind a primary key, unique or exclusion constraint.
    public var indexOID: Int?
    public var isValidated: Bool
    public var isDeferrable: Bool
    /// True where it comes from a partitioned parent's constraint, and cannot be dropped by itself.
    public var isInherited: Bool
    public var comment: String?
}

/// An index as the catalog has it.
public struct CatalogIndex: Sendable, Equatable {
    public var oid: Int
    public var name: String
    /// `pg_get_indexdef`: the statement that creates it, its table qualified.
    public var definition: String
    /// Column names in order; an expression stands as its text.
    public var columns: [String]
    public var isUnique: Bool
    public var isPrimary: Bool
    /// False while being built concurrently and after that failed.
    public var isValid: Bool
    public var isReplicaIdentity: Bool
    public var isClustered: Bool
    /// The constraint that it belongs to.
    public var constraint: String?
    public var comment: String?
}

/// A trigger that a user or the tool made (not those behind foreign keys).
public struct CatalogTrigger: Sendable, Equatable {
    public var oid: Int
    public var name: String
    /// `pg_get_triggerdef`: the statement that creates it, its table qualified.
    public var definition: String
    /// `O` on, `D` off, `R` in replica mode only, `A` always.
    public var enabled: String
    /// Qualified and quoted, without arguments.
    public var function: String
    public var comment: String?
}

/// A relation as the catalog has it.
public struct CatalogRelation: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case table = "r"
        case partitionedTable = "p"
        case view = "v"
        case materializedView = "m"
        case sequence = "S"
        case foreignTable = "f"
        case index = "i"
        case partitionedIndex = "I"
        case compositeType = "c"
        case toast = "t"
    }
    public var oid: Int
    public var schema: String
    public var name: String
    public var kind: Kind
    public var owner: String

    /// Qualified and quoted.
    public var quoted: String { "\(schema.quotedIdentifier).\(name.quotedIdentifier)" }
    /// True for what holds rows of its own or of its partitions.
    public var isTable: Bool { kind == .table || kind == .partitionedTable || kind == .foreignTable }
    /// `table`, `view`, ...: for messages.
    public var kindName: String {
        switch kind {
        case .table, .partitionedTable: "table"
        case .view: "view"
        case .materializedView: "materialized view"
        case .sequence: "sequence"
        case .foreignTable: "foreign table"
        case .index, .partitionedIndex: "index"
        case .compositeType: "type"
        case .toast: "TOAST table"
        }
    }
}
