import MigratorEngine

/// Figures of reports, as people read them.
enum ReportText {
    /// `640 µs`, `15.4 ms`, `1.2 s`
    static func time(microseconds: Int) -> String {
        if microseconds < 1000 { return "\(microseconds) µs" }
        if microseconds < 100_000 { return "\(microseconds / 1000).\(microseconds % 1000 / 100) ms" }
        return Duration.microseconds(microseconds).short
    }

    static func time(milliseconds: Int) -> String { Duration.milliseconds(milliseconds).short }

    /// `96.4 MB`: powers of 1000.
    static func size(_ bytes: Int) -> String {
        var value = Double(bytes.magnitude)
        var unit = 0
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        while value >= 999.95, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        let text = unit == 0 || tenths >= 1000 ? "\(Int(value.rounded()))" : "\(tenths / 10).\(tenths % 10)"
        return (bytes < 0 ? "−" : "") + "\(text) \(units[unit])"
    }

    /// `+14.7 MB`, `−8 kB`, `±0`
    static func change(from before: Int, to after: Int) -> String {
        let change = after - before
        if change == 0 { return "±0" }
        return change > 0 ? "+" + size(change) : size(change)
    }

    /// `2026-11-21T10:36:30.120Z` as `2026-11-21 10:36:30 UTC`.
    static func moment(_ iso: String) -> String {
        guard iso.count >= 19, iso.contains("T") else { return iso }
        return iso.prefix(19).replacing("T", with: " ") + " UTC"
    }

    /// Seconds since 1970 of an ISO 8601 moment in UTC; nil where it is none.
    static func seconds(_ iso: String) -> Double? {
        let parts = iso.split(whereSeparator: { "-T:Z".contains($0) })
        guard parts.count == 6, let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
            let hour = Int(parts[3]), let minute = Int(parts[4]), let second = Double(parts[5])
        else { return nil }
        // Days from civil, H. Hinnant.
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return Double(days * 86_400 + hour * 3600 + minute * 60) + second
    }

    /// Text for HTML and XML: markup, quotes, and what XML 1.0 cannot hold.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
            default:
                switch scalar.value {
                case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
                    result += "\u{FFFD}"
                default: result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}
