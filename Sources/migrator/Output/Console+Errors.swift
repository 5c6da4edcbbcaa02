import MigratorEngine

extension Console {
    /// An error: four lines for people, or the one object of `--json` on standard output.
    func show(_ error: MigratorError) {
        if mode.isJSON { print(JSONValue(error)) }
        self.error(text(error))
    }

    private func text(_ error: MigratorError) -> String {
        var lines = [
            styled("error[\(error.code)]:", .bad, descriptor: 2) + " "
                + error.message.split(separator: "\n").joined(separator: "\n  ")
        ]
        if let location = error.location { lines.append("  --> " + location.description.oneLine) }
        for detail in error.details {
            lines += detail.split(separator: "\n").map { "  " + $0 }
        }
        if let hint = error.hint {
            lines.append("  hint: " + hint.split(separator: "\n").joined(separator: "\n    "))
        }
        return lines.joined(separator: "\n")
    }

    func warning(_ text: String) {
        error(styled("warning:", .careful, descriptor: 2) + " " + text)
    }

    func note(_ text: String) {
        if !mode.isQuiet { error("note: " + text) }
    }
}

extension JSONValue {
    init(_ error: MigratorError) {
        var object: [String: JSONValue] = [
            "code": .string(error.code), "message": .string(error.message),
            "hint": JSONValue(error.hint), "location": .null,
            "details": .array(error.details.map { .string($0) }),
        ]
        if let location = error.location {
            object["location"] = .object([
                "file": .string(location.file), "line": .int(location.line), "column": .int(location.column),
            ])
        }
        self = .object(["error": .object(object), "exit_status": .int(Int(error.status.rawValue))])
    }
}
