extension VerificationFaultTests {
    private static func id(_ number: Int) -> String { "00000000-0000-0000-0000-00000000000\(number)" }

    /// Values that `=` takes for the same, or that are easily confused.
    private static func value(_ name: String, _ column: String, _ change: String) -> VerificationFault {
        VerificationFault(
            name, in: .values, "\(unseen)UPDATE b SET \(column) = \(change) WHERE id = '\(id(7))'", check: "sync",
            key: id(7), column: column)
    }

    private static func sqliteValue(_ name: String, _ column: String, _ change: String) -> VerificationFault {
        VerificationFault(
            name, in: .valuesSQLite, "UPDATE b SET \(column) = \(change) WHERE id = 'k007'", check: "sync", key: "k007",
            column: column)
    }

    static let values = [
        value("another letter case", "t", "'text 7'"),
        value("a blank at the end", "t", "'Text 7 '"),
        value("an empty text for NULL's place", "t", "''"),
        value("NULL", "t", "NULL"),
        value("a letter composed otherwise", "t", "'Te\u{301}xt 7'"),
        value("1.00 for 1.0", "n", "1.00"),
        value("-0 for 0", "f", "'-0'"),
        value("not a number", "f", "'NaN'"),
        value("a last digit", "f", "1e-300"),
        value("four hours later", "at", "at + interval '4 hours'"),
        value("a time zone lost", "at", "at AT TIME ZONE 'Asia/Tehran'"),
        value("a microsecond", "at", "at + interval '1 microsecond'"),
        value("json with a blank", "j", "'{\"a\": 1}'"),
        value("a flipped bit", "b", "set_bit(b, 9, 0)"),
        VerificationFault(
            "NULL where '' is", in: .values,
            "UPDATE a SET t = '' WHERE id = '\(id(8))'; \(unseen)UPDATE b SET t = NULL WHERE id = '\(id(8))'",
            check: "sync", key: id(8), column: "t"),
        sqliteValue("another letter case", "t", "'text 7'"),
        sqliteValue("NULL", "t", "NULL"),
        sqliteValue("a blob for a text", "t", "CAST('Text 7' AS BLOB)"),
        sqliteValue("what follows U+0000", "t", "'Text 7' || char(0) || 'more'"),
        sqliteValue("a real for an integer", "n", "1.0"),
        sqliteValue("a text for an integer", "n", "'1'"),
        sqliteValue("four hours later", "at", "'2024-03-01 16:00:00'"),
        sqliteValue("a flipped bit", "b", "x'00fe'"),
        sqliteValue("a byte more", "b", "x'00ff00'"),
    ]
}
