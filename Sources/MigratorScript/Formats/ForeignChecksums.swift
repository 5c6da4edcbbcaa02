import Crypto

/// Checksums as other tools' tables keep them.
enum ForeignChecksums {
    /// sqlx: SHA-384 of the file, as PostgreSQL writes bytes.
    static func sqlx(_ source: SourceText) -> String { "\\x" + hex(SHA384.hash(data: source.wholeFile)) }

    /// Prisma: SHA-256 of the file.
    static func prisma(_ source: SourceText) -> String { hex(SHA256.hash(data: source.wholeFile)) }

    /// Flyway: CRC-32 of the lines without their ends, as a signed number; a BOM does not count.
    static func flyway(_ source: SourceText) -> String {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in source.bytes where byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r") {
            crc = table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8)
        }
        return String(Int32(bitPattern: ~crc))
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ (crc >> 1) : crc >> 1 }
    }

    private static func hex(_ digest: some Sequence<UInt8>) -> String {
        var result: [UInt8] = []
        for byte in digest {
            for digit in [byte >> 4, byte & 15] { result.append(digit + UInt8(ascii: digit < 10 ? "0" : "W")) }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

extension SourceText {
    /// With its BOM.
    fileprivate var wholeFile: [UInt8] { skipped == 0 ? bytes : [0xEF, 0xBB, 0xBF] + bytes }
}
