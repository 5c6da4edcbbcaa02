import MigratorDatabase

/// The definition of one relation before and after a revision; nil where it was not there.
public struct FingerprintRecord: Sendable, Equatable {
    public var relation: String
    public var before: [String]?
    public var after: [String]?

    public init(relation: String, before: [String]?, after: [String]?) {
        self.relation = relation
        self.before = before
        self.after = after
    }
}

extension Ledger {
    public func set(_ fingerprints: [FingerprintRecord], revision: String) throws(DatabaseError) {
        try write(settings(of: fingerprints, revision: revision))
    }

    func settings(of fingerprints: [FingerprintRecord], revision: String) -> [LedgerWrite] {
        stride(from: 0, to: fingerprints.count, by: 500).map { start in
            var parameters: [SQLValue] = [.text(revision)]
            var tuples: [String] = []
            for fingerprint in fingerprints[start..<min(start + 500, fingerprints.count)] {
                let first = parameters.count
                parameters += [
                    .text(fingerprint.relation), SQLValue(fingerprint.before.map(Ledger.lines)),
                    SQLValue(fingerprint.after.map(Ledger.lines)),
                ]
                tuples.append("($1, $\(first + 1), $\(first + 2), $\(first + 3))")
            }
            return LedgerWrite(
                """
                INSERT INTO \(table("fingerprint")) (revision, relation, before_definition, after_definition)
                VALUES \(tuples.joined(separator: ", "))
                ON CONFLICT (revision, relation) DO UPDATE SET after_definition = excluded.after_definition
                """, parameters)
        }
    }

    /// Changes both definitions of a relation that the revision has a record of.
    public func replace(_ fingerprint: FingerprintRecord, revision: String) throws(DatabaseError) {
        try session.run(
            """
            UPDATE \(table("fingerprint")) SET before_definition = $1, after_definition = $2
            WHERE revision = $3 AND relation = $4
            """,
            [
                SQLValue(fingerprint.before.map(Ledger.lines)), SQLValue(fingerprint.after.map(Ledger.lines)),
                .text(revision), .text(fingerprint.relation),
            ])
    }

    public func fingerprints(revision: String) throws(DatabaseError) -> [FingerprintRecord] {
        try session.query(
            """
            SELECT relation, before_definition, after_definition FROM \(table("fingerprint"))
            WHERE revision = $1 ORDER BY relation
            """, [.text(revision)]
        ).map { row in
            FingerprintRecord(
                relation: row.text("relation") ?? "",
                before: row.text("before_definition").map(Ledger.split),
                after: row.text("after_definition").map(Ledger.split))
        }
    }

    static func lines(_ definition: [String]) -> String {
        definition.joined(separator: "\u{1E}")
    }

    // U+001E, the record separator, since a view's definition and a comment may hold line feeds.
    static func split(_ text: String) -> [String] {
        text.split(separator: "\u{1E}", omittingEmptySubsequences: true).map(String.init)
    }
}
