import MigratorScript

public enum Direction: String, Sendable, Codable {
    case upgrade
    case downgrade
}

/// What will run, as a value: plan, dry run, status and upgrade share it.
public struct Plan: Sendable, Equatable {
    public var direction: Direction
    /// Nil is base.
    public var from: String?
    public var to: String?
    public var steps: [PlannedRevision]
}

/// One revision on the way.
public struct PlannedRevision: Sendable, Equatable {
    public var script: Script
    public var direction: Direction
    /// The revision before; empty for base.
    public var from: String
    public var to: String
    /// A stamped revision is forgotten, never run backwards.
    public var isForgetOnly: Bool

    public init(script: Script, direction: Direction, from: String, to: String, isForgetOnly: Bool) {
        self.script = script
        self.direction = direction
        self.from = from
        self.to = to
        self.isForgetOnly = isForgetOnly
    }
}
