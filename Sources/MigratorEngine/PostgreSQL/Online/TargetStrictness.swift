import MigratorDatabase
import MigratorScript

/// What a target demands of its rows and its source does not: off while the rows are copied, so that a write which the
/// old shape takes does not fail for the new one's sake (ONLINE.md H8).
struct TargetStrictness: Equatable {
    struct Check: Equatable {
        var name: String
        /// As the catalog writes it: `CHECK ((...))`.
        var definition: String
        var comment: String?

        /// The condition alone.
        var condition: String {
            var text = Substring(definition)
            for suffix in [" NOT VALID", " NO INHERIT"] where text.hasSuffix(suffix) {
                text = text.dropLast(suffix.count)
            }
            return String(text.hasPrefix("CHECK ") ? text.dropFirst(6) : text)
        }
    }

    var checks: [Check] = []
    /// Columns that may not be NULL.
    var notNull: [String] = []
    /// Columns whose text may only be so long, with their types: these keep their types, and the trigger shortens what
    /// does not fit, which is found before anything is cut over.
    var lengths: [(column: String, type: String, limit: Int)] = []

    var isEmpty: Bool { checks.isEmpty && notNull.isEmpty && lengths.isEmpty }

    /// The types by column to which the trigger and the batches cut values.
    var casts: [String: String] { Dictionary(lengths.map { ($0.column, $0.type) }, uniquingKeysWith: { $1 }) }

    static func == (left: TargetStrictness, right: TargetStrictness) -> Bool {
        left.notes == right.notes && left.casts == right.casts
    }

    // MARK: In the checkpoint

    /// What has been taken off, for `Checkpoint.notes`.
    var notes: [String: [String]] {
        [
            "relaxedChecks": checks.flatMap { [$0.name, $0.definition, $0.comment ?? ""] }, "relaxedNulls": notNull,
        ].filter { !$0.value.isEmpty }
    }

    init() {}

    /// - Parameter lengths: as the target's columns have them now.
    init(notes: [String: [String]], lengths: [(column: String, type: String, limit: Int)]) {
        let texts = notes["relaxedChecks"] ?? []
        checks = stride(from: 0, to: texts.count - 2, by: 3).map {
            Check(name: texts[$0], definition: texts[$0 + 1], comment: texts[$0 + 2].isEmpty ? nil : texts[$0 + 2])
        }
        notNull = notes["relaxedNulls"] ?? []
        self.lengths = lengths
    }

    /// What the declared target demands beyond its source, of the columns that the mapping fills. What a SELECT makes
    /// of a column is not known, so that all demands count then.
    /// - Parameter isByName: whether the mapping takes columns as they are.
    init(of declared: TableShape, over source: TableShape, mapping: PostgreSQLMapping, isByName: Bool, key: String) {
        let keys = declared.constraints.filter { $0.kind == .primaryKey }.flatMap(\.columns) + [key]
        // What is computed of them may not be NULL either.
        notNull = declared.columns.filter { $0.generated != nil && $0.isNotNull && !keys.contains($0.name) }.map(\.name)
        for column in declared.columns where mapping.columns.contains(column.name) && column.generated == nil {
            let own = isByName ? source.column(column.name) : nil
            if column.isNotNull, column.identity == nil, !keys.contains(column.name), own?.isNotNull != true {
                notNull.append(column.name)
            }
            if let limit = Self.limit(of: column.type), own?.type != column.type,
                own.map({ RenamePlan.widens($0.type, to: column.type) }) != true
            {
                lengths.append((column.name, column.type, limit))
            }
        }
        checks = declared.constraints.filter { check in
            check.kind == .check && !check.isInherited
                && !(isByName && source.constraints.contains { $0.kind == .check && $0.definition == check.definition })
        }.map { Check(name: $0.name, definition: $0.definition, comment: $0.comment) }
    }

    /// The characters that a type allows; nil where it does not count them.
    private static func limit(of type: String) -> Int? {
        guard type.hasPrefix("character"), type.hasSuffix(")") else { return nil }
        return Int(type.drop { $0 != "(" }.dropFirst().dropLast())
    }

    // MARK: Rows that break it

    /// A demand as a condition on the rows that break it, with words for it.
    struct Demand {
        var broken: String
        var words: String
    }

    /// Those that the old and the new shape's tables can be asked about alike; of rows under the target's name.
    var demands: [Demand] {
        checks.map {
            Demand(broken: "(\($0.condition)) IS FALSE", words: "\($0.name.quotedIdentifier) \($0.definition)")
        }
            + notNull.map {
                Demand(broken: "\($0.quotedIdentifier) IS NULL", words: "\($0.quotedIdentifier) may not be NULL")
            }
    }

    /// Of the mapping's rows alone: in the target they have been cut. Blanks at the end are cut by any assignment.
    var lengthDemands: [Demand] {
        lengths.map {
            Demand(
                broken: "rtrim(substr(\($0.column.quotedIdentifier)::text, \($0.limit + 1)), ' ') <> ''",
                words: "\($0.column.quotedIdentifier) is longer than \($0.type)")
        }
    }
}
