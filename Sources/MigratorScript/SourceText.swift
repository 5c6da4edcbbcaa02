/// The bytes of a script with the means to say where in it something stands.
struct SourceText {
    let file: String
    /// As in the file, a BOM aside.
    let bytes: [UInt8]
    /// The bytes of a BOM that was left out.
    let skipped: Int
    private let lineStarts: [Int]
    /// How many continuation bytes of UTF-8, which begin no character, stand before each block of `blockSize`
    /// bytes: a place far along a long line is found without counting from the line's start.
    private let continuations: [Int]
    private static let blockSize = 1024

    init(_ raw: [UInt8], file: String) throws(ScriptError) {
        self = try SourceText(headOf: raw, file: file).whole()
    }

    /// For a look at the beginning of the bytes: what they hold is not checked, and places are counted one by one.
    init(headOf raw: [UInt8], file: String) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let skipped = raw.starts(with: mark) ? mark.count : 0
        self.init(
            file: file, bytes: skipped == 0 ? raw : Array(raw.dropFirst(skipped)), skipped: skipped, lineStarts: [],
            continuations: [])
    }

    private init(file: String, bytes: [UInt8], skipped: Int, lineStarts: [Int], continuations: [Int]) {
        self.file = file
        self.bytes = bytes
        self.skipped = skipped
        self.lineStarts = lineStarts
        self.continuations = continuations
    }

    /// The same text, checked, and made ready for finding many places in it.
    func whole() throws(ScriptError) -> SourceText {
        var starts = [0]
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") { starts.append(index + 1) }
        let whole = SourceText(
            file: file, bytes: bytes, skipped: skipped, lineStarts: starts,
            continuations: Self.continuations(in: bytes))
        try whole.checkEncoding()
        return whole
    }

    private static func continuations(in bytes: [UInt8]) -> [Int] {
        var counts: [Int] = []
        counts.reserveCapacity(bytes.count / blockSize + 1)
        var count = 0
        for start in stride(from: 0, through: bytes.count, by: blockSize) {
            counts.append(count)
            for byte in bytes[start..<min(start + blockSize, bytes.count)] where byte & 0xC0 == 0x80 {
                count += 1
            }
        }
        return counts
    }

    /// - Parameter offset: at most `bytes.count`.
    private func continuations(before offset: Int) -> Int {
        let block = offset / Self.blockSize
        return bytes[block * Self.blockSize..<offset].reduce(into: continuations[block]) {
            $0 += $1 & 0xC0 == 0x80 ? 1 : 0
        }
    }

    /// - Parameter offset: bytes into `bytes`.
    func location(_ offset: Int) -> ScriptLocation {
        if lineStarts.isEmpty {
            let before = bytes[..<offset]
            let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            return ScriptLocation(
                file: file, line: before.count { $0 == UInt8(ascii: "\n") } + 1,
                column: before[start...].count { $0 & 0xC0 != 0x80 } + 1)
        }
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        let start = lineStarts[low]
        let end = max(start, min(offset, bytes.count))
        let characters = end - start - (continuations(before: end) - continuations(before: start))
        return ScriptLocation(file: file, line: low + 1, column: characters + 1)
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    func error(_ code: String, _ message: String, hint: String? = nil, at offset: Int) -> ScriptError {
        ScriptError(code: code, message: message, hint: hint, location: location(offset))
    }

    /// Line endings as LF: what the checksum and the ledger take. A carriage return that stands alone is text.
    /// A run of them before a line feed goes as a whole, so that normalizing twice changes nothing.
    var normalized: [UInt8] {
        guard bytes.contains(UInt8(ascii: "\r")) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                while result.last == UInt8(ascii: "\r") { result.removeLast() }
            }
            result.append(byte)
        }
        return result
    }

    private func checkEncoding() throws(ScriptError) {
        if let index = bytes.firstIndex(of: 0) {
            throw error(
                "nul-byte", "the script holds a NUL byte", hint: "save the file as UTF-8 text", at: index)
        }
        if String(validating: bytes, as: UTF8.self) != nil { return }
        var offset = 0
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        decoding: while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): offset += UTF8.width(scalar)
            case .emptyInput, .error: break decoding
            }
        }
        throw error(
            "invalid-utf8", "the script is not valid UTF-8", hint: "save the file as UTF-8", at: offset)
    }
}

extension String {
    /// Letters A to Z folded; others are left alone, as identifiers are in databases with UTF-8.
    var asciiLowercased: String {
        if !utf8.contains(where: { (65...90).contains($0) }) { return self }
        return String(decoding: utf8.map { (65...90).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
