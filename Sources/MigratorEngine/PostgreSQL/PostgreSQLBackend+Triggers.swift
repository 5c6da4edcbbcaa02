import MigratorDatabase
import MigratorScript

/// Trigger functions of sync, ensure and fill: made, taken away, and silenced while the tool itself writes.
extension PostgreSQLBackend {
    /// `move` is what keeps source and target of a copy or a switch equal until that is over.
    static let triggerKinds = ["sync", "ensure", "fill", "move"]

    /// `migrator_0003_007_sync`: triggers of one kind fire in the order of their names, so the item is padded.
    func triggerName(_ kind: String, context: StepContext) -> String {
        let number = String(context.item)
        let padded = String(repeating: "0", count: max(0, 3 - number.count)) + number
        return Self.truncated("migrator_\(context.revision)", suffix: "_\(padded)_\(kind)")
    }

    /// Creates function and triggers in one go, so that no writer meets one without the other (ONLINE.md H3).
    ///
    /// The function runs with its owner's rights and pinned settings: a writer needs no grant on the target, and
    /// its TimeZone or search_path changes nothing (H6, H17, H21).
    /// - Parameter events: what stands between CREATE TRIGGER name and ON table, such as `AFTER INSERT OR UPDATE`,
    ///   with whether it fires for each row.
    /// - Parameters:
    ///   - lockTimeout: how long the function waits for a lock.
    ///   - isForEveryRole: whether they fire under `session_replication_role = replica`, too.
    ///   - isLast: whether those before a row is written fire behind others (in the order of their names).
    ///   - deletionLog: a table that goes with them.
    func createTriggers(
        _ kind: String, name: String, body: String, on source: TableName, target: TableName,
        events: [(event: String, isRow: Bool)], lockTimeout: String? = nil, isForEveryRole: Bool = false,
        isLast: Bool = false, deletionLog: String? = nil, context: StepContext
    ) throws {
        let function = "\(ledger.schema.quotedIdentifier).\(name.quotedIdentifier)"
        let tag = "$migrator$"
        let path = ["pg_catalog", schema.quotedIdentifier] + (try schemasOfTypes(of: source)) + ["pg_temp"]
        let patience = lockTimeout.map { "SET lock_timeout = \($0.quotedLiteral)" } ?? ""
        try session.execute(
            """
            CREATE FUNCTION \(function)() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = \(path.joined(separator: ", "))
            SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' \(patience)
            AS \(tag)
            #variable_conflict use_column
            \(body)
            \(tag);
            REVOKE ALL ON FUNCTION \(function)() FROM PUBLIC
            """)
        var triggers: [TriggerRecord.Trigger] = []
        for (index, event) in events.enumerated() {
            var trigger = index == 0 ? name : Self.truncated(name, suffix: "_\(index)")
            // What the application's own triggers do with the row comes first.
            if isLast, event.isRow, event.event.hasPrefix("BEFORE") {
                trigger = Self.truncated("zz_\(trigger)", suffix: "")
            }
            try session.execute(
                """
                CREATE TRIGGER \(trigger.quotedIdentifier) \(event.event) ON \(quoted(source))
                FOR EACH \(event.isRow ? "ROW" : "STATEMENT") EXECUTE FUNCTION \(function)()
                """)
            if isForEveryRole, !NegativeControl.replicaRole.isLeftOut {
                try session.execute("ALTER TABLE \(quoted(source)) ENABLE ALWAYS TRIGGER \(trigger.quotedIdentifier)")
            }
            triggers.append(TriggerRecord.Trigger(table: quoted(source), name: trigger.quotedIdentifier))
        }
        let record = TriggerRecord(
            source: source.name, target: target.name, function: function, triggers: triggers,
            bodyHash: try bodyHash(of: function), deletionLog: deletionLog)
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: kind,
                name: "\(source) -> \(target)", detail: record.json))
    }

    /// Where the operators of a table's types stand, beside pg_catalog and the scripts' schema, quoted: those of an
    /// extension in a schema of its own, say.
    private func schemasOfTypes(of table: TableName) throws -> [String] {
        try session.query(
            """
            SELECT DISTINCT quote_ident(n.nspname) FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
              AND n.nspname NOT IN ('pg_catalog', $2) ORDER BY 1
            """, [.text(quoted(table)), .text(schema)]
        ).compactMap { $0[0].asText }
    }

    /// - Parameter function: qualified and quoted, without parentheses.
    func bodyHash(of function: String) throws -> String? {
        try session.scalar(
            "SELECT md5(prosrc) FROM pg_catalog.pg_proc WHERE oid = to_regprocedure($1)", [.text(function + "()")]
        ).asText
    }

    /// What of the tool's own triggers does not do any more what it was made for.
    func brokenTriggers() throws -> [Difference] {
        guard facts.hasLedger else { return [] }
        var differences: [Difference] = []
        for record in try ledger.objects(kinds: Self.triggerKinds + ["follower"])
            .compactMap({ TriggerRecord(json: $0.detail) })
        {
            func add(_ message: String) { differences.append(Difference(table: record.source, message: message)) }
            let way = "it leads rows from \(record.source) to \(record.target)"
            let body = try bodyHash(of: record.function)
            if body == nil { add("the function \(record.function) is gone; \(way)") }
            if let body, let made = record.bodyHash, body != made {
                add("the function \(record.function) was changed; \(way)")
            }
            for trigger in record.triggers {
                let isThere = try session.scalar(
                    """
                    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass($1)
                        AND '"' || replace(tgname, '"', '""') || '"' = $2 AND tgfoid = to_regprocedure($3))
                    """, [.text(trigger.table), .text(trigger.name), .text(record.function + "()")]
                ).asBool
                if !isThere { add("the trigger \(trigger.name) is gone; \(way)") }
            }
        }
        return differences
    }

    /// `WITH source AS (SELECT NEW.*) INSERT ...`: the mapping sees one row where it names its table.
    func shadow(_ source: TableName, by row: String) -> String { shadow(source, as: "SELECT \(row).*") }

    func shadow(_ source: TableName, as rows: String) -> String {
        "WITH \(source.name.quotedIdentifier) AS (\(rows))"
    }

    /// - Parameter kind: the triggers that tell each other.
    func nestedWrites(_ kind: String, to table: TableName, key: [String], _ context: StepContext) -> NestedWrites {
        NestedWrites(setting: setting("nested_\(kind)", context), table: quoted(table), key: key)
    }

    /// Runs `body` while the tool's own triggers on a table are off: what they would do the tool does itself.
    func withoutOwnTriggers<Result>(on table: TableName, _ body: () throws -> Result) throws -> Result {
        let triggers = try ledger.objects(kinds: Self.triggerKinds)
            .compactMap { TriggerRecord(json: $0.detail) }.flatMap(\.triggers)
            .filter { $0.table == quoted(table) }
        func set(_ state: String) throws {
            for trigger in triggers {
                try session.execute("ALTER TABLE \(trigger.table) \(state) TRIGGER \(trigger.name)")
            }
        }
        try set("DISABLE")
        let result = try body()
        try set("ENABLE")
        return result
    }

    public func performUnsync(
        source: TableName, target: TableName, context: StepContext
    ) throws -> StepOutcome {
        let names = ["\(source) -> \(target)", "\(target) -> \(source)"]
        let objects = try ledger.objects(kind: "sync").filter { names.contains($0.name) }
        for object in objects { try removeTrigger(object) }
        return StepOutcome(
            details: [objects.isEmpty ? "no trigger of it is left, the data stays" : "triggers removed, the data stays"]
        )
    }

    public func removeTriggers(ofRevision revision: String, context: StepContext) throws {
        for object in try ledger.objects(revision: revision, kinds: Self.triggerKinds) { try removeTrigger(object) }
    }

    /// The triggers of one item.
    func removeTriggers(kind: String, item: Int, context: StepContext) throws {
        for object in try ledger.objects(revision: context.revision, kind: kind) where object.item == item {
            try removeTrigger(object)
        }
    }

    func removeTrigger(_ object: ObjectRecord) throws {
        if let record = TriggerRecord(json: object.detail) {
            // Whatever they are called by now; a table may be gone, and its triggers with it.
            for trigger in try triggers(calling: record.function) {
                try session.execute("DROP TRIGGER \(trigger.name) ON \(trigger.table)")
            }
            try session.execute("DROP FUNCTION IF EXISTS \(record.function)()")
            if let log = record.deletionLog { try session.execute("DROP TABLE IF EXISTS \(log)") }
        }
        try ledger.removeObject(object.id)
    }

    /// Those that call a function; of a partitioned table's, the ones that the others come from.
    /// - Parameter function: quoted and qualified.
    func triggers(calling function: String) throws -> [TriggerRecord.Trigger] {
        try session.query(
            """
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name, quote_ident(t.tgname) AS name
            FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE t.tgfoid = to_regprocedure($1) AND t.tgparentid = 0 ORDER BY t.oid
            """, [.text(function + "()")]
        ).map { TriggerRecord.Trigger(table: $0.text("table_name") ?? "", name: $0.text("name") ?? "") }
    }

    /// The columns of a unique index that is not partial, as sets. A DEFERRABLE one is none that ON CONFLICT can go by.
    func uniqueColumnSets(of table: TableName) throws -> [Set<String>] {
        try session.query(
            """
            SELECT string_agg(quote_ident(a.attname), ',') FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
              AND i.indexprs IS NULL AND i.indimmediate
            GROUP BY i.indexrelid
            """, [.text(quoted(table))]
        ).map { Set(PostgreSQLCatalog.identifiers($0[0].asText)) }
    }

    func requireUnique(_ columns: [String], of table: TableName, directive: String) throws {
        guard try uniqueColumnSets(of: table).contains(Set(columns)) else {
            throw MigratorError(
                "no-unique-key", .malformedScripts,
                "\"\(directive)\" needs a primary key or unique constraint of \"\(table)\" on (\(columns.joined(separator: ", ")))",
                hint: "declare it where the table is created, and not DEFERRABLE")
        }
    }

    /// Refuses keys whose types have no equality, by which the application's writes would fail in the trigger.
    func requireComparableKeys(_ sync: Sync) throws {
        let key = sync.key.quotedIdentifier
        do {
            _ = try session.query(
                "SELECT FROM \(quoted(sync.source)) AS s JOIN \(quoted(sync.target)) AS t ON t.\(key) = s.\(key) LIMIT 0"
            )
        } catch {
            guard error.sqlState == "42883" else { throw error }
            throw MigratorError(
                "key-type", .refused,
                "no row of \"\(sync.target)\" can be found by the key \"\(sync.key)\" of \"\(sync.source)\": \(error.message)",
                hint: "declare the key in \"\(sync.target)\" with a type that equals the old one",
                location: sync.mapping?.location)
        }
    }

    /// The source follows the target after the cut-over.
    public func requireFollowable(_ move: Move) throws {
        try requireImmediateKey(move.key, of: move.source, hint: ", or run with --mode window")
    }

    /// Refuses a table whose rows are to follow another's writes, and whose key is DEFERRABLE: the trigger would make every
    /// write of the application fail.
    func requireImmediateKey(_ key: String, of table: TableName, hint: String = "") throws {
        if NegativeControl.deferrableKeys.isLeftOut { return }
        guard try columnNames(of: table)?.contains(key) == true, try !uniqueColumnSets(of: table).contains([key]) else {
            return
        }
        throw MigratorError(
            "key-deferrable", .refused,
            "the key \"\(key)\" of \"\(table)\" is DEFERRABLE: its rows cannot follow what the application writes",
            hint: "make the key NOT DEFERRABLE\(hint)")
    }
}
