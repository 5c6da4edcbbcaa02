import MigratorDatabase
import MigratorScript

extension MigratorError {
    /// What a database refused about a statement of a script, located in the file.
    /// - Parameter prefix: characters that were sent before the statement's text.
    public init(_ error: DatabaseError, statement: Statement, prefix: Int = 0) {
        self.init(error)
        message = statement.hidingValues(in: message)
        details = details.map(statement.hidingValues)
        location = statement.location
        guard let position = error.position, position > prefix else { return }
        location = statement.location(ofCharacter: position - prefix)
    }
}

extension Statement {
    /// What a database says of a statement, the values of its variables aside: the ledger keeps it.
    func hidingValues(in text: String) -> String {
        replacements.reduce(text) { text, replacement in
            // A shorter one would hide half of the words.
            replacement.value.count < 3
                ? text : text.pieces(separatedBy: replacement.value).joined(separator: "${\(replacement.name)}")
        }
    }

    /// - Parameter position: characters from 1 within `text`.
    func location(ofCharacter position: Int) -> ScriptLocation {
        var place = location
        for scalar in shown.unicodeScalars.prefix(writtenOffset(of: position - 1)) {
            if scalar == "\n" {
                place.line += 1
                place.column = 1
            } else {
                place.column += 1
            }
        }
        return place
    }

    /// What stands at an offset of the text with values stood there in the file.
    private func writtenOffset(of offset: Int) -> Int {
        var shift = 0
        for replacement in replacements where replacement.start <= offset {
            if offset < replacement.start + replacement.length { return replacement.start + shift }
            shift += replacement.writtenLength - replacement.length
        }
        return offset + shift
    }
}
