/// SQLite takes a name in double quotes that is no column's for a string, and writes it as one ('text') when ALTER TABLE
/// drops or renames a column of any table (sqlite.org/quirks.html, sqlite.org/lang_altertable.html): the definition says
/// the same as before.
enum SQLiteQuotedStrings {
    /// Whether two facts of a schema differ in that alone: a string stands in one where the other has its text as a name,
    /// which facts give in lower case and without quotes.
    static func areSame(_ left: String, _ right: String) -> Bool {
        guard isFact(left), isFact(right) else { return false }
        var left = Substring(left)
        var right = Substring(right)
        while let first = left.first, let second = right.first {
            if first == second {
                left.removeFirst()
                right.removeFirst()
            } else if first == "'" {
                guard take(from: &left, asNameFrom: &right) else { return false }
            } else if second == "'" {
                guard take(from: &right, asNameFrom: &left) else { return false }
            } else {
                return false
            }
        }
        return left.isEmpty && right.isEmpty
    }

    /// Of SQLite: PostgreSQL's facts have their keywords in upper case.
    private static func isFact(_ line: String) -> Bool {
        line.firstRange(of: "create ") != nil || line.hasPrefix("check ")
            || line.hasPrefix("column ") && line.firstRange(of: " default ") != nil
    }

    private static func take(from literal: inout Substring, asNameFrom name: inout Substring) -> Bool {
        var rest = literal.dropFirst()
        var text = ""
        while let character = rest.first {
            rest.removeFirst()
            if character == "'" {
                guard rest.first == "'" else { break }
                rest.removeFirst()
            }
            text.append(character)
        }
        guard name.hasPrefix(text.lowercased()) else { return false }
        name.removeFirst(text.lowercased().count)
        literal = rest
        return true
    }
}
