import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Plain revisions for PostgreSQL, written without a database: what a run asks of the catalog, the script asks of it
/// itself, by procedures that end with its session.
struct PostgreSQLScript {
    let writer: ScriptWriter
    let plan: Plan
    let script: SQLScript
    /// Writes what it is given into the script.
    let ledger: Ledger

    init(writer: ScriptWriter, plan: Plan, script: SQLScript) {
        self.writer = writer
        self.plan = plan
        self.script = script
        var literals = RecordedLiterals(.postgresql)
        let ids = RecordedLiterals.placeholder
        literals.run = RecordedLiterals.Run(
            id: ids.run, epoch: ids.epoch, idExpression: "(SELECT run_id FROM pg_temp.migrator_script)",
            epochExpression:
                "(SELECT epoch FROM \(Ledger(session: NowhereSession(dialect: .postgresql), schema: writer.ledgerSchema).table("fence")))",
            preparation: nil)
        let session = RecordingSession(nil, script: script, ledgerSchema: writer.ledgerSchema, literals: literals)
        ledger = Ledger(session: session, schema: writer.ledgerSchema)
        // There is no server to ask; the procedure `follow` asks instead.
        ledger.versionTable = .some(nil)
    }

    private var run: RunIdentity {
        RunIdentity(id: RecordedLiterals.placeholder.run, epoch: RecordedLiterals.placeholder.epoch)
    }

    func write() throws {
        let settings = PostgreSQLBackend.pinnedSettings.map { "SET \($0.name) = \($0.value.quotedLiteral)" }
        script.addOpening(pinned: settings.joined(separator: "; "), lock: writer.ledgerSchema)
        addPlace()
        if plan.from == nil { try addLedger() }
        addStartGuards()
        script.addVariableGuards(try plan.variableDigests(writer.variables), ledger)
        for procedure in ScriptProcedures(ledger: ledger).all { script.add(procedure) }
        addRun()
        for planned in plan.steps { try add(planned) }
        script.addBlank()
        try ledger.finishRun(run, outcome: "done", error: nil)
        script.addRelease(ofLock: writer.ledgerSchema)
    }

    // MARK: Beginning

    /// Unqualified names live in the schema that is named, else in the first of the search path, as in a run.
    private func addPlace() {
        let schema = writer.schema?.quotedLiteral ?? "coalesce(current_schema(), 'public')"
        script.add(
            """
            CREATE TEMP TABLE migrator_script AS SELECT schema, quote_ident(schema) || coalesce(', ' || further, '') AS path,
                NULL::bigint AS run_id, 0::bigint AS lost
            FROM (SELECT \(schema) AS schema) AS place, LATERAL (
                SELECT string_agg(quote_ident(name), ', ' ORDER BY number) AS further
                FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, number) WHERE name <> schema) AS rest
            """)
        script.add(
            "DO $migrator$ BEGIN PERFORM set_config('search_path', (SELECT path FROM pg_temp.migrator_script), false); END $migrator$"
        )
    }

    private func addLedger() throws {
        let inner = SQLScript(.postgresql)
        let session = RecordingSession(
            nil, script: inner, ledgerSchema: writer.ledgerSchema, literals: RecordedLiterals(.postgresql))
        let schema = writer.ledgerSchema.quotedIdentifier
        inner.add(
            """
            IF to_regnamespace(\(schema.quotedLiteral)) IS NULL THEN
                CREATE SCHEMA \(schema); REVOKE ALL ON SCHEMA \(schema) FROM PUBLIC; END IF
            """)
        try Ledger(session: session, schema: writer.ledgerSchema).createTables()
        let exists = "to_regclass(\(ledger.table("format").quotedLiteral))"
        script.addBlank()
        script.addComment("The ledger, where it is not there yet.")
        script.add(
            "DO " + SQLText.dollarQuoted("\nBEGIN\nIF \(exists) IS NOT NULL THEN RETURN; END IF;\n\(inner.text)END "))
    }

