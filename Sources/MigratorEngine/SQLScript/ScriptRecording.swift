import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Runs a plan in window mode in one transaction that is rolled back, and writes down what it sends.
///
/// 1. The migration lock is taken, and the ledger's ids are led to what the script will find.
/// 2. Inside the transaction the ordinary upgrade or downgrade runs on a `RecordingSession`.
/// 3. Before a revision that rows decide upon, the script compares these rows with what they are now.
/// 4. Everything is rolled back.
struct ScriptRecording {
    let writer: ScriptWriter
    let plan: Plan
    let script: SQLScript

    /// - Parameter isScratch: the database is one of our own, so that its rows say nothing.
    func record(on backend: any Backend, literals: RecordedLiterals? = nil, isScratch: Bool = false) throws {
        try backend.checkServer(forWriting: true)
        try checkStart(backend)
        // 1
        try backend.acquireMigrationLock(options: writer.options, reporter: writer.reporter)
        defer { backend.releaseMigrationLock() }
        var literals = literals ?? RecordedLiterals(writer.dialect)
        let session = RecordingSession(
            backend.session, script: script, ledgerSchema: writer.ledgerSchema, literals: literals)
        let recorded: any Backend
        switch backend {
        case let backend as PostgreSQLBackend:
            literals.identity = try backend.identityOfSystem()
            session.literals = literals
            recorded = backend.recording(on: session)
            try beginPostgreSQL(backend)
        case let backend as SQLiteBackend:
            let copy = SQLiteBackend(session: session, ledger: Ledger(session: session), path: backend.path)
            copy.migrationLock = backend.migrationLock
            recorded = copy
            try openSQLite(session, backend, isScratch: isScratch)
        default: throw MigratorError("internal-error", .failed, "this database cannot be recorded on")
        }
        defer {
            backend.session.rollback()
            if writer.dialect == .sqlite { try? backend.session.execute("PRAGMA foreign_keys = ON") }
        }
        if writer.dialect == .sqlite {
            // Inside a transaction this does nothing.
            try backend.session.execute("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = OFF")
        }
        try backend.session.begin()
        if let backend = backend as? PostgreSQLBackend {
            for procedure in ScriptProcedures(ledger: backend.ledger).recorded(schema: backend.schema) {
                try backend.session.execute(procedure)
            }
        }
        // 2, 3
        if !isScratch { session.guardsOfRows = { try guardRows(of: $0, on: backend) } }
        do {
            try writer.run(plan, on: recorded)
        } catch {
            throw explained(MigratorError.from(error))
        }
        if writer.dialect == .postgresql { script.addRelease(ofLock: writer.ledgerSchema) }
    }

    private func checkStart(_ backend: any Backend) throws {
        let current = try writer.migrator(on: backend).place().revision
        guard current == plan.from else {
            let here = current ?? "base"
            throw MigratorError(
                "not-at-start", .usage,
                "the script would begin at \"\(plan.from ?? "base")\", and the database is at \"\(here)\"",
                hint: "name a database that is at \(plan.from ?? "base"), or write \(here):\(plan.to ?? "base")")
        }
    }

    private func explained(_ error: MigratorError) -> MigratorError {
        guard error.code == "internal-error" else { return error }
        return MigratorError(
            "cannot-be-written", .refused, "the run cannot be recorded: \(error.message)",
            hint: "run it with `migrator \(plan.direction.rawValue)`", details: error.details)
    }

    // MARK: Beginnings

    private func beginPostgreSQL(_ backend: PostgreSQLBackend) throws {
        script.addOpening(pinned: backend.pinningStatements, lock: writer.ledgerSchema)
        let procedures = ScriptProcedures(ledger: backend.ledger).recorded(schema: backend.schema)
        for procedure in procedures { script.add(procedure) }
        let ledger = backend.ledger
        guard try ledger.exists() else {
            script.addGuard(
                "to_regclass(\(ledger.table("format").quotedLiteral)) IS NULL",
                "the database has a ledger already, and this script begins without one")
            return
        }
        try addGuards(ofLedger: ledger)
        // A rollback does not give back ids: they go on from the highest there is, here and there.
        let ids = ["run", "step", "backup", "object", "proof"].map { name in
            let table = ledger.table(name)
            return
                "PERFORM setval(pg_get_serial_sequence(\(table.quotedLiteral), 'id'), coalesce(max(id), 0) + 1, false) FROM \(table);"
        }
        let leading = "DO " + SQLText.dollarQuoted(" BEGIN\n" + ids.joined(separator: "\n") + "\nEND ")
        try backend.session.execute(leading)
        script.add(leading)
    }

