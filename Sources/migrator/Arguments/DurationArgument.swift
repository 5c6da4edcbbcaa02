import ArgumentParser

/// `500ms`, `30s`, `5m`, `2h`, `7d`.
struct DurationArgument: ExpressibleByArgument {
    var duration: Duration

    init?(argument: String) {
        let digits = argument.utf8.prefix { (48...57).contains($0) }
        guard !digits.isEmpty, digits.count <= 9, let number = Int64(String(decoding: digits, as: UTF8.self))
        else { return nil }
        switch String(decoding: argument.utf8.dropFirst(digits.count), as: UTF8.self) {
        case "ms": duration = .milliseconds(number)
        case "s": duration = .seconds(number)
        case "m": duration = .seconds(number * 60)
        case "h": duration = .seconds(number * 3600)
        case "d": duration = .seconds(number * 86_400)
        default: return nil
        }
    }
}

/// The value of `--wait`: a duration, or no limit.
struct WaitArgument: ExpressibleByArgument {
    /// What stands for the absent value; `ArgumentPreparation` writes it.
    static let unlimitedText = "unlimited"
    /// Long enough never to end, short enough not to overflow.
    static let unlimited = Duration.seconds(10 * 365 * 86_400)

    var duration: Duration

    init?(argument: String) {
        if argument == Self.unlimitedText {
            duration = Self.unlimited
        } else if let parsed = DurationArgument(argument: argument) {
            duration = parsed.duration
        } else {
            return nil
        }
    }
}