    private func addStartGuards() {
        let start = plan.from ?? "base"
        script.addGuard(
            "to_regclass(\(ledger.table("format").quotedLiteral)) IS NOT NULL",
            "the database has no ledger, and this script begins at \(start)")
        script.addGuard(
            "(SELECT version FROM \(ledger.table("format"))) = \(Ledger.formatVersion)",
            "the ledger is of another version than the migrator that wrote this script",
            hint: "make the script with the version that migrates this database")
        script.addGuard(
            """
            (SELECT revision FROM \(ledger.table("revision")) ORDER BY position DESC LIMIT 1) \
            IS NOT DISTINCT FROM \(plan.from?.quotedLiteral ?? "NULL")
            """, "this script begins at \(start), and the database is not there",
            hint: "make a script that begins where `migrator current` says the database is")
        script.addGuard(
            "NOT EXISTS (SELECT FROM \(ledger.table("revision")) WHERE state NOT IN ('applied', 'stamped'))",
            "a revision is half-way", hint: "finish it with `migrator \(plan.direction.rawValue)` first")
        for planned in plan.steps where planned.direction == .downgrade {
            let revision = planned.script.revision
            script.addGuard(
                """
                EXISTS (SELECT FROM \(ledger.table("revision")) WHERE revision = \(revision.quotedLiteral) \
                AND state = 'applied' AND checksum = \(planned.script.checksum.quotedLiteral))
                """, "revision \(revision) was stamped, or applied from another text",
                hint: "take it back with `migrator downgrade`")
        }
    }

    /// As `Ledger.beginRun`, of whose transaction only the server knows the ids.
    private func addRun() {
        let fence = ledger.table("fence")
        let runs = ledger.table("run")
        let values = [
            writer.command, plan.direction.rawValue, plan.from, plan.to ?? "base",
        ].map { SQLText.literal(SQLValue($0), .postgresql) }
        script.add("BEGIN")
        script.add("UPDATE \(runs) SET outcome = 'killed', finished_at = clock_timestamp() WHERE outcome = 'running'")
        script.add("UPDATE \(fence) SET epoch = epoch + 1")
        script.add(
            """
            WITH run AS (
                INSERT INTO \(runs) (command, direction, from_revision, to_revision, epoch, tool_version, user_name,
                    host, backend_pid, started_at)
                SELECT \(values.joined(separator: ", ")), epoch, \(writer.toolVersion.quotedLiteral), session_user,
                    coalesce(host(inet_client_addr()), 'a local connection'), pg_backend_pid(), clock_timestamp() FROM \(fence) RETURNING id)
            UPDATE pg_temp.migrator_script SET run_id = (SELECT id FROM run)
            """)
        script.add("UPDATE \(fence) SET run_id = (SELECT run_id FROM pg_temp.migrator_script)")
        script.add("COMMIT")
    }

    // MARK: Revisions

    private func add(_ planned: PlannedRevision) throws {
        var work = try RevisionWork(planned: planned, record: nil, run: run)
        writer.reporter.report(
            .running(planned.direction, from: planned.from, to: planned.to, message: planned.script.message))
        script.addBlank()
        script.addComment(
            "Running \(planned.direction.rawValue) \(planned.from) -> \(planned.to), \(planned.script.message.oneLine)")
        let items = FlatItem.flatten(try planned.section())
        let segments = Segment.cut(items, script: planned.script, isOnline: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment {
            case .transaction(let items):
                addBeginning(isFirst: index == 0)
                for item in items { addItem(item, &work) }
                if isLast { try addChecks(of: work) }
                try addEnd(isLast: isLast, &work)
            case .outside(let item, let statement):
                try addOutside(item, statement, isFirst: index == 0, &work)
            case .online: continue
            }
        }
    }

    func addBeginning(isFirst: Bool) {
        script.add("BEGIN")
        script.add("SET LOCAL lock_timeout = \(max(1, writer.options.lockTimeout.settingMilliseconds))")
        script.add("CALL pg_temp.migrator_begin(\(isFirst))")
    }

    private func addItem(_ item: FlatItem, _ work: inout RevisionWork) {
        defer { work.add(item, outcome: StepOutcome(), duration: .zero) }
        guard case .statement(let statement) = item.item.action else { return }
        addLossGuard(statement, work)
        script.add(statement.text)
    }

