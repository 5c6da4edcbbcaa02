extension ScriptParser {
    /// The script by its header alone, where that consists of directives and other comments, a line each, down to
    /// the first section; nil where the whole must be parsed to say what it is, or what is wrong with it.
    mutating func headedScript() -> Script? {
        guard (try? readPlainHeader()) == true, let revision = header.revision, let revises = header.revises else {
            return nil
        }
        return script(revision: revision, revises: revises, sections: nil)
    }

    /// - Returns: true where a section has been reached.
    private mutating func readPlainHeader() throws(ScriptError) -> Bool {
        let bytes = source.bytes
        var start = 0
        while start < bytes.count {
            var end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let next = end + 1
            while end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
            // PostgreSQL takes a carriage return alone for the end of a line.
            guard !bytes[start..<end].contains(UInt8(ascii: "\r")) else { return false }
            while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
            let line = bytes[start..<end]
            if line.starts(with: Splitter.prefix) {
                var reader = DirectiveReader(source: source, offset: start, rest: start + Splitter.prefix.count..<end)
                var ahead = reader
                let name = ahead.word()
                if Self.sectionDirectives.contains(name) { return true }
                guard Self.headerDirectives.contains(name) else { return false }
                try directive(&reader)
            } else if !line.isEmpty {
                guard line.starts(with: "--".utf8), !Splitter.resemblesDirective(line) else { return false }
            }
            start = next
        }
        return false
    }
}
