/// The two databases. The raw value is the name of the scripts' subfolder.
public enum Dialect: String, Sendable, Hashable, CaseIterable, Codable {
    case postgresql
    case sqlite

    /// The name as people write it.
    public var title: String {
        switch self {
        case .postgresql: "PostgreSQL"
        case .sqlite: "SQLite"
        }
    }
}
