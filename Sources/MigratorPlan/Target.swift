import MigratorScript

/// A target or a state that cannot be planned for; the command line makes it an exit status.
public struct PlanError: Error, Sendable, Equatable {
    /// `unknown-revision`, `ambiguous-revision`, `out-of-range`, `target-behind`, `target-ahead`.
    public var code: String
    public var message: String
    public var hint: String?

    public init(code: String, message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }
}

/// Where to go, as Alembic spells it: `head`, `base`, `current`, a revision or the beginning of one, each with an
/// optional `+N` or `-N`; `+N` or `-N` alone counts from the current revision.
public struct Target: Sendable, Equatable {
    public enum Anchor: Sendable, Equatable {
        case head
        case base
        case current
        case revision(String)
    }

    public var anchor: Anchor
    public var offset: Int
    /// As it was written.
    public var text: String

    public init(_ text: String) throws(PlanError) {
        self.text = text
        var name = text[...]
        offset = 0
        if let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }) {
            let digits = text[text.index(after: sign)...]
            if !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }) {
                guard let number = Int(digits), number <= 1_000_000 else {
                    throw PlanError(code: "out-of-range", message: "\"\(text)\" counts too far")
                }
                offset = text[sign] == "-" ? -number : number
                name = text[..<sign]
            }
        }
        switch name {
        case "head", "heads": anchor = .head
        case "base": anchor = .base
        case "current": anchor = .current
        case "" where text != "": anchor = .current
        default: anchor = .revision(String(name))
        }
        guard !text.isEmpty else {
            throw PlanError(
                code: "unknown-revision", message: "the target is empty", hint: "write head, +1 or a revision"
            )
        }
    }

    /// True for `+N` and `-N` alone.
    var isBareRelative: Bool { text.first == "+" || text.first == "-" }
}

extension Chain {
    /// The number of revisions that are applied once the target is reached: 0 is base.
    /// - Parameter applied: how many are applied now.
    public func resolve(_ target: Target, applied: Int) throws(PlanError) -> Int {
        // An id may end like a step.
        if let exact = position(of: target.text) { return exact + 1 }
        let start: Int
        switch target.anchor {
        case .head: start = scripts.count
        case .base: start = 0
        case .current: start = applied
        case .revision(let name): start = try position(matching: name) + 1
        }
        let end = start + target.offset
        guard (0...scripts.count).contains(end), !(target.isBareRelative && target.offset == 0) else {
            // Alembic's own words, which its users know.
            let sign = target.offset < 0 ? "-" : "+"
            let relative = target.isBareRelative ? target.text : "\(sign)\(abs(target.offset))"
            throw PlanError(
                code: "out-of-range",
                message: "Relative revision \(relative) didn't produce \(abs(target.offset)) migrations")
        }
        return end
    }

    /// The position of the revision with this id or, unambiguously, this beginning of one.
    public func position(matching name: String) throws(PlanError) -> Int {
        if let position = position(of: name) { return position }
        let candidates = scripts.filter { $0.revision.hasPrefix(name) }
        if candidates.count == 1, let position = position(of: candidates[0].revision) { return position }
        if candidates.isEmpty, let position = position(ofNumber: name) { return position }
        if candidates.isEmpty {
            throw PlanError(
                code: "unknown-revision", message: "no revision \"\(name)\"",
                hint: scripts.isEmpty ? "there are no scripts" : "`migrator history` lists them all")
        }
        throw PlanError(
            code: "ambiguous-revision",
            message: "\"\(name)\" fits several revisions: "
                + candidates.map(\.revision).joined(separator: ", "),
            hint: "write more of the id")
    }
}

extension Chain {
    /// `1` finds `000001`.
    private func position(ofNumber name: String) -> Int? {
        func number(_ text: String) -> Substring? {
            text.utf8.allSatisfy { (48...57).contains($0) } && !text.isEmpty ? text.drop { $0 == "0" } : nil
        }
        guard let wanted = number(name), !wanted.isEmpty else { return nil }
        let found = scripts.indices.filter { number(scripts[$0].revision) == wanted }
        return found.count == 1 ? found[0] : nil
    }
}
