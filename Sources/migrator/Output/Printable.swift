/// Texts from scripts and databases may hold anything; a terminal must not act on it.
extension String {
    /// Private-use characters that stand for the tool's own colours until the text is written.
    static let styleStart = "\u{F8F0}"
    static let styleEnd = "\u{F8F1}"

    /// Control characters and those that turn the writing direction as `\x1b` or `\u202e`; line feeds stay.
    var printable: String {
        guard unicodeScalars.contains(where: { !$0.isPrintable }) else { return self }
        var result = ""
        for (index, scalar) in zip(unicodeScalars.indices, unicodeScalars) {
            if scalar == "\u{F8F0}" {
                // A text that brings the mark itself gets a colour at most.
                let rest = String.UnicodeScalarView(unicodeScalars[index...].dropFirst().prefix(3))
                let isStyle = ["31m", "32m", "33m", "2m"].contains { String(rest).hasPrefix($0) }
                if isStyle { result += "\u{1B}[" }
            } else if scalar == "\u{F8F1}" {
                result += "\u{1B}[0m"
            } else if scalar.isPrintable {
                result.unicodeScalars.append(scalar)
            } else if scalar == "\r" {
                result += "\\r"
            } else {
                let hex = String(scalar.value, radix: 16)
                result +=
                    scalar.value < 0x100
                    ? "\\x" + String(repeating: "0", count: 2 - hex.count) + hex
                    : "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            }
        }
        return result
    }

    /// On one line, and without the marks of colours.
    var oneLine: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0 == "\n" || $0 == "\r" || $0 == "\t" ? " " : $0 }
                    .filter { $0 != "\u{F8F0}" && $0 != "\u{F8F1}" }))
    }
}

extension Unicode.Scalar {
    fileprivate var isPrintable: Bool {
        switch value {
        case 0x09, 0x0A: true
        case 0..<0x20, 0x7F..<0xA0: false
        // Marks, embeddings, overrides and isolates of the writing direction; line and paragraph separators.
        case 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: false
        case 0xF8F0, 0xF8F1: false
        default: true
        }
    }
}
