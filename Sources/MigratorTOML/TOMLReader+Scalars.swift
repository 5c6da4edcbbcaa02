extension TOMLReader {
    // MARK: Texts

    /// One of the four ways to write a text.
    mutating func readText() throws(TOMLError) -> String {
        let quote: Unicode.Scalar = peek() == "'" ? "'" : "\""
        let isLong = peek(1) == quote && peek(2) == quote
        position += isLong ? 3 : 1
        // A line feed right behind the opening quotes is no part of the text.
        if isLong, peek() == "\n" { position += 1 } else if isLong, isAhead("\r\n") { position += 2 }
        var result = String.UnicodeScalarView()
        while let scalar = peek() {
            if scalar == quote {
                guard isLong else {
                    position += 1
                    return String(result)
                }
                var count = 0
                while count < 5, peek(count) == quote { count += 1 }
                position += count
                // Up to two quotes may stand right before the closing three.
                result.append(contentsOf: repeatElement(quote, count: count < 3 ? count : count - 3))
                if count >= 3 { return String(result) }
            } else if scalar == "\\", quote == "\"" {
                if let escaped = try readEscape(isLong: isLong) { result.append(escaped) }
            } else if isLong, scalar == "\n" || isAhead("\r\n") {
                if scalar == "\r" { position += 1 }
                position += 1
                result.append("\n")
            } else {
                guard !scalar.isControl else { throw error("a text is not closed, or holds a control character") }
                result.append(scalar)
                position += 1
            }
        }
        throw error("a text is not closed")
    }

    /// - Returns: nil for a backslash that ends a line, which is taken with the white space that follows.
    private mutating func readEscape(isLong: Bool) throws(TOMLError) -> Unicode.Scalar? {
        let next = peek(1)
        let simple: [Unicode.Scalar: Unicode.Scalar] = [
            "b": "\u{8}", "t": "\t", "n": "\n", "f": "\u{C}", "r": "\r", "\"": "\"", "\\": "\\",
        ]
        if let next, let scalar = simple[next] {
            position += 2
            return scalar
        }
        if next == "u" || next == "U" {
            let end = position + (next == "u" ? 6 : 10)
            guard end <= scalars.count, scalars[position + 2..<end].allSatisfy(\.properties.isASCIIHexDigit),
                let value = UInt32(text(position + 2..<end), radix: 16), let scalar = Unicode.Scalar(value)
            else { throw error("the escape is no character") }
            position = end
            return scalar
        }
        guard isLong else { throw error("there is no such escape") }
        var end = position + 1
        while end < scalars.count, scalars[end] == " " || scalars[end] == "\t" { end += 1 }
        if end < scalars.count, scalars[end] == "\r" { end += 1 }
        guard end < scalars.count, scalars[end] == "\n" else { throw error("there is no such escape") }
        while end < scalars.count, [" ", "\t", "\r", "\n"].contains(scalars[end]) { end += 1 }
        position = end
        return nil
    }

    // MARK: Numbers, booleans, dates and times

    mutating func readLiteral() throws(TOMLError) -> String {
        let start = position
        func isPart(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "+", "_", ".", ":": true
            default: false
            }
        }
        while let scalar = peek(), isPart(scalar) { position += 1 }
        // A space may stand between date and time.
        if position - start == 10, scalars[start + 4] == "-", peek() == " ",
            let digit = peek(1), ("0"..."9").contains(digit)
        {
            position += 1
            while let scalar = peek(), isPart(scalar) { position += 1 }
        }
        let literal = text(start..<position)
        guard TOMLLiteral(literal).isValid else {
            position = start
            throw error(literal.isEmpty ? "a value is missing" : "the value is none that TOML knows")
        }
        return literal
    }
}
