import FoundationEssentials
import MigratorScript

/// What the way back of a switch needs: JSON in the ledger's `object` of kind `switch`.
struct SwitchRecord: Codable, Equatable {
    struct Table: Codable, Equatable {
        var schema: String
        var name: String

        var tableName: TableName { TableName(schema: schema, name) }
    }

    /// A column that only the new shape has.
    struct AddedColumn: Codable, Equatable {
        var name: String
        /// What it holds where nobody has written it: the constant default, else nil for NULL.
        var initial: String?
    }

    /// Something that the old shape demands and the new one does not.
    struct Restriction: Codable, Equatable {
        var column: String
        /// The old type, where that is narrower.
        var type: String?
        /// True where the old column may not be null.
        var isNotNull: Bool
    }

    /// An index of the source that the target got with a carried column.
    struct CarriedIndex: Codable, Equatable {
        var name: String
        /// Its name while the source is there, which has that name itself.
        var meanwhile: String
    }

    var strategy: Strategy
    var source: Table
    var target: Table
    var key: String
    /// The compatibility view; nil where there is none, or none any more.
    var view: Table?
    /// Statements that lead back, in their order.
    var undo: [String]
    var added: [AddedColumn]
    var restrictions: [Restriction]

    /// The source as an empty table in the ledger's schema, kept for the way back of a copy.
    var shell: Table?
    /// The source after an online copy: it receives every write to the target until the soak ends.
    var follower: Table?
    /// Keys of other tables that were led to the target by an online copy: quoted table and constraint.
    var children: [String]?
    /// Columns that a copy carried although the script does not declare them.
    var carried: [String]?
    var carriedIndexes: [CarriedIndex]?

    // The proof of the cut-over, for later verification.
    var rows: Int
    var relationOID: Int
    var snapshot: String
    var transactionID: String
    var systemIdentifier: String?
}

extension SwitchRecord {
    var name: String { "\(source.name) -> \(target.name)" }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// - Throws: `MigratorError`, status failed, where the ledger holds something else.
    init(_ object: ObjectRecord) throws {
        do {
            self = try JSONDecoder().decode(SwitchRecord.self, from: Array(object.detail.utf8).asData)
        } catch {
            throw MigratorError(
                "ledger-damaged", .failed,
                "the ledger's record of the switch \"\(object.name)\" of revision \"\(object.revision)\" cannot be read",
                hint: "restore the ledger from a backup of the database")
        }
    }
}

extension [UInt8] {
    fileprivate var asData: Data { Data(self) }
}
