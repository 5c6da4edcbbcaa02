import Testing

@testable import MigratorScript

/// A script of which only the header is read is what it is when it is parsed whole.
@Suite struct ScriptHeaderTests {
    static let sections = "-- migrator:upgrade\nCREATE TABLE \"é\" (a int);\n-- migrator:downgrade\nDROP TABLE a;\n"

    @Test(arguments: [
        "-- migrator:revision 0002\n-- migrator:revises 0001\n",
        "-- why\n\n  -- migrator:revises base\n\t-- migrator:revision 0002\n--\n",
        "\u{FEFF}-- migrator:revision 0002\r\n-- migrator:revises 0001\r\n\r\n",
        "-- migrator:revision 0002\n-- é migrator\n-- migrator:message  a  b \n-- migrator:mode online\n"
            + "-- migrator:transaction off\n-- migrator:renames a -> b\n-- migrator:revises 0001\n",
        // Laid out so that the whole is parsed.
        "/* why */ -- why\n-- migrator:revision 0002\n-- migrator:revises 0001\n",
        "/*\n-- migrator:revision 9\n*/\n-- migrator:revision 0002\n-- migrator:revises 0001\n",
        "-- why\r-- migrator:revision 0002\n-- migrator:revises 0001\n",
    ])
    func isReadAsItIsParsed(header: String) throws {
        for dialect in Dialect.allCases where dialect == .postgresql || !header.contains("why\r") {
            let bytes = Array((header + Self.sections).utf8)
            let whole = try Script.parse(bytes: bytes, file: "m/0002_a_b.sql", dialect: dialect)
            let read = try Script.read(bytes: bytes, file: "m/0002_a_b.sql", dialect: dialect)
            #expect(read.revision == whole.revision && read.revises == whole.revises && read.mode == whole.mode)
            #expect(read.revisesLocation == whole.revisesLocation && read.location == whole.location)
            #expect(read.message == whole.message && read.isTransactional == whole.isTransactional)
            #expect(read.checksum == whole.checksum && read.text == whole.text && read.renames == whole.renames)
            #expect(try read.sections() == whole.sections())
        }
    }

    /// Headers that are refused at once, as the whole is.
    @Test(arguments: [
        "-- migrator:revision 0003\n-- migrator:revises 0001\n", "-- migrator:revision 0002\n",
        "-- migrator:revises 0001\n", "-- migrator:revision 0002\n-- migrator:revises 0001\n-- migrator:mode x\n",
        "-- migrator:revision 0002\n-- migrator:revision 0002\n-- migrator:revises 0001\n",
        "--migrator:mode online\n-- migrator:revision 0002\n-- migrator:revises 0001\n",
        "-- migrator:revision 0002\n-- migrator:revises 0001\nSELECT 1;\n",
        "-- migrator:revision 0002\n-- migrator:revises 0001\n-- migrator:backup a\n",
        "-- migrator:revision 0002\n-- migrator:revises 0001\n\u{0B}-- migrator:mode online\n",
        "-- migrator:revision 0002\n/* -- migrator:revises 0001\n",
    ])
    func isRefusedAsTheWholeIs(header: String) throws {
        let bytes = Array((header + Self.sections).utf8)
        let whole = #expect(throws: ScriptError.self) {
            try Script.parse(bytes: bytes, file: "m/0002.sql", dialect: .postgresql)
        }
        let read = #expect(throws: ScriptError.self) {
            try Script.read(bytes: bytes, file: "m/0002.sql", dialect: .postgresql)
        }
        #expect(read == whole)
    }

    /// What stands below the header, and the code it is refused with when a section is asked for.
    @Test(arguments: [
        ("-- migrator:upgrade\nSELECT 'a;\n-- migrator:downgrade\n", "unterminated-quote"),
        ("-- migrator:upgrade\n", "missing-section"),
        ("-- migrator:upgrade\n-- migrator:upgrade\n-- migrator:downgrade\n", "duplicate-directive"),
        ("-- migrator:upgrade\nSELECT '\0';\n-- migrator:downgrade\n", "nul-byte"),
        ("-- migrator:upgrade up\n-- migrator:downgrade\n", "malformed-directive"),
    ])
    func errorBelowTheHeaderIsFound(sections: String, code: String) throws {
        let header = "-- migrator:revision 0002\n-- migrator:revises 0001\n"
        let script = try Script.read(
            bytes: Array((header + sections).utf8), file: "m/0002.sql", dialect: .postgresql)
        for _ in 1...2 {
            let error = #expect(throws: ScriptError.self) { try script.sections() }
            #expect(error?.code == code)
        }
    }
}
