import Glibc
import MigratorDatabase
import MigratorScript

/// Whose foreign keys the end of a transaction looks at: what it may have broken.
enum SQLiteKeyScope {
    case all
    case none
    /// Tables as they are called at the beginning, and at the end.
    case tables(before: [String], after: [String])
}

extension SQLiteBackend {
    public func beginWork(
        for items: [Item], run: RunIdentity, options: RunOptions, reporter: any Reporter
    ) throws {
        let isHarmless = items.isEmpty ? isOnline || options.isBrief : options.isBrief && items.allSatisfy(\.keepsKeys)
        try beginWork(keys: isHarmless ? .none : .all, run: run, options: options, reporter: reporter)
    }

    func beginWork(
        keys: SQLiteKeyScope, run: RunIdentity, options: RunOptions, reporter: any Reporter
    ) throws {
        // Inside a transaction this pragma does nothing, and with it on dropping a parent empties its children.
        try session.execute("PRAGMA foreign_keys = OFF")
        try session.execute("PRAGMA legacy_alter_table = OFF")
        ledger.journal?.transactionTried(locks: [])
        do {
            try beginPatiently(options: options, reporter: reporter)
            ledger.journal?.transactionBegan()
            guard
                try session.query(
                    "SELECT 1 FROM \(ledger.table("fence")) WHERE epoch = $1 AND run_id = $2",
                    [SQLValue(run.epoch), SQLValue(run.id)]
                ).count == 1
            else {
                throw MigratorError(
                    "fenced", .locked, "another migrator has taken over: run \(run.id) may not go on",
                    hint: "run the command again")
            }
            renamedTables = [:]
            keyScope = keys
            switch keys {
            case .all: try noteViolations(of: try tablesWithKeys)
            case .none: break
            case .tables(let before, _): try noteViolations(of: before)
            }
        } catch {
            rollbackWork()
            throw error
        }
    }

    func beginPatiently(options: RunOptions, reporter: any Reporter) throws {
        let start = ContinuousClock.now
        let sqlite = session.unwrapped as? SQLiteSession
        let usual = sqlite?.busyTimeout
        sqlite?.busyTimeout = min(.milliseconds(500), options.lockTimeout)
        defer { if let usual { sqlite?.busyTimeout = usual } }
        var hasReported = false
        while true {
            do {
                return try session.begin()
            } catch {
                guard error.kind == .lockNotAvailable else { throw error }
                guard ContinuousClock.now - start < options.lockTimeout else {
                    throw MigratorError(
                        "table-locked", .locked,
                        "the database \"\(path)\" stayed locked by another connection for \(options.lockTimeout)",
                        hint: "end the other writer's transaction, or raise --lock-timeout")
                }
                if !hasReported { reporter.report(.waiting("another connection writes to \"\(path)\"")) }
                hasReported = true
                usleep(50_000)
            }
        }
    }

    public func commitWork() throws {
        do {
            switch keyScope {
            case .all: try checkForeignKeys(of: try tablesWithKeys)
            case .none: break
            case .tables(_, let after): try checkForeignKeys(of: after)
            }
            if case .none = keyScope {} else { try session.execute("DROP TABLE IF EXISTS temp.migrator_violations") }
            if let journal = ledger.journal {
                if journal.isWatchingLocks { journal.hold(["write lock of the file"]) }
                try journal.write(to: ledger)
            }
            try ledger.writeDeferred()
            try session.commit()
        } catch {
            rollbackWork()
            throw error
        }
        ledger.journal?.transactionEnded(isCommitted: true)
        restoreForeignKeys()
    }

    public func rollbackWork() {
        ledger.forgetDeferred()
        session.rollback()
        ledger.journal?.transactionEnded(isCommitted: false)
        restoreForeignKeys()
    }

    private func restoreForeignKeys() {
        renamedTables = [:]
        try? session.execute("PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON")
    }

    // MARK: Foreign keys

    private var tablesWithKeys: [String] {
        get throws {
            try session.query(
                """
                SELECT s.name FROM main.sqlite_schema s WHERE s.type = 'table'
                    AND EXISTS (SELECT 1 FROM pragma_foreign_key_list(s.name)) ORDER BY s.name
                """
            ).compactMap { $0[0].asText }
        }
    }

    /// What is wrong before the work is not the work's fault: only violations that come with it stop it.
    func noteViolations(of tables: [String]) throws {
        try session.execute(
            """
            DROP TABLE IF EXISTS temp.migrator_violations;
            CREATE TEMP TABLE migrator_violations (child TEXT, row INTEGER, parent TEXT);
            CREATE INDEX temp.migrator_violations_row ON migrator_violations (child, row)
            """)
        for table in tables {
            do {
                try session.run(
                    """
                    INSERT INTO temp.migrator_violations
                    SELECT lower("table"), rowid, lower(parent) FROM pragma_foreign_key_check($1)
                    """, [.text(table)])
            } catch {
                guard error.message.contains("foreign key mismatch") else { throw error }
                try session.run(
                    "INSERT INTO temp.migrator_violations VALUES (lower($1), NULL, NULL)", [.text(table)])
            }
        }
    }

    func checkForeignKeys(of tables: [String]) throws {
        var found: [String] = []
        var total = 0
        for table in tables {
            let former = renamedTables[table.lowercased()] ?? table.lowercased()
            let wasBroken = try session.query(
                "SELECT 1 FROM temp.migrator_violations WHERE child = $1 AND parent IS NULL", [.text(former)])
            if !wasBroken.isEmpty { continue }
            // A parent that passed its role on is compared under its old name.
            try session.forEachRow(
                "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check($1)", [.text(table)]
            ) { row in
                let parent = (row[2].asText ?? "").lowercased()
                let known = try session.query(
                    """
                    SELECT 1 FROM temp.migrator_violations
                    WHERE child = $1 AND row IS $2 AND parent IN ($3, $4) LIMIT 1
                    """,
                    [.text(former), row[1], .text(parent), .text(renamedTables[parent] ?? parent)])
                guard known.isEmpty else { return }
                total += 1
                if found.count < 10 {
                    found.append(
                        "\"\(table)\", row \(row[1].asText ?? "?"): no such row in \"\(row[2].asText ?? "")\"")
                }
            }
        }
        guard total > 0 else { return }
        throw MigratorError(
            "foreign-key-violated", .difference,
            "\(total.counted("row refers to a row that is", "rows refer to rows that are")) not there: \(found.first ?? "")",
            hint: "repair these rows or the mapping, then run again", details: found)
    }
}

extension Item {
    /// Whether it cannot take away a row that another one refers to, nor make one that refers to nothing.
    fileprivate var keepsKeys: Bool {
        switch action {
        case .verify: return true
        case .statement(let statement):
            let traits = StatementTraits(statement, dialect: .sqlite)
            switch traits.definition?.kind {
            case .createTable: return !traits.identifiers.contains("select")
            case .createIndex: return true
            case .alterTable: return traits.identifiers.contains("add")
            default: return false
            }
        default: return false
        }
    }
}
