import MigratorDatabase

/// One INSERT into the ledger.
struct LedgerWrite {
    var text: String
    var parameters: [SQLValue]

    init(_ text: String, _ parameters: [SQLValue]) {
        self.text = text
        self.parameters = parameters
    }

    /// The text with its parameters counted from a later number on. A quoted name may hold a `$` of its own; the
    /// literals of the ledger hold none, since whatever comes from outside is a parameter.
    func text(after count: Int) -> String {
        guard count > 0 else { return text }
        var result: [UInt8] = []
        var rest = text.utf8[...]
        var isQuoted = false
        while let byte = rest.popFirst() {
            result.append(byte)
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            guard byte == UInt8(ascii: "$"), !isQuoted else { continue }
            let digits = rest.prefix { (48...57).contains($0) }
            guard let number = Int(String(Substring(digits))) else { continue }
            result += Array(String(number + count).utf8)
            rest = rest[digits.endIndex...]
        }
        return String(decoding: result, as: UTF8.self)
    }
}

extension Ledger {
    /// Leaves writes for the end of the open transaction, where they go together.
    func writeLater(_ writes: [LedgerWrite]) { deferred += writes }

    func writeDeferred() throws(DatabaseError) {
        let writes = deferred
        deferred = []
        try write(writes)
        if !writes.isEmpty { try followVersionTable() }
    }

    /// The transaction that they were meant for is rolled back.
    func forgetDeferred() { deferred = [] }

    /// Writes that do not depend on each other; on PostgreSQL in one statement as far as it can hold them.
    func write(_ writes: [LedgerWrite]) throws(DatabaseError) {
        var rest = writes[...]
        while let first = rest.popFirst() {
            var together = [first]
            var count = first.parameters.count
            while session.dialect == .postgresql, let next = rest.first, count + next.parameters.count <= 10_000 {
                together.append(next)
                count += next.parameters.count
                rest.removeFirst()
            }
            let last = together.removeLast()
            try writeTogether(together, last: last)
        }
    }

    /// Each but the last is a part of WITH: PostgreSQL runs them all to their end.
    /// Source: PostgreSQL manual, 7.8.4 "Data-Modifying Statements in WITH".
    private func writeTogether(_ others: [LedgerWrite], last: LedgerWrite) throws(DatabaseError) {
        var parameters: [SQLValue] = []
        var parts: [String] = []
        for (index, write) in others.enumerated() {
            parts.append("write_\(index) AS (\(write.text(after: parameters.count)))")
            parameters += write.parameters
        }
        let beginning = parts.isEmpty ? "" : "WITH \(parts.joined(separator: ", ")) "
        try session.run(beginning + last.text(after: parameters.count), parameters + last.parameters)
    }
}
