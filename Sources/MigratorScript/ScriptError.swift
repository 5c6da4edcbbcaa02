/// What is wrong with a script, as data; `message` and `hint` are the words.
public struct ScriptError: Error, Sendable, Equatable {
    /// Kebab-case and documented: `unterminated-quote`, `unknown-directive`, ...
    public var code: String
    public var message: String
    public var hint: String?
    public var location: ScriptLocation

    public init(code: String, message: String, hint: String? = nil, location: ScriptLocation) {
        self.code = code
        self.message = message
        self.hint = hint
        self.location = location
    }
}