    private func openSQLite(_ session: RecordingSession, _ backend: SQLiteBackend, isScratch: Bool) throws {
        let hasLedger = try backend.ledger.exists()
        let state = try hasLedger && !isScratch ? stateGuard(of: backend.ledger) : nil
        let from = plan.from
        let undone = plan.direction == .downgrade && isScratch ? plan.steps.map(\.script) : []
        let variables = try plan.variableDigests(writer.variables)
        let ledger = backend.ledger
        session.opening = { script in
            let exists = "EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrator_revision')"
            guard hasLedger else {
                script.addGuard(
                    "NOT \(exists)", "the file has a ledger already, and this script begins without one",
                    hint: "name the file with --database")
                return
            }
            let start = from ?? "base"
            script.addGuard(exists, "the file has no ledger, and this script begins at \(start)")
            let last = "(SELECT revision FROM migrator_revision ORDER BY position DESC LIMIT 1)"
            script.addGuard(
                "\(last) IS \(from?.quotedLiteral ?? "NULL")",
                "this script begins at \(start), and the database is not there")
            script.addGuard(
                "NOT EXISTS (SELECT 1 FROM migrator_revision WHERE state NOT IN ('applied', 'stamped'))",
                "a revision is half-way: finish it with migrator first")
            for revision in undone {
                script.addGuard(
                    """
                    EXISTS (SELECT 1 FROM migrator_revision WHERE revision = \(revision.revision.quotedLiteral) \
                    AND state = 'applied' AND checksum = \(revision.checksum.quotedLiteral))
                    """, "revision \(revision.revision) was stamped, or applied from another text")
            }
            script.addVariableGuards(variables, ledger)
            if let state { script.addGuard(state, Self.changed) }
        }
    }

    private static let changed = "the database has been migrated since this script was made: make it again"

    private func stateGuard(of ledger: Ledger) throws -> String {
        let row = try ledger.session.query(
            "SELECT epoch, (SELECT coalesce(max(id), 0) FROM \(ledger.table("run"))) FROM \(ledger.table("fence"))"
        ).first
        return """
            (SELECT epoch FROM \(ledger.table("fence"))) = \(row?[0].asInt ?? 0) \
            AND (SELECT coalesce(max(id), 0) FROM \(ledger.table("run"))) = \(row?[1].asInt ?? 0)
            """
    }

    private func addGuards(ofLedger ledger: Ledger) throws {
        let start = plan.from ?? "base"
        script.addGuard(
            "to_regclass(\(ledger.table("format").quotedLiteral)) IS NOT NULL",
            "the database has no ledger, and this script begins at \(start)")
        script.addGuard(
            """
            (SELECT revision FROM \(ledger.table("revision")) ORDER BY position DESC LIMIT 1) \
            IS NOT DISTINCT FROM \(plan.from?.quotedLiteral ?? "NULL")
            """, "this script begins at \(start), and the database is not there")
        script.addGuard(try stateGuard(of: ledger), Self.changed)
    }

    // MARK: 3

    /// What a revision reads must be what it was.
    private func guardRows(of planned: PlannedRevision, on backend: any Backend) throws {
        let section = try planned.section()
        let traits = section.flatItems.flatMap(\.statements).map { StatementTraits($0, dialect: writer.dialect) }
        guard try planned.rowsDecide() != nil || traits.contains(where: \.mayDestroy) else { return }
        if let backend = backend as? SQLiteBackend {
            for (query, digest, difference) in try backend.shellDigests() {
                script.addGuard(
                    "lower(hex(sha3_query(\(query.quotedLiteral), 256))) = '\(digest)'",
                    difference, hint: "make it again")
            }
            return
        }
        guard let backend = backend as? PostgreSQLBackend else { return }
        var shown: [String] = []
        var names = Set(section.flatItems.flatMap(\.action.tables).map(\.name))
        for trait in traits { names.formUnion(trait.identifiers) }
        for (_, table) in try backend.inventory().sorted(by: { $0.value.name < $1.value.name })
        where table.schema == backend.schema && names.contains(table.name) {
            let name = TableName(schema: table.schema, table.name)
            shown.append(table.name)
            let columns = try backend.columnNames(of: name) ?? []
            let query = try backend.contentHashQuery(of: name, columns: columns)
            let content = try backend.contentHash(of: name, columns: columns)
            script.add(
                """
                CALL pg_temp.migrator_expect_rows(\(table.name.quotedLiteral), \(SQLText.dollarQuoted(query)),
                    \(content.rows), \(content.hash.quotedLiteral))
                """)
        }
        guard !shown.isEmpty else { return }
        let relations = shown.map { "\(backend.schema).\($0)".quotedLiteral }.joined(separator: ", ")
        let digest = "pg_temp.migrator_schema_digest(ARRAY[\(relations)])"
        let now = try backend.session.scalar("SELECT \(digest)").asText ?? ""
        script.addGuard(
            "\(digest) = '\(now)'",
            "a table is not defined as it was when this script was made: \(shown.joined(separator: ", "))",
            hint: "make it again")
    }
}

extension Plan {
    func variableDigests(_ values: [String: String]) throws -> [(revision: String, name: String, digest: String)] {
        try steps.flatMap { step in
            try step.digestsForDowngrade(values).map { (step.script.revision, $0.name, $0.digest) }
        }
    }
}

extension SQLScript {
    func addVariableGuards(_ digests: [(revision: String, name: String, digest: String)], _ ledger: Ledger) {
        for (revision, name, digest) in digests {
            addGuard(
                """
                NOT EXISTS (SELECT 1 FROM \(ledger.table("object")) WHERE revision = \(revision.quotedLiteral) \
                AND kind = 'variable' AND name = \(name.quotedLiteral) AND detail <> \(digest.quotedLiteral))
                """, "revision \(revision) was upgraded with another value of the variable \(name)")
        }
    }
}

extension PostgreSQLBackend {
    fileprivate func recording(on session: RecordingSession) -> PostgreSQLBackend {
        let recorded = PostgreSQLBackend(
            session: session, ledger: Ledger(session: session, schema: ledger.schema), schema: schema)
        recorded.facts = facts
        recorded.ledger.isFound = ledger.isFound
        return recorded
    }
}
