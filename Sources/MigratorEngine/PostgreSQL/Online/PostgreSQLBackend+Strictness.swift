import MigratorDatabase
import MigratorScript

/// The target of an online copy is relaxed while its rows come, and strict again right before the cut-over
/// (ONLINE.md H8).
extension PostgreSQLBackend {
    /// The name of the check by which NOT NULL is proved without a lock.
    private static let notNullCheck = "migrator_not_null"

    /// Takes off what the target demands beyond its source, once; rows that break it already are named before a single
    /// one is copied.
    /// - Returns: what is to be put on again, of this run or of one before it.
    func relaxTarget(
        _ move: Move, declared: TableShape, source: TableShape, mapping: PostgreSQLMapping, _ work: OnlineWork
    ) throws -> TargetStrictness {
        let isByName = move.mapping == nil
        let wanted = TargetStrictness(
            of: declared, over: source, mapping: mapping, isByName: isByName, key: move.key)
        if NegativeControl.relaxedTarget.isLeftOut { return TargetStrictness() }
        // Decided when the copy began: there was nothing to relax then.
        if work.checkpoint.has("detach"), !work.checkpoint.has("relax") { return TargetStrictness() }
        guard !work.checkpoint.has("relax") else {
            return TargetStrictness(notes: work.checkpoint.notes, lengths: wanted.lengths)
        }
        if wanted.isEmpty { return wanted }
        try work.phase("relax") {
            try refuseBreaking(
                wanted.demands + wanted.lengthDemands, "(\(mapping.select)\n)", move, isTolerant: true)
            try brief(
                work, locking: { try lock(move.target, .accessExclusive) }, finishing: "relax", changesSchema: true
            ) { next in
                try loosen(wanted, move.target)
                next.notes.merge(wanted.notes) { $1 }
            }
        }
        return wanted
    }

    /// Right before the cut-over: 1. nothing breaks it; 2. the trigger no longer cuts, and the constraints hold for
    /// every write from now on; 3. they are proved for the rows that are there, while writers go on. Where a row came in
    /// between that breaks one, everything is relaxed again.
    func tighten(
        _ strictness: TargetStrictness, _ move: Move, placement: Placement, mapping: PostgreSQLMapping,
        _ work: OnlineWork
    ) throws {
        guard !strictness.isEmpty else { return }
        // 1
        try refuseBreaking(strictness, move, mapping: mapping)
        work.begin("tighten")

        // 2
        var strict = mapping
        strict.casts = [:]
        if !strictness.lengths.isEmpty { try replaceTriggers(placement, mapping: strict, work) }
        let table = quoted(move.target)
        var added = strictness.checks.map {
            ($0.name, $0.definition.hasSuffix(" NOT VALID") ? String($0.definition.dropLast(10)) : $0.definition)
        }
        if !strictness.notNull.isEmpty {
            let columns = strictness.notNull.map { "\($0.quotedIdentifier) IS NOT NULL" }
            added.append((Self.notNullCheck, "CHECK (\(columns.joined(separator: " AND ")))"))
        }
        do {
            try brief(work, locking: { try lock(move.target, .accessExclusive) }, changesSchema: true) { _ in
                let there = try catalog.oid(of: move.target).map { try catalog.constraints(of: $0).map(\.name) } ?? []
                let new = added.filter { !there.contains($0.0) }.map {
                    "ADD CONSTRAINT \($0.0.quotedIdentifier) \($0.1) NOT VALID"
                }
                if !new.isEmpty { try session.execute("ALTER TABLE \(table) \(new.joined(separator: ", "))") }
                for check in strictness.checks {
                    guard let comment = check.comment else { continue }
                    try session.execute(
                        "COMMENT ON CONSTRAINT \(check.name.quotedIdentifier) ON \(table) IS \(comment.quotedLiteral)")
                }
            }

            // 3
            if !added.isEmpty {
                let validated = added.map { "VALIDATE CONSTRAINT \($0.0.quotedIdentifier)" }
                try brief(work, changesSchema: true) { _ in
                    try session.execute("ALTER TABLE \(table) \(validated.joined(separator: ", "))")
                }
            }
            if !strictness.notNull.isEmpty {
                // What the validated check says need not be looked at again.
                let columns = strictness.notNull.map { "ALTER COLUMN \($0.quotedIdentifier) SET NOT NULL" }
                try brief(work, locking: { try lock(move.target, .accessExclusive) }, changesSchema: true) { _ in
                    try session.execute(
                        """
                        ALTER TABLE \(table) \(columns.joined(separator: ", "));
                        ALTER TABLE \(table) DROP CONSTRAINT \(Self.notNullCheck.quotedIdentifier)
                        """)
                }
            }
            try refuseBreaking(strictness.lengthDemands, "(\(mapping.select)\n)", move)
        } catch {
            try? relaxAgain(strictness, move, placement: placement, mapping: mapping, work)
            if (error as? DatabaseError)?.isAboutRows == true {
                try refuseBreaking(strictness, move, mapping: mapping)
            }
            throw error
        }
        work.end()
    }

