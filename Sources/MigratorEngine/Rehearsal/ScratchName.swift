import Glibc

/// The name of a scratch copy: when it was made, something random, and a check of both, so that no other name is ever
/// taken for one.
struct ScratchName: Equatable {
    static let prefix = "migrator_rehearsal_"
    var text: String
    /// Seconds since 1970.
    var madeAt: Int

    init() {
        madeAt = time(nil)
        let body = "\(madeAt)_\(Self.hex(UInt64.random(in: 0...UInt64.max)).prefix(8))"
        text = Self.prefix + body + "_" + Self.check(body)
    }

    /// - Returns: nil for a name that this tool has not made.
    init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let parts = text.dropFirst(Self.prefix.count).split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, let madeAt = Int(parts[0]), parts[2] == Self.check("\(parts[0])_\(parts[1])") else {
            return nil
        }
        self.text = text
        self.madeAt = madeAt
    }

    /// So long ago that whoever made it has marked it by now, if it lives.
    var isOld: Bool { time(nil) - madeAt > 60 }

    /// FNV-1a of 64 bits: no secret, only what nobody writes by chance.
    private static func check(_ body: String) -> String {
        let hash = body.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hex(hash).suffix(8))
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
