import MigratorDatabase
import MigratorScript

/// Syncs in two directions: what is written to the target leads back to the source (ONLINE.md, "Two-way sync").
///
/// One side holds, the other yields. Both lock the holder's row first, then the yielder's: a writer of the holding
/// side has it already and waits for the other; a writer of the yielding side takes it only where nobody else has
/// it, and else gets 40001 at once, so that there is no circle to wait in.
extension PostgreSQLBackend {
    /// How long a trigger of the holding side waits for a row: below deadlock_timeout.
    static let holdersPatience = "800ms"
    /// How long a statement of the yielding side waits.
    static let yieldersPatience = "300ms"

    /// The setting that says which row is being led over, so that the way back leaves that one alone. By row, not
    /// by depth: what the application's own triggers write to other rows meanwhile is led over as well (H4).
    func way(_ context: StepContext) -> String { setting("way", context) }

    /// A name for what triggers of a step tell each other within a transaction.
    func setting(_ purpose: String, _ context: StepContext) -> String {
        let revision = context.revision.unicodeScalars.map { scalar in
            scalar.isASCII && scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) ? String(scalar) : "_"
        }.joined()
        return "migrator.\(purpose)_\(revision)_\(context.item)"
    }

    // MARK: Sync

    func createWayBack(of sync: Sync, context: StepContext) throws {
        guard let back = sync.back else { return }
        let mapping = try analyse(back.mapping, source: sync.target, target: sync.source, key: sync.key)
        try requireRowLocal(
            mapping, "the way back from \"\(sync.target)\" to \"\(sync.source)\"", location: back.mapping?.location)
        let holder = back.yields == sync.target ? sync.source : sync.target
        let yielder = back.yields
        try createTriggers(
            "sync", name: triggerName("back", context: context),
            body: try backBody(
                mapping, from: sync.target, to: sync.source, key: sync.key, sync: sync, way: way(context),
                nested: nestedWrites("back", to: sync.target, key: [sync.key], context)),
            on: sync.target, target: sync.source,
            events: [("AFTER INSERT OR UPDATE OR DELETE", true), ("BEFORE TRUNCATE", false)],
            lockTimeout: Self.holdersPatience, context: context)
        let key = sync.key.quotedIdentifier
        try createTriggers(
            "sync", name: triggerName("hold", context: context),
            body: """
                BEGIN
                    IF TG_OP <> 'INSERT' THEN
                        PERFORM 1 FROM \(quoted(yielder)) AS t WHERE t.\(key) = OLD.\(key) FOR UPDATE;
                    END IF;
                    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
                END
                """, on: holder, target: yielder, events: [("BEFORE UPDATE OR DELETE", true)],
            lockTimeout: Self.holdersPatience, context: context)
        var locks = [
            "IF TG_OP <> 'INSERT' THEN \(takeOrYield("OLD.\(key)", key: key, of: holder, way: way(context))) END IF;"
        ]
        for column in try selfReferences(of: yielder, key: sync.key) {
            let parent = "NEW.\(column.quotedIdentifier)"
            locks.append(
                "IF TG_OP <> 'DELETE' AND \(parent) IS NOT NULL THEN \(takeOrYield(parent, key: key, of: holder, strength: "KEY SHARE", way: way(context))) END IF;"
            )
        }
        try createYielding(locks, on: yielder, holder: holder, context: context)
    }

    // MARK: Ensure

    func createWayBack(of ensure: Ensure, context: StepContext) throws {
        guard let back = ensure.back else { return }
        let mapping = try analyse(back.mapping, source: ensure.target, target: ensure.source, key: back.key)
        guard mapping.columns.contains(back.key), mapping.columns.count > 1 else {
            throw MigratorError(
                "mapping-column", .malformedScripts,
                "the way back of \"ensure\" must yield the key \"\(back.key)\" and a column besides",
                hint: "select both", location: back.mapping.location)
        }
        try createTriggers(
            "ensure", name: triggerName("back", context: context),
            body: try backBody(
                mapping, from: ensure.target, to: ensure.source, key: back.key, way: way(context),
                nested: nestedWrites("back", to: ensure.target, key: ensure.on, context)),
            on: ensure.target, target: ensure.source, events: [("AFTER INSERT OR UPDATE", true)],
            lockTimeout: Self.holdersPatience, context: context)
        let key = back.key.quotedIdentifier
        let lock = """
            \(shadow(ensure.target, by: "NEW")) SELECT m.\(key) INTO twin FROM (\(mapping.select)
            ) AS m;
            IF twin IS NOT NULL THEN
                \(takeOrYield("twin", key: key, of: ensure.source, way: way(context)))
            END IF;
            """
        let type = try keyType(of: ensure.source, key: back.key)
        try createYielding(
            ["IF TG_OP <> 'DELETE' THEN \(lock) END IF;"], declaring: "twin \(type);", on: ensure.target,
            holder: ensure.source, kind: "ensure", context: context)
    }

    // MARK: Parts

    /// The row of the holder is locked where nobody else has it; a row that is being led over has been locked by
    /// whoever leads it.
    private func takeOrYield(
        _ value: String, key: String, of holder: TableName, strength: String = "NO KEY UPDATE", way: String
    ) -> String {
        """
        IF coalesce(current_setting('\(way)', true), '') IS DISTINCT FROM \(value)::text THEN
            PERFORM 1 FROM \(quoted(holder)) AS t WHERE t.\(key) = \(value) FOR \(strength) SKIP LOCKED;
            IF NOT FOUND AND EXISTS (SELECT 1 FROM \(quoted(holder)) AS t WHERE t.\(key) = \(value)) THEN
                RAISE EXCEPTION 'the row % of % is being written by another transaction', \(value), \(holder.name.quotedLiteral)
                    USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
            END IF;
        END IF;
        """
    }

    private func createYielding(
        _ locks: [String], declaring: String = "", on yielder: TableName, holder: TableName, kind: String = "sync",
        context: StepContext
    ) throws {
        try createTriggers(
            kind, name: triggerName("yield", context: context),
            body: """
                \(declaring.isEmpty ? "" : "DECLARE \(declaring)")
                BEGIN
                    \(locks.joined(separator: "\n"))
                    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
                END
                """, on: yielder, target: holder, events: [("BEFORE INSERT OR UPDATE OR DELETE", true)],
            context: context)
        // For the rest of the writer's transaction, and never longer than the writer would wait by itself.
        try createTriggers(
            kind, name: triggerName("patience", context: context),
            body: """
                DECLARE own interval := current_setting('lock_timeout')::interval;
                BEGIN
                    IF own = interval '0' OR own > interval '\(Self.yieldersPatience)' THEN
                        PERFORM set_config('lock_timeout', '\(Self.yieldersPatience)', true);
                    END IF;
                    RETURN NULL;
                END
                """, on: yielder, target: holder, events: [("BEFORE INSERT OR UPDATE OR DELETE", false)],
            context: context)
    }

    /// Leads a row back: only columns whose mapped value has changed, and only where the other side differs.
    /// - Parameter sync: nil of an `ensure`, where no row of the other side comes or goes with these.
    private func backBody(
        _ mapping: PostgreSQLMapping, from: TableName, to: TableName, key: String, sync: Sync? = nil, way: String,
        nested: NestedWrites
    ) throws -> String {
        let inserts = sync != nil
        let quotedKey = key.quotedIdentifier
        let target = quoted(to)
        let others = mapping.columns.filter { $0 != key }.map(\.quotedIdentifier)
        func make(_ row: String, into record: String) -> String { make(as: "SELECT \(row).*", into: record) }
        func make(as rows: String, into record: String) -> String {
            mapping.make(of: shadow(from, as: rows), into: record)
        }
        let swallowed = """
            RAISE EXCEPTION 'a row of % cannot be brought to %', \(from.name.quotedLiteral), \(to.name.quotedLiteral)
                USING ERRCODE = 'triggered_action_exception', HINT = 'A trigger there swallows it.';
            """
        let values = mapping.columns.map { "made.\($0.quotedIdentifier)" }.joined(separator: ", ")
        let update = others.map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        let insert = """
            INSERT INTO \(target) AS t (\(mapping.columnList)) OVERRIDING SYSTEM VALUE VALUES (\(values))
            ON CONFLICT (\(quotedKey)) DO \(others.isEmpty ? "NOTHING" : "UPDATE SET \(update)");
            IF NOT FOUND AND NOT EXISTS (SELECT FROM \(target) AS t WHERE t.\(quotedKey) = made.\(quotedKey)) THEN
                \(swallowed)
            END IF;
            """
        let coming =
            inserts
            ? """
            IF TG_OP = 'TRUNCATE' THEN
                RAISE EXCEPTION 'TRUNCATE of % is not led back to %', \(from.name.quotedLiteral), \(to.name.quotedLiteral)
                    USING ERRCODE = 'feature_not_supported', HINT = 'Delete the rows.';
            END IF;
            """ : ""
        let going =
            inserts
            ? """
            IF was.\(quotedKey) IS NOT NULL AND was.\(quotedKey) IS DISTINCT FROM made.\(quotedKey)
                AND NOT (is_nested AND EXISTS (
                    \(shadow(from, as: nested.standing("OLD"))) SELECT FROM (\(mapping.select)
                    ) AS m)) THEN
                -- The row that was led here may live on where this side cannot follow.
                PERFORM set_config('\(way)_out', was.\(quotedKey)::text, true);
                DELETE FROM \(target) AS t WHERE t.\(quotedKey) = was.\(quotedKey);
                PERFORM set_config('\(way)_out', '', true);
            END IF;
            """ : ""
        func lead(_ key: String) -> String {
            "PERFORM set_config('\(Self.leadingBack)', '\(way) ' || \(key)::text, true);"
        }
        let rowsAbove =
            inserts ? try leadRowsAbove(mapping, from: from, to: to, key: key) { lead("\($0).\(quotedKey)") } : ""
        let above =
            rowsAbove.isEmpty
            ? "" : "IF TG_OP <> 'DELETE' AND made.\(quotedKey) IS NOT NULL THEN \(rowsAbove) END IF;"
        let arriving =
            inserts ? "IF was.\(quotedKey) IS DISTINCT FROM made.\(quotedKey) THEN \(insert) END IF;" : ""
        let settled = try sync.map { try settle($0, way: way, unless: mapping.isBehind(key: key), swallowed) } ?? ""
        let led = inserts ? "coalesce(made.\(quotedKey), was.\(quotedKey))" : "made.\(quotedKey)"
        return """
            DECLARE
                made record;
                was record;
                above record;
                is_nested boolean;
                outer_lead text := coalesce(current_setting('\(Self.leadingBack)', true), '');
                outer_way text := coalesce(current_setting('\(way)', true), '');
            BEGIN
                \(coming)
                \(make("(NULL::\(quoted(from)))", into: "was"))
                IF TG_OP <> 'INSERT' THEN
                    \(make("OLD", into: "was"))
                END IF;
                \(make("(NULL::\(quoted(from)))", into: "made"))
                IF TG_OP <> 'DELETE' THEN
                    \(make("NEW", into: "made"))
                END IF;
                IF \(led)::text = current_setting('\(way)', true) THEN
                    RETURN NULL;
                END IF;
                \(nested.notice)
                is_nested := \(nested.isNoticed);
                IF is_nested AND TG_OP = 'DELETE' THEN
                    \(make(as: nested.standing("OLD"), into: "made"))
                ELSIF is_nested THEN
                    \(make(as: nested.standing("NEW"), into: "made"))
                END IF;
                \(above)
                \(lead(led))
                \(going)
                IF made.\(quotedKey) IS NOT NULL THEN
                    \(arriving)
                    IF was.\(quotedKey) IS NOT DISTINCT FROM made.\(quotedKey) OR \(!inserts) THEN
                        \(mapping.updateOfChanges(in: target, key: key));
                        \(settled)
                    END IF;
                END IF;
                PERFORM set_config('\(Self.leadingBack)', outer_lead, true);
                RETURN NULL;
            END
            """
    }

    /// Where nothing has come of a change: it was swallowed, or the other side has what the mapping makes of it anyway. Then
    /// this row becomes what the way there makes of that (an empty text where it was NULL, say).
    private func settle(_ sync: Sync, way: String, unless isBehind: String, _ swallowed: String) throws -> String {
        let mapping = try analyse(sync.mapping, source: sync.source, target: sync.target, key: sync.key)
        let key = sync.key.quotedIdentifier
        let row = """
            SELECT s.* FROM \(quoted(sync.source)) AS s
            WHERE s.\(key) = made.\(key) AND EXISTS (SELECT FROM \(quoted(sync.target)) AS t WHERE t.\(key) = made.\(key))
            ORDER BY age(s.xmin) LIMIT 1
            """
        return """
            IF NOT FOUND THEN
                IF EXISTS (SELECT FROM \(quoted(sync.source)) AS t WHERE \(isBehind)) THEN
                    \(swallowed)
                END IF;
                PERFORM set_config('\(way)', made.\(key)::text, true);
                \(upsert(sync, mapping, rows: shadow(sync.source, as: row)));
                PERFORM set_config('\(way)', outer_way, true);
            END IF;
            """
    }

    /// The setting that says which row a way back is leading, behind the name of its way.
    private static let leadingBack = "migrator.leading_back"

    /// Whether one is being led.
    static let isLeadingBack = "coalesce(current_setting('\(leadingBack)', true), '') <> ''"

    /// Whether one is being led that has another key.
    func isLedBackBeside(_ key: String) -> String {
        "\(Self.isLeadingBack) AND regexp_replace(current_setting('\(Self.leadingBack)', true), '^[^ ]+ ', '') <> \(key)::text"
    }

    /// What changes on the source's side while another row is being led back, such as a reference to one that has gone,
    /// comes in the middle of a statement of the target's side. So of such a row only what has changed is led here, and
    /// nothing where the target's row has gone or is about to leave.
    /// - Parameter unseen: what raises 40001 where the writer's snapshot does not show the target's row.
    func leadChanges(
        of sync: Sync, _ mapping: PostgreSQLMapping, lead: String, leave: String, nested: NestedWrites, unseen: String
    ) throws -> String {
        guard let back = sync.back, !NegativeControl.leadingBack.isLeftOut else { return "" }
        let wayBack = try analyse(back.mapping, source: sync.target, target: sync.source, key: sync.key)
        let key = sync.key.quotedIdentifier
        let remains = """
            EXISTS (\(shadow(sync.target, by: "t")) SELECT FROM (\(wayBack.select)
            ) AS remaining)
            """
        return """
            IF TG_OP = 'UPDATE' AND \(isLedBackBeside("NEW.\(key)")) THEN
                \(mapping.make(of: shadow(sync.source, by: "OLD"), into: "was"))
                \(mapping.make(of: shadow(sync.source, by: "NEW"), into: "made"))
                IF is_nested THEN
                    \(mapping.make(of: shadow(sync.source, as: nested.standing("NEW")), into: "made"))
                END IF;
                IF was.\(key) = made.\(key) THEN
                    \(lead)
                    \(mapping.updateOfChanges(in: quoted(sync.target), key: sync.key)) AND \(remains);
                    \(unseen)
                    \(leave)
                    RETURN NULL;
                END IF;
            END IF;
            """
    }
}

