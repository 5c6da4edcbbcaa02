import MigratorScript

/// Looks in texts for names that revisions take away.
struct ReferenceSearch {
    /// A name, and what there is to say of it.
    struct Name {
        var text: [UInt8]
        /// Longer names that hold it and stay.
        var exceptions: [[UInt8]] = []
        /// Whether it stands for itself only, not within a longer word.
        var isWord = true
        /// For a column: looked for in files that name this table, too.
        var table: [UInt8]?
        var revision: String
        /// `direct_messages`, `attachments.kind`
        var shown: String
        var successor: String?
    }

    struct Finding: Equatable {
        var file: String
        /// nil where the file's name is meant.
        var line: Int?
        var column: Int?
        var name: String
        var revision: String
        var successor: String?
        /// The line, without the white space around it.
        var excerpt: String?
    }

    let names: [Name]

    init(names: [Name]) { self.names = names }

    /// - Parameter scripts: base first. What a later revision makes again is there.
    init(scripts: [Script]) throws {
        var names: [Name] = []
        for (index, script) in scripts.enumerated() {
            let madeLater = Set(try scripts[index...].flatMap { try $0.madeTables }.map(\.name))
            for taken in try script.takenNames where !madeLater.contains(taken.table.name) || taken.column != nil {
                let word = taken.column ?? taken.table.name
                names.append(
                    Name(
                        text: Array(word.utf8), table: taken.column == nil ? nil : Array(taken.table.name.utf8),
                        revision: script.revision,
                        shown: taken.column.map { "\(taken.table.name).\($0)" } ?? taken.table.name,
                        successor: taken.successor))
            }
            names += script.renames.map { rename in
                Name(
                    text: Array(rename.old.utf8), exceptions: rename.exceptions.map { Array($0.utf8) },
                    isWord: false, revision: script.revision, shown: rename.old, successor: rename.new)
            }
        }
        self.names = names
    }

    /// A line that says so is let pass.
    static let pardon = Array("migrator:ignore".utf8)

    func findings(in file: SourceTree.File) -> [Finding] {
        var findings: [Finding] = []
        for name in names where name.table == nil {
            if !places(of: name, in: Array(file.path.utf8)[...]).isEmpty { findings.append(finding(name, file.path)) }
        }
        guard let text = file.text else { return findings }
        let present = names.filter { name in
            contains(text, name.text) && name.table.map { contains(text, $0) } ?? true
        }
        guard !present.isEmpty else { return findings }
        var number = 0
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard !contains(Array(line), Self.pardon) else { continue }
            var taken: [Range<Int>] = []
            // The longest first: one place is one finding.
            for name in present.sorted(by: { $0.text.count > $1.text.count }) {
                for place in places(of: name, in: line) where !taken.contains(where: { $0.overlaps(place) }) {
                    taken.append(place)
                    var found = finding(name, file.path)
                    found.line = number
                    found.column = String(decoding: line[..<place.lowerBound], as: UTF8.self).count + 1
                    let excerpt = String(decoding: line, as: UTF8.self).drop(while: \.isWhitespace)
                    found.excerpt = String(excerpt.prefix(160))
                    findings.append(found)
                }
            }
        }
        return findings.sorted { ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0) }
    }

    private func finding(_ name: Name, _ path: String) -> Finding {
        Finding(file: path, name: name.shown, revision: name.revision, successor: name.successor)
    }

    // MARK: Bytes

    private func places(of name: Name, in line: ArraySlice<UInt8>) -> [Range<Int>] {
        var places: [Range<Int>] = []
        var start = line.startIndex
        while let place = Self.find(name.text, in: line[start...]) {
            start = place.upperBound
            if name.isWord, isInWord(place, line) { continue }
            if name.exceptions.contains(where: { stands($0, around: place, in: line, holding: name.text) }) { continue }
            places.append(place)
        }
        return places
    }

    private func isInWord(_ place: Range<Int>, _ line: ArraySlice<UInt8>) -> Bool {
        func isWord(_ index: Int) -> Bool {
            guard line.indices.contains(index) else { return false }
            let byte = line[index]
            return byte == UInt8(ascii: "_") || (48...57).contains(byte) || (97...122).contains(byte | 0x20)
                || byte > 127
        }
        return isWord(place.lowerBound - 1) || isWord(place.upperBound)
    }

    /// Whether the place lies within `longer`.
    private func stands(
        _ longer: [UInt8], around place: Range<Int>, in line: ArraySlice<UInt8>, holding text: [UInt8]
    ) -> Bool {
        guard let inner = Self.find(text, in: longer[...]) else { return false }
        let start = place.lowerBound - inner.lowerBound
        guard start >= line.startIndex, start + longer.count <= line.endIndex else { return false }
        return line[start..<start + longer.count].elementsEqual(longer)
    }

    private func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool { Self.find(part, in: text[...]) != nil }

    private static func find(_ part: [UInt8], in text: ArraySlice<UInt8>) -> Range<Int>? {
        guard let first = part.first else { return nil }
        return text.withUnsafeBufferPointer { bytes in
            var index = 0
            while index + part.count <= bytes.count {
                if bytes[index] == first, bytes[index..<index + part.count].elementsEqual(part) {
                    let start = text.startIndex + index
                    return start..<start + part.count
                }
                index += 1
            }
            return nil
        }
    }
}
