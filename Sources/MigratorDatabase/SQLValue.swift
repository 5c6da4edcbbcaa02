/// A value as it goes to or comes from a database.
/// PostgreSQL's results are text (its own output format) or null; SQLite keeps the storage class.
public enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    public init(_ value: String?) { self = value.map(SQLValue.text) ?? .null }
    public init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
    public init(_ value: Bool) { self = .integer(value ? 1 : 0) }
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(nilLiteral: ()) { self = .null }
}

/// One row of a result. Columns are found by name or by position.
public struct Row: Sendable, Equatable {
    public var columns: [String]
    public var values: [SQLValue]

    public init(columns: [String], values: [SQLValue]) {
        self.columns = columns
        self.values = values
    }

    public subscript(name: String) -> SQLValue {
        guard let index = columns.firstIndex(of: name) else { return .null }
        return values[index]
    }

    public subscript(index: Int) -> SQLValue { values.indices.contains(index) ? values[index] : .null }

    public func text(_ name: String) -> String? { self[name].asText }
    public func int(_ name: String) -> Int? { self[name].asInt }
    public func bool(_ name: String) -> Bool { self[name].asBool }
}

extension SQLValue {
    public var isNull: Bool { self == .null }

    /// The value as text; nil for null. A blob is given as lower-case hex after `\x`.
    public var asText: String? {
        switch self {
        case .null: nil
        case .integer(let value): String(value)
        case .real(let value): String(value)
        case .text(let value): value
        case .blob(let bytes):
            "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    public var asInt: Int? {
        switch self {
        case .integer(let value): Int(value)
        case .text(let value): Int(value)
        case .real(let value): Int(exactly: value)
        default: nil
        }
    }

    /// PostgreSQL's `t`, SQLite's 1.
    public var asBool: Bool {
        switch self {
        case .integer(let value): value != 0
        case .text(let value): value == "t" || value == "true" || value == "1"
        default: false
        }
    }
}
