/// `000001_create_users.up.sql`: a number, a name, and a way.
struct NumberedName {
    var number: String
    var name: String
    /// `up`, `down`; nil for a file of both, or of one way.
    var way: String?

    /// Nil where the file is not called so.
    init?(_ file: String) {
        guard file.hasSuffix(".sql") else { return nil }
        var stem = file.dropLast(4)
        number = String(stem).leadingDigits
        guard !number.isEmpty else { return nil }
        for way in ["up", "down"] where stem.hasSuffix("." + way) {
            self.way = way
            stem = stem.dropLast(way.count + 1)
        }
        var rest = stem.dropFirst(number.count)
        guard rest.isEmpty || rest.first == "_" || rest.first == "-" || rest.first == "." else { return nil }
        if !rest.isEmpty { rest.removeFirst() }
        name = String(rest)
    }
}

extension ForeignFolder {
    /// Files in pairs, in the order of their numbers.
    func numberedPairs() throws(ScriptError) -> [(up: String?, down: String?, number: String, name: String)] {
        var pairs: [(up: String?, down: String?, number: String, name: String)] = []
        for file in scriptNames {
            guard let name = NumberedName(file) else {
                throw error(
                    "unnumbered-script", "\"\(file)\" has no number at its beginning",
                    hint: "call it like 000001_name.up.sql, or move it elsewhere", in: file)
            }
            let isDown = name.way == "down"
            let value = name.number.drop { $0 == "0" }
            if let index = pairs.firstIndex(where: { $0.number.drop { $0 == "0" } == value }) {
                guard (isDown ? pairs[index].down : pairs[index].up) == nil else {
                    throw error(
                        "duplicate-revision",
                        "two files have the number \(name.number): \((isDown ? pairs[index].down : pairs[index].up) ?? "") and \(file)",
                        hint: "give one of them another number", in: file)
                }
                if isDown { pairs[index].down = file } else { pairs[index].up = file }
            } else {
                pairs.append((isDown ? nil : file, isDown ? file : nil, name.number, name.name))
            }
        }
        return pairs.sorted { $0.number.isSmallerNumber(than: $1.number) }
    }

    /// A script that only goes down is no step up: golang-migrate counts it as one that does nothing.
    func pairedRevisions(
        _ format: ScriptFormat, isTransactional: (SourceText) -> Bool
    ) throws(ScriptError) -> [ForeignRevision] {
        var revisions: [ForeignRevision] = []
        for pair in try numberedPairs() {
            var down: ForeignPart?
            if let name = pair.down {
                let source = try read(name)
                down = ForeignPart(source, isTransactional: isTransactional(source))
            }
            let up: ForeignPart
            if let name = pair.up {
                let source = try read(name)
                up = ForeignPart(source, isTransactional: isTransactional(source))
            } else if let down {
                up = ForeignPart(down.source, range: 0..<0)
            } else {
                continue
            }
            let missing = (pair.up ?? "").replacingEnding(".up.sql", with: ".down.sql")
            revisions.append(
                ForeignRevision(
                    pair.number, pair.name.asMessage, format, version: pair.number, upgrade: up, downgrade: down,
                    irreversibleReason: missing == pair.up
                        ? "\(missing) has no way back" : "there is no \(missing)"))
        }
        return revisions
    }
}

extension String {
    func replacingEnding(_ ending: String, with other: String) -> String {
        hasSuffix(ending) ? String(dropLast(ending.count)) + other : self
    }
}