    private func addLossGuard(_ statement: Statement, _ work: RevisionWork) {
        let traits = StatementTraits(statement, dialect: .postgresql)
        guard traits.mayDestroy else { return }
        let truncated =
            traits.identifiers.contains("truncate") ? traits.identifiers.sorted().map(\.quotedLiteral) : []
        let isForeign = work.planned.script.origin != nil && writer.options.acceptedLoss == nil
        script.add(
            """
            CALL pg_temp.migrator_refuse_loss(\(SQLText.dollarQuoted(statement.text)),
                ARRAY[\(truncated.joined(separator: ", "))]::text[], \(work.planned.direction == .downgrade), \
            \(isForeign), \(writer.options.acceptedLoss.map(String.init) ?? "NULL"))
            """)
    }

    private func addChecks(of work: RevisionWork) throws {
        for item in FlatItem.flatten(try work.section()) {
            guard case .verify(let check) = item.item.action else { continue }
            script.add(
                "CALL pg_temp.migrator_check(\(check.title.quotedLiteral), \(SQLText.dollarQuoted(check.query.text)))")
            try ledger.add(
                ProofRecord(
                    runID: run.id, revision: work.planned.script.revision, item: item.ordinal, check: "query",
                    subject: check.title, verdict: Verdict.exact.rawValue, detail: "{}"))
        }
    }

    /// The ledger's part, as `Executor.recordLedger` writes it.
    private func addEnd(isLast: Bool, _ work: inout RevisionWork) throws {
        let planned = work.planned
        let revision = planned.script.revision
        if !work.steps.isEmpty { try ledger.add(work.steps) }
        work.steps = []
        switch planned.direction {
        case .upgrade:
            if isLast { script.add("CALL pg_temp.migrator_refuse_unsound(\(try sayings(of: work)))") }
            script.add("CALL pg_temp.migrator_note_schema(\(revision.quotedLiteral), true)")
            for variable in isLast ? planned.script.variables : [] {
                guard let value = writer.variables[variable.name] ?? variable.defaultValue else { continue }
                try ledger.add(
                    ObjectRecord(
                        runID: run.id, revision: revision, item: -1, kind: Migrator.variableKind, name: variable.name,
                        detail: Script.digest(ofVariable: variable.name, value: value, revision: revision)))
            }
            try ledger.set(work.record(state: isLast ? .applied : .upgrading), script: planned.script.text)
        case .downgrade where isLast:
            if !planned.script.isRepeatable {
                script.add("CALL pg_temp.migrator_compare_schema(\(revision.quotedLiteral))")
            }
            script.add("CALL pg_temp.migrator_note_schema(\(revision.quotedLiteral), false)")
            try ledger.remove(revision: revision)
        case .downgrade:
            try ledger.set(work.record(state: .downgrading), script: planned.script.text)
        }
        script.add("CALL pg_temp.migrator_follow()")
        script.add("COMMIT")
    }

    /// What a script says of itself excuses what it leaves.
    private func sayings(of work: RevisionWork) throws -> String {
        let texts = try work.section().flatItems.compactMap { item in
            if case .statement(let statement) = item.action { statement.text.uppercased() } else { nil }
        }
        let endings = [
            ("NOT VALID", "is not validated"), ("DISABLE", "disabled"), (" ON ONLY ", "is not valid"),
        ].filter { words, _ in texts.contains { $0.firstRange(of: words) != nil } }
        return "ARRAY[\(endings.map(\.1.quotedLiteral).joined(separator: ", "))]::text[]"
    }
}

extension SQLScript {
    /// What a PostgreSQL script begins with.
    func addOpening(pinned: String, lock ledgerSchema: String) {
        for statement in pinned.pieces(separatedBy: "; ") { add(statement) }
        addGuard(
            "pg_try_advisory_lock(\(PostgreSQLBackend.lockKey(ledgerSchema)))",
            "another migrator is at work on this database", hint: "wait until it has ended")
    }

    func addRelease(ofLock ledgerSchema: String) {
        add(
            "DO $migrator$ BEGIN PERFORM pg_advisory_unlock(\(PostgreSQLBackend.lockKey(ledgerSchema))); END $migrator$"
        )
    }
}

extension String {
    fileprivate var oneLine: String {
        split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
