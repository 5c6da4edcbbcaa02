import MigratorDatabase
import MigratorScript

/// Rows with texts that occur nowhere else, written as the application would write, to see what becomes of them.
///
/// Before an upgrade each table gets two copies of one of its rows, one to be changed and one to be deleted in the
/// new shape; after it each table, and each view that stands in for one, gets another. After a downgrade every text
/// that should be there must be found in a table that the old shape has, and every other must not: whatever restores
/// an older copy brings back what was deleted and loses what was written.
struct Canaries {
    struct Canary: Equatable {
        /// Column to its text, each of which occurs once.
        var texts: [String: String]
        /// Whether it should be there.
        var isExpected: Bool
        /// Where it was written: `public.messages`.
        var table: String
        /// `inserted`, `updated`, `deleted`, `replaced`
        var deed: String
        /// A difference is told once.
        var isTold = false
    }

    private(set) var all: [Canary] = []
    /// Tables that took none, with the reason.
    private(set) var refusals: [String] = []
    private let prefix = "mr" + String(UInt32.random(in: 0x1000_0000...0xffff_ffff), radix: 16) + "x"
    private var number = 0

    private mutating func next() -> String {
        number += 1
        return "\(prefix)\(number)."
    }

    // MARK: Writing

    /// A row in each table that takes one.
    mutating func insert(into tables: [ScratchTable], _ session: any Session) throws {
        for table in tables {
            do throws(DatabaseError) {
                guard let texts = try insertLikeAnother(into: table, session) else { continue }
                all.append(Canary(texts: texts, isExpected: true, table: table.shown, deed: "inserted"))
            } catch {
                if error.kind == .connectionLost || error.kind == .cancelled { throw error }
                refusals.append("\(table.shown): \(error.message)")
            }
        }
    }

    /// - Returns: the texts by column; nil where the table has no row to go by, or no column for a text.
    private mutating func insertLikeAnother(
        into table: ScratchTable, _ session: any Session
    ) throws(DatabaseError) -> [String: String]? {
        let free = table.columns.filter { ($0.textLength ?? 0) >= 20 && !$0.isBound && !$0.isAutomatic }
        guard !free.isEmpty else { return nil }
        let written = table.columns.filter { !$0.isAutomatic }
        let order = table.keyColumns.map { "\($0.name.quotedIdentifier) DESC" }
        let from = "FROM \(table.quoted)" + (order.isEmpty ? "" : " ORDER BY " + order.joined(separator: ", "))
        // All columns that can hold one, else one after the other: a CHECK of SQLite is only known by its refusal.
        var refusal: DatabaseError?
        for columns in [free] + (free.count > 1 ? free.map { [$0] } : []) {
            var texts: [String: String] = [:]
            for column in columns { texts[column.name] = next() }
            let values = written.map { texts[$0.name]?.quotedLiteral ?? $0.name.quotedIdentifier }
            let names = written.map(\.name.quotedIdentifier)
            do throws(DatabaseError) {
                let count = try attempt(
                    "INSERT INTO \(table.quoted) (\(names.joined(separator: ", "))) "
                        + "SELECT \(values.joined(separator: ", ")) \(from) LIMIT 1", session)
                return count == 0 ? nil : texts
            } catch {
                if error.kind == .connectionLost || error.kind == .cancelled { throw error }
                refusal = refusal ?? error
            }
        }
        if let refusal { throw refusal }
        return nil
    }

    private func attempt(_ sql: String, _ session: any Session) throws(DatabaseError) -> Int {
        try session.begin()
        do throws(DatabaseError) {
            let count = try session.run(sql)
            try session.commit()
            return count
        } catch {
            session.rollback()
            throw error
        }
    }

