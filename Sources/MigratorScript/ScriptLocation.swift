/// A place in a script. Line and column count from 1; the column counts characters.
public struct ScriptLocation: Sendable, Hashable, CustomStringConvertible {
    /// The path as it is shown to people: relative to where they stand, when it lies below.
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int, column: Int = 1) {
        self.file = file
        self.line = line
        self.column = column
    }

    public var description: String { "\(file):\(line):\(column)" }
}
