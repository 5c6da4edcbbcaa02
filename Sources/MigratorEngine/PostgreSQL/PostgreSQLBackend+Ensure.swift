import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    public func performEnsure(
        _ ensure: Ensure, beforeRow: Bool, context: StepContext
    ) throws -> StepOutcome {
        let mapping = try analyseEnsure(ensure)
        let rows = try insert(ensure, mapping, shadow: "")
        try refuse(ensure, try EnsureCheck().result(of: ensure, self))
        try createEnsureTriggers(ensure, mapping, beforeRow: beforeRow, context: context)
        if ensure.back != nil { try createWayBack(of: ensure, context: context) }
        return StepOutcome(rows: rows, details: ["every row is there"])
    }

    func analyseEnsure(_ ensure: Ensure) throws -> PostgreSQLMapping {
        try requireUnique(ensure.on, of: ensure.target, directive: "ensure")
        let mapping = try analyse(
            ensure.mapping, source: ensure.source, target: ensure.target, key: ensure.on.first ?? "")
        if let missing = ensure.on.first(where: { !mapping.columns.contains($0) }) {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the SELECT of \"ensure\" does not yield \"\(missing)\"",
                hint: "select it, or take it out of on=", location: ensure.mapping.location)
        }
        try refuseUnknownRanks(ensure)
        return mapping
    }

    /// - Parameter shadow: a WITH clause whose rows stand in for the source; empty means the whole of it.
    /// - Returns: the rows inserted or raised.
    func insert(_ ensure: Ensure, _ mapping: PostgreSQLMapping, shadow: String) throws -> Int {
        do {
            return try session.run(insertion(ensure, mapping, shadow: shadow))
        } catch {
            guard error.isAboutRows else { throw error }
            throw MigratorError(
                "value-does-not-fit", .difference,
                "a row for \"\(ensure.target)\" does not fit: \(error.message); nothing was committed",
                hint: "mend the row, or name it with `exceptions`", location: ensure.mapping.location,
                details: [error.detail].compactMap(\.self))
        }
    }

    func refuse(_ ensure: Ensure, _ result: CheckResult, nothing: String = "nothing was committed") throws {
        guard result.differenceCount > 0 else { return }
        throw MigratorError(
            "content-differs", .difference,
            "\"\(ensure.target)\" lacks rows that \"\(ensure.source)\" calls for: \(result.differenceCount); \(nothing)",
            hint: "look for triggers on the target that swallow rows", location: ensure.mapping.location,
            details: result.differences.map { "\($0.table ?? "") \($0.key ?? "")" })
    }

    func createEnsureTriggers(
        _ ensure: Ensure, _ mapping: PostgreSQLMapping, beforeRow: Bool, context: StepContext
    ) throws {
        try createTriggers(
            "ensure", name: triggerName("ensure", context: context), body: try body(ensure, mapping, context),
            on: ensure.source, target: ensure.target,
            // Without an owner a deletion is only noticed.
            events: [("\(beforeRow ? "BEFORE" : "AFTER") INSERT OR UPDATE", true), ("AFTER DELETE", true)],
            lockTimeout: ensure.back == nil ? nil : Self.holdersPatience, isLast: true, context: context)
    }

    /// Safe beside others that create the same row: the one that comes second inserts nothing.
    private func insertion(_ ensure: Ensure, _ mapping: PostgreSQLMapping, shadow: String) -> String {
        let on = ensure.on.map(\.quotedIdentifier).joined(separator: ", ")
        var conflict = "DO NOTHING"
        if let raise = ensure.raise {
            let updated = mapping.columns.filter { !ensure.on.contains($0) }.map {
                "\($0.quotedIdentifier) = excluded.\($0.quotedIdentifier)"
            }.joined(separator: ", ")
            let column = raise.column.quotedIdentifier
            conflict =
                "DO UPDATE SET \(updated) WHERE \(raise.rank(of: "excluded.\(column)")) > \(raise.rank(of: "t.\(column)"))"
        }
        // In order, so that two batches never wait for each other crosswise, and ids are the same whatever the plan is.
        // A row that is there already would draw a value from a sequence for nothing.
        let join = ensure.on.map { "known.\($0.quotedIdentifier) = mapping.\($0.quotedIdentifier)" }
        let absent =
            ensure.raise == nil
            ? "WHERE NOT EXISTS (SELECT 1 FROM \(quoted(ensure.target)) AS known WHERE \(join.joined(separator: " AND ")))"
            : ""
        return """
            \(shadow) INSERT INTO \(quoted(ensure.target)) AS t (\(mapping.columnList))
            SELECT \(mapping.columnList) FROM (
            \(ensure.mapping.text)
            ) AS mapping \(absent) ORDER BY \(on) ON CONFLICT (\(on)) \(conflict)
            """
    }

    private func body(_ ensure: Ensure, _ mapping: PostgreSQLMapping, _ context: StepContext) throws -> String {
        // A target row is owned by the source row of that key.
        let key = try catalog.oid(of: ensure.source).flatMap { try catalog.singleKeyColumn(of: $0) }
        let nested = key.map { nestedWrites("ensure", to: ensure.source, key: [$0], context) }
        let deletion = ensure.owner.map { owner in
            let delete =
                "DELETE FROM \(quoted(ensure.target)) AS t WHERE t.\(owner.quotedIdentifier) = OLD.\((key ?? "id").quotedIdentifier)"
            let insert = insertion(ensure, mapping, shadow: shadow(ensure.source, by: "OLD"))
            let again = nested.map { nested in
                let row = shadow(ensure.source, as: nested.standing("OLD"))
                return "IF is_nested THEN \(insertion(ensure, mapping, shadow: row)); END IF;"
            }
            return "\(delete); \(guardOfInvisible(insert: insert, delete: delete)) \(again ?? "")"
        }
        let way = ensure.back.map { (setting: self.way(context), key: $0.key.quotedIdentifier) }
        let outset = way.map { "before text := coalesce(current_setting('\($0.setting)', true), '');" } ?? ""
        let lead = way.map { "PERFORM set_config('\($0.setting)', NEW.\($0.key)::text, true);" } ?? ""
        let leave = way.map { "PERFORM set_config('\($0.setting)', before, true);" } ?? ""
        let place = "\(insertion(ensure, mapping, shadow: shadow(ensure.source, by: "NEW")));"
        let placeAsItStands = nested.map { nested in
            """
            IF is_nested AND TG_WHEN = 'AFTER' THEN
                \(insertion(ensure, mapping, shadow: shadow(ensure.source, as: nested.standing("NEW"))));
            ELSE
                \(place)
            END IF;
            """
        }
        let arriving = try leadToArriving(ensure, mapping)
        return """
            DECLARE
                is_nested boolean;
                \(outset)
            BEGIN
                \(nested.map { "\($0.notice) is_nested := \($0.isNoticed);" } ?? "")
                IF TG_OP = 'DELETE' THEN
                    \(deletion ?? "")
                    RETURN NULL;
                END IF;
                \(Self.leaveToBackfill)
                \(key.map { leaveToOther(ensure, mapping, key: $0) } ?? "")
                \(lead)
                \(arriving)
                \(placeAsItStands ?? place)
                \(leave)
                RETURN NEW;
            END
            """
    }

    /// What changes beside a row that is being led back may have lost its place on the other side, and needs nothing new
    /// where what the mapping makes of it has not changed.
    private func leaveToOther(_ ensure: Ensure, _ mapping: PostgreSQLMapping, key: String) -> String {
        func rows(_ row: String) -> String {
            "(\(shadow(ensure.source, by: row)) SELECT ROW(\(mapping.columnList))::text FROM (\(ensure.mapping.text)\n) AS m)"
        }
        return """
            IF TG_OP = 'UPDATE' AND TG_WHEN = 'AFTER' AND \(isLedBackBeside("NEW.\(key.quotedIdentifier)"))
                AND NOT EXISTS (\(rows("NEW")) EXCEPT \(rows("OLD"))) THEN
                RETURN NEW;
            END IF;
            """
    }

    /// A row that comes from the other side may find its row of the target there, which says more than the row itself does:
    /// a message that was read in a group is read where it goes, too.
    private func leadToArriving(_ ensure: Ensure, _ mapping: PostgreSQLMapping) throws -> String {
        guard let back = ensure.back else { return "" }
        let wayBack = try analyse(back.mapping, source: ensure.target, target: ensure.source, key: back.key)
        let key = back.key.quotedIdentifier
        let others = wayBack.columns.filter { $0 != back.key }.map(\.quotedIdentifier)
        let join = ensure.on.map(\.quotedIdentifier).map { "t.\($0) = m.\($0)" }.joined(separator: " AND ")
        let rows = """
            SELECT t.* FROM \(quoted(ensure.target)) AS t
            JOIN (\(shadow(ensure.source, by: "NEW")) SELECT * FROM (\(ensure.mapping.text)
            ) AS m) AS m ON \(join)
            """
        let assignments = others.map { "\($0) = m.\($0)" }.joined(separator: ", ")
        func columns(_ row: String) -> String { others.map { "\(row).\($0)" }.joined(separator: ", ") }
        return """
            IF TG_OP = 'INSERT' AND TG_WHEN = 'AFTER' AND \(Self.isLeadingBack) THEN
                \(shadow(ensure.target, as: rows))
                UPDATE \(quoted(ensure.source)) AS s SET \(assignments) FROM (
                \(back.mapping.text)
                ) AS m WHERE m.\(key) = s.\(key) AND s.\(key) = NEW.\(key)
                    AND ROW(\(columns("s")))::text <> ROW(\(columns("m")))::text;
            END IF;
            """
    }

    private func refuseUnknownRanks(_ ensure: Ensure) throws {
        guard let raise = ensure.raise else { return }
        let order = raise.order.map(\.quotedLiteral).joined(separator: ", ")
        let unknown = try session.query(
            """
            SELECT DISTINCT m.\(raise.column.quotedIdentifier)::text FROM (\(ensure.mapping.text)
            ) AS m WHERE (m.\(raise.column.quotedIdentifier)::text = ANY (ARRAY[\(order)]::text[])) IS NOT TRUE LIMIT 3
            """)
        guard unknown.isEmpty else {
            let values = unknown.map { $0[0].asText.map { "\"\($0)\"" } ?? "NULL" }.joined(separator: ", ")
            throw MigratorError(
                "unknown-rank", .difference,
                "the SELECT of \"ensure\" yields \(values) for \"\(raise.column)\", which raise= does not name",
                hint: "name every value from lowest to highest", location: ensure.mapping.location)
        }
    }

    // MARK: Fill

    public func performFill(_ fill: Fill, context: StepContext) throws -> StepOutcome {
        let (mapping, columns) = try analyseFill(fill)
        let rows = try withoutOwnTriggers(on: fill.table) {
            try update(fill, mapping, columns, shadow: "")
        }
        try createFillTriggers(fill, columns, context: context)
        return StepOutcome(rows: rows, details: [])
    }

    /// The mapping, and the columns that it computes.
    func analyseFill(_ fill: Fill) throws -> (mapping: PostgreSQLMapping, columns: [String]) {
        let mapping = try analyse(fill.mapping, source: fill.table, target: fill.table, key: fill.key)
        try requireRowLocal(mapping, "the fill of \"\(fill.table)\"", location: fill.mapping.location)
        let columns = mapping.columns.filter { $0 != fill.key }
        guard !columns.isEmpty else {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the SELECT of \"fill\" yields nothing but the key",
                hint: "select the columns that are to be filled", location: fill.mapping.location)
        }
        return (mapping, columns)
    }

    /// - Parameter shadow: a WITH clause whose rows stand in for the table; empty means the whole of it.
    func update(
        _ fill: Fill, _ mapping: PostgreSQLMapping, _ columns: [String], shadow: String
    ) throws(DatabaseError) -> Int {
        let key = fill.key.quotedIdentifier
        let assignments = columns.map { column in
            let name = column.quotedIdentifier
            return "\(name) = coalesce(t.\(name), m.\(name))"
        }.joined(separator: ", ")
        let lacking = columns.map {
            "t.\($0.quotedIdentifier) IS NULL AND m.\($0.quotedIdentifier) IS NOT NULL"
        }.joined(separator: " OR ")
        return try session.run(
            """
            \(shadow) UPDATE \(quoted(fill.table)) AS t SET \(assignments) FROM (
            \(mapping.select)
            ) AS m WHERE m.\(key) = t.\(key) AND (\(lacking))
            """)
    }

    func createFillTriggers(_ fill: Fill, _ columns: [String], context: StepContext) throws {
        try createTriggers(
            "fill", name: triggerName("fill", context: context), body: fillBody(fill, columns), on: fill.table,
            target: fill.table, events: [("BEFORE INSERT OR UPDATE", true)], isLast: true, context: context)
    }

    /// The tool's own batches of an online `fill` say so: what the triggers would do for their rows has been done.
    static let leaveToBackfill = """
        IF TG_OP = 'UPDATE' AND current_setting('migrator.backfill', true) = 'on' THEN RETURN NEW; END IF;
        """

    /// A column is computed where it is NULL, and again where what it is computed from has changed and the
    /// writer left the column itself alone.
    private func fillBody(_ fill: Fill, _ columns: [String]) -> String {
        let list = columns.map { "m.\($0.quotedIdentifier)" }.joined(separator: ", ")
        func select(_ row: String, into record: String) -> String {
            "\(shadow(fill.table, by: row)) SELECT \(list) INTO \(record) FROM (\(fill.mapping.text)\n) AS m;"
        }
        let onInsert = columns.map { column in
            let name = column.quotedIdentifier
            return "IF NEW.\(name) IS NULL THEN NEW.\(name) := made.\(name); END IF;"
        }.joined(separator: "\n")
        let onUpdate = columns.map { column in
            let name = column.quotedIdentifier
            return """
                IF NEW.\(name) IS NULL OR NEW.\(name) IS NOT DISTINCT FROM OLD.\(name)
                    AND made.\(name) IS DISTINCT FROM was.\(name) THEN
                    NEW.\(name) := made.\(name);
                END IF;
                """
        }.joined(separator: "\n")
        return """
            DECLARE
                made record;
                was record;
            BEGIN
                \(Self.leaveToBackfill)
                \(select("NEW", into: "made"))
                IF TG_OP = 'INSERT' THEN
                    \(onInsert)
                    RETURN NEW;
                END IF;
                \(select("OLD", into: "was"))
                \(onUpdate)
                RETURN NEW;
            END
            """
    }

    // MARK: Exceptions

    public func recordExceptions(_ exceptions: Exceptions, context: StepContext) throws -> StepOutcome {
        let key = exceptions.key.quotedIdentifier
        let rows: Int
        do {
            rows = try session.run(
                """
                INSERT INTO \(ledger.table("exception")) (revision, item, table_name, row_key, reason, row_data)
                SELECT $1, $2, $3, m.\(key)::text, m.reason::text, to_jsonb(s)::text
                FROM (\(exceptions.mapping.text)
                ) AS m JOIN \(quoted(exceptions.table)) AS s ON s.\(key) = m.\(key)
                ON CONFLICT (revision, item, table_name, row_key) DO UPDATE SET reason = excluded.reason
                """,
                [.text(context.revision), SQLValue(context.item), .text(exceptions.table.name)])
        } catch {
            guard error.kind == .statement else { throw error }
            throw MigratorError(error, statement: exceptions.mapping, prefix: .max)
        }
        if rows > 0 {
            context.reporter.report(
                .warning(
                    "\(rows.counted("row")) of \(exceptions.table) cannot be placed; the ledger lists them with the reason"
                ))
        }
        return StepOutcome(rows: rows, details: [])
    }
}