    /// Of the rows that are there each table's first is changed, its second deleted, and so on.
    mutating func changeAndDelete(in tables: [ScratchTable], _ session: any Session) throws {
        let places = try find(in: tables, session)
        for index in all.indices where all[index].isExpected {
            let found = all[index].texts.values.flatMap { places[$0] ?? [] }
            guard let place = found.first(where: { $0.table == all[index].table }) ?? found.first,
                let table = tables.first(where: { $0.shown == place.table })
            else { continue }
            let isDeleted = all[..<index].filter { $0.table == all[index].table }.count % 2 == 1
            let old = all[index].texts.values.filter { text in
                places[text]?.contains { $0.table == place.table } ?? false
            }
            var texts: [String: String] = [:]
            for text in old {
                for place in places[text] ?? [] where place.table == table.shown { texts[place.column] = next() }
            }
            let condition = "\(place.column.quotedIdentifier) = \(place.text.quotedLiteral)"
            let changes = texts.map { "\($0.key.quotedIdentifier) = \($0.value.quotedLiteral)" }
            do throws(DatabaseError) {
                _ = try attempt(
                    isDeleted
                        ? "DELETE FROM \(table.quoted) WHERE \(condition)"
                        : "UPDATE \(table.quoted) SET \(changes.joined(separator: ", ")) WHERE \(condition)", session)
            } catch {
                if error.kind == .connectionLost || error.kind == .cancelled { throw error }
                refusals.append("\(table.shown): \(error.message)")
                continue
            }
            all[index].isExpected = false
            all[index].deed = isDeleted ? "deleted" : "replaced"
            if !isDeleted {
                all.append(Canary(texts: texts, isExpected: true, table: table.shown, deed: "updated"))
            }
        }
    }

    // MARK: Looking

    struct Place: Equatable {
        var text: String
        var table: String
        var column: String
    }

    /// Where the texts are: one pass over each table.
    func find(in tables: [ScratchTable], _ session: any Session) throws -> [String: [Place]] {
        var places: [String: [Place]] = [:]
        for table in tables {
            let columns = table.columns.filter { $0.textLength != nil }
            guard !columns.isEmpty else { continue }
            let names = columns.map(\.name.quotedIdentifier)
            let condition = names.map { "\($0) LIKE '\(prefix)%'" }.joined(separator: " OR ")
            for row in try session.query(
                "SELECT \(names.joined(separator: ", ")) FROM \(table.quoted) WHERE \(condition)")
            {
                for (index, column) in columns.enumerated() {
                    guard let text = row[index].asText, text.hasPrefix(prefix) else { continue }
                    places[text, default: []].append(Place(text: text, table: table.shown, column: column.name))
                }
            }
        }
        return places
    }

    /// What became of the rows: in the tables of the old shape, and in registered backups.
    mutating func judge(
        in tables: [ScratchTable], archives: [ScratchTable], backups: [ScratchTable], _ session: any Session
    ) throws -> (differences: [Difference], kept: Int, archived: Int) {
        let live = try find(in: tables, session)
        let archived = try find(in: archives, session)
        let backedUp = try find(in: backups, session)
        var differences: [Difference] = []
        var keptRows = 0
        var archivedRows = 0
        for index in all.indices where !all[index].isTold {
            let canary = all[index]
            let texts = canary.texts.sorted { $0.key < $1.key }
            let found = texts.filter { live[$0.value] != nil }
            if canary.isExpected {
                if found.isEmpty {
                    if texts.contains(where: { archived[$0.value] != nil }) {
                        archivedRows += 1
                    } else {
                        differences.append(
                            Difference(
                                table: canary.table, key: texts.first?.value,
                                message: "a row that was \(canary.deed) after the upgrade is lost by the downgrade"))
                        all[index].isTold = true
                    }
                    continue
                }
                keptRows += 1
                let lost = texts.filter { live[$0.value] == nil && backedUp[$0.value] == nil }
                if !lost.isEmpty {
                    differences.append(
                        Difference(
                            table: canary.table, key: lost[0].value, columns: lost.map(\.key),
                            message: "values that were \(canary.deed) after the upgrade are lost by the downgrade"))
                    all[index].isTold = true
                }
            } else if let place = found.first.flatMap({ live[$0.value]?.first }) {
                differences.append(
                    Difference(
                        table: place.table, key: place.text, columns: [place.column],
                        message: canary.deed == "deleted"
                            ? "a row that was deleted after the upgrade is back after the downgrade"
                            : "a value that was changed after the upgrade is back after the downgrade"))
                all[index].isTold = true
            }
        }
        return (differences, keptRows, archivedRows)
    }
}