extension PostgreSQLMapping {
    /// Puts what the mapping makes of a row into a record; NULL where it makes nothing of it.
    /// - Parameter shadow: the WITH clause that stands in for the source.
    fileprivate func make(of shadow: String, into record: String) -> String {
        "\(shadow) SELECT \(columnList) INTO \(record) FROM (\(select)\n) AS m;"
    }

    /// Writes to a row the columns in which the record `made` differs from `was`.
    fileprivate func updateOfChanges(in target: String, key: String) -> String {
        let others = columns.filter { $0 != key }.map(\.quotedIdentifier)
        let assignments = others.map {
            "\($0) = CASE WHEN made.\($0) IS DISTINCT FROM was.\($0) THEN made.\($0) ELSE t.\($0) END"
        }.joined(separator: ", ")
        return "UPDATE \(target) AS t SET \(assignments) WHERE \(isBehind(key: key))"
    }

    /// Whether a row does not have what has changed.
    fileprivate func isBehind(key: String) -> String {
        let changed = columns.filter { $0 != key }.map(\.quotedIdentifier).map {
            "(made.\($0) IS DISTINCT FROM was.\($0) AND t.\($0) IS DISTINCT FROM made.\($0))"
        }.joined(separator: " OR ")
        return "t.\(key.quotedIdentifier) = made.\(key.quotedIdentifier) AND (\(changed))"
    }
}