    /// Nothing was cut over: what the old shape takes is to be taken again.
    func relaxAgain(
        _ strictness: TargetStrictness, _ move: Move, placement: Placement, mapping: PostgreSQLMapping,
        _ work: OnlineWork
    ) throws {
        guard !strictness.isEmpty else { return }
        try brief(work, locking: { try lock(move.target, .accessExclusive) }, changesSchema: true) { _ in
            try loosen(strictness, move.target)
        }
        if !strictness.lengths.isEmpty { try replaceTriggers(placement, mapping: mapping, work) }
    }

    private func loosen(_ strictness: TargetStrictness, _ target: TableName) throws {
        let there = try catalog.oid(of: target).map { try catalog.constraints(of: $0).map(\.name) } ?? []
        let changes =
            (strictness.checks.map(\.name) + [Self.notNullCheck]).filter(there.contains).map {
                "DROP CONSTRAINT \($0.quotedIdentifier)"
            } + strictness.notNull.map { "ALTER COLUMN \($0.quotedIdentifier) DROP NOT NULL" }
        guard !changes.isEmpty else { return }
        try session.execute("ALTER TABLE \(quoted(target)) \(changes.joined(separator: ", "))")
    }

    /// Whoever writes meanwhile waits for a moment, and writes with the new trigger then.
    private func replaceTriggers(_ placement: Placement, mapping: PostgreSQLMapping, _ work: OnlineWork) throws {
        let context = work.context
        try brief(work, locking: { try lock(placement.sync.source, .accessExclusive) }, changesSchema: true) { _ in
            try removeTriggers(kind: placement.triggers, item: context.item, context: context)
            try createSyncTriggers(
                placement.triggers, placement.sync, mapping, isForEveryRole: placement.isForEveryRole, context: context)
        }
    }

    // MARK: Rows that break it

    func refuseBreaking(_ strictness: TargetStrictness, _ move: Move, mapping: PostgreSQLMapping) throws {
        try refuseBreaking(strictness.demands, quoted(move.target), move)
        try refuseBreaking(strictness.lengthDemands, "(\(mapping.select)\n)", move)
    }

    /// - Parameters:
    ///   - rows: a table, or a SELECT in parentheses.
    ///   - isTolerant: a demand on columns that the SELECT does not yield, or on the table's row type, is left for later.
    /// - Throws: `MigratorError`, status difference, with keys and demands.
    private func refuseBreaking(
        _ demands: [TargetStrictness.Demand], _ rows: String, _ move: Move, isTolerant: Bool = false
    ) throws {
        let key = move.key.quotedIdentifier
        // A CHECK may name the row as a whole.
        let alias = move.target.name.quotedIdentifier
        var count = 0
        var details: [String] = []
        for demand in demands {
            let broken: [Row]
            do {
                broken = try session.query(
                    """
                    SELECT \(key)::text AS key, count(*) OVER () AS total FROM \(rows) AS \(alias)
                    WHERE \(demand.broken) ORDER BY \(alias).\(key) LIMIT 10
                    """)
            } catch {
                guard isTolerant, error.sqlState?.hasPrefix("42") == true else { throw error }
                continue
            }
            count += broken.first?.int("total") ?? 0
            details += broken.map { "\(move.source) \(move.key) \($0.text("key") ?? ""): \(demand.words)" }
        }
        guard count > 0 else { return }
        throw MigratorError(
            "value-does-not-fit", .difference,
            "\(count.counted("row breaks", "rows break")) what \"\(move.target)\" demands and \"\(move.source)\" does not; nothing was cut over",
            hint: "mend the rows and run the same command again, or take it back with `migrator downgrade -1`",
            location: move.mapping?.location,
            details: Array(details.prefix(10)) + (count > 10 ? ["and more"] : []))
    }
}
