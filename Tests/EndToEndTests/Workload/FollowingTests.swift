import MigratorTestSupport
import Testing

/// Copies by other scripts than the shipped ones, and what follows them until `contract`.
@Suite struct FollowingTests {
    private static func script(_ revision: String, after: String, _ up: String, _ down: String) -> String {
        """
        -- migrator:revision \(revision)
        -- migrator:revises \(after)
        -- migrator:message As \(revision)

        -- migrator:upgrade
        \(up)

        -- migrator:downgrade
        \(down)
        """
    }

    /// `a` and `c` become `b` and `d` in one revision, then `b` becomes `e`.
    private static func twoSwitches() throws -> Project {
        func table(_ name: String) -> String { "CREATE TABLE \(name) (id integer PRIMARY KEY, t text);" }
        return try Project([
            "migrations/postgresql/0001_a.sql": script(
                "0001", after: "base", "\(table("a")) \(table("c"))", "DROP TABLE a; DROP TABLE c;"),
            "migrations/postgresql/0002_b.sql": script(
                "0002", after: "0001",
                """
                \(table("b")) \(table("d"))
                -- migrator:switch a -> b key=id strategy=copy
                -- migrator:switch c -> d key=id strategy=copy
                """,
                """
                -- migrator:switch d -> c key=id
                -- migrator:switch b -> a key=id
                """),
            "migrations/postgresql/0003_e.sql": script(
                "0003", after: "0002",
                """
                \(table("e"))
                -- migrator:switch b -> e key=id strategy=copy
                """, "-- migrator:switch e -> b key=id"),
        ])
    }

    private static func run(_ arguments: [String], _ project: Project, _ store: PostgreSQLStore) throws -> CommandResult
    {
        try project.run(["--database", store.url] + arguments)
    }

    private static let rows = "SELECT generate_series, generate_series::text FROM generate_series(1, 3000)"

    @Test(arguments: ["online", "window"], ["online", "window"])
    func `two tables of one revision each have their follower`(_ up: String, _ down: String) throws {
        let (project, store) = (try Self.twoSwitches(), try PostgreSQLStore())
        func run(_ arguments: String...) throws -> CommandResult { try Self.run(arguments, project, store) }
        try run("upgrade", "0001").checked()
        try store.run("INSERT INTO a \(Self.rows); INSERT INTO c \(Self.rows)")
        try run("upgrade", "0002", "--mode", up).checked()
        try store.run("UPDATE b SET t = 'later' WHERE id = 6; DELETE FROM d WHERE id = 7")
        try run("verify").checked()
        try run("downgrade", "0001", "--mode", down).checked()
        #expect(try store.database.psql("SELECT t FROM a WHERE id = 6") == "later\n")
        #expect(try store.database.psql("SELECT count(*) FROM c WHERE id = 7") == "0\n")
        try run("verify").checked()
    }

    @Test(arguments: ["online", "window"]) func `a table that is followed is not switched again`(_ mode: String) throws
    {
        let (project, store) = (try Self.twoSwitches(), try PostgreSQLStore())
        func run(_ arguments: String...) throws -> CommandResult { try Self.run(arguments, project, store) }
        try run("upgrade", "0001").checked()
        try store.run("INSERT INTO a \(Self.rows)")
        try run("upgrade", "0002", "--mode", "online").checked()
        let before = try store.state()
        for command in [["plan", "head"], ["upgrade", "head", "--mode", mode]] {
            let refused = try Self.run(command, project, store)
            #expect(refused.status == 4 && refused.errorCode == "table-followed", "\(refused)")
            #expect(refused.standardError.contains("migrator contract 0002"), "\(refused.standardError)")
        }
        #expect(try store.state() == before)
        try run("contract", "0002").checked()
        try run("upgrade", "head", "--mode", mode).checked()
        try store.run("UPDATE e SET t = 'later' WHERE id = 6")
        try run("verify").checked()
        try run("downgrade", "0001", "--mode", mode).checked()
        #expect(try store.database.psql("SELECT t FROM a WHERE id = 6") == "later\n")
    }

    private static func partitioned() throws -> Project {
        func table(_ name: String) -> String {
            """
            CREATE TABLE \(name) (id integer PRIMARY KEY, t text) PARTITION BY RANGE (id);
            CREATE TABLE \(name)1 PARTITION OF \(name) FOR VALUES FROM (0) TO (2000);
            CREATE TABLE \(name)2 PARTITION OF \(name) FOR VALUES FROM (2000) TO (100000);
            """
        }
        return try Project([
            "migrations/postgresql/0001_a.sql": script("0001", after: "base", table("a"), "DROP TABLE a;"),
            "migrations/postgresql/0002_b.sql": script(
                "0002", after: "0001", table("b") + "\n-- migrator:switch a -> b key=id strategy=copy",
                "-- migrator:switch b -> a key=id"),
        ])
    }

    @Test(arguments: ["online", "window"]) func `partitioned tables go up and come back`(_ mode: String) throws {
        let (project, store) = (try Self.partitioned(), try PostgreSQLStore())
        func run(_ arguments: String...) throws -> CommandResult { try Self.run(arguments, project, store) }
        try run("upgrade", "0001").checked()
        try store.run("INSERT INTO a \(Self.rows)")
        try run("upgrade", "head", "--mode", mode).checked()
        try store.run("UPDATE b SET t = 'later' WHERE id IN (6, 2006)")
        try run("verify").checked()
        if mode == "online" {
            let before = try store.state()
            let refused = try run("downgrade", "0001", "--mode", mode)
            #expect(refused.status == 4 && refused.errorCode == "target-partitioned", "\(refused.standardError)")
            #expect(try store.state() == before)
        }
        try run("downgrade", "0001", "--mode", "window").checked()
        #expect(try store.database.psql("SELECT count(*) FROM a WHERE t = 'later'") == "2\n")
        try run("verify").checked()
        try run("upgrade", "head", "--mode", mode).checked()
    }

    /// The triggers that fire are those of the partitions.
    @Test func `a trigger that was off on a partition stops the cut-over`() throws {
        let (project, store) = (try Self.partitioned(), try PostgreSQLStore())
        let arguments = ["--database", store.url, "--migrations", project.folder.file("migrations")]
        try MigratorBinary.run(arguments + ["upgrade", "0001"]).checked()
        try store.run("INSERT INTO a \(Self.rows)")
        for isReplica in [false, true] {
            let holder = try store.database.session()
            defer { holder.close() }
            try holder.execute("BEGIN; SELECT FROM a LIMIT 1")
            let running = try MigratorBinary.start(arguments + ["upgrade", "head", "--mode", "online"])
            #expect(running.waitForStandardError("is held by server process \(holder.backendPID)"))
            if isReplica {
                // On again for every role, as the run before has left it.
                try store.run("SET session_replication_role = replica; UPDATE a SET t = 'replica' WHERE id = 6")
            } else {
                try store.run("ALTER TABLE a1 DISABLE TRIGGER USER; UPDATE a SET t = 'later' WHERE id = 5")
                try store.run("ALTER TABLE a1 ENABLE TRIGGER USER")
            }
            try holder.execute("COMMIT")
            let result = try running.wait()
            if isReplica {
                #expect(result.status == 0, "\(result.standardError)")
            } else {
                #expect(result.status == 2 && result.errorCode == "trigger-off", "\(result.standardError)")
                try store.run("UPDATE a SET t = t WHERE id = 5")
            }
        }
        #expect(try store.database.psql("SELECT t FROM b WHERE id IN (5, 6) ORDER BY id") == "later\nreplica\n")
        try MigratorBinary.run(arguments + ["verify"]).checked()
    }

    /// What takes rows away, in a transaction whose snapshot is older than the copy, and no trigger tells it.
    private static let removals = [
        "TRUNCATE a1", "ALTER TABLE a DETACH PARTITION a1", "ALTER TABLE a DETACH PARTITION a1; DROP TABLE a1",
        // The newest thousand rows are looked at in any case.
        "TRUNCATE a; INSERT INTO a SELECT generate_series, '' FROM generate_series(4000, 6000)",
    ]

    /// Between the last comparison and the cut-over.
    @Test(arguments: removals, [false, true])
    func `rows that are taken away without a trigger do not come back`(_ removal: String, isLeftOut: Bool) throws {
        let (project, store) = (try Self.partitioned(), try PostgreSQLStore())
        func run(_ arguments: String...) throws -> CommandResult { try Self.run(arguments, project, store) }
        try run("upgrade", "0001").checked()
        try store.run("INSERT INTO a \(Self.rows)")
        let holder = try store.database.session()
        defer { holder.close() }
        try holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM a LIMIT 1")
        let running = try MigratorBinary.start(
            ["--database", store.url, "--migrations", project.folder.file("migrations"), "upgrade", "head"],
            environment: isLeftOut ? ["MIGRATOR_LEAVE_OUT": "storage"] : [:])
        #expect(running.waitForStandardError("is held by server process \(holder.backendPID)"))
        try holder.execute("\(removal); COMMIT")
        let result = try running.wait()
        if isLeftOut {
            #expect(result.status == 0, "\(result.standardError)")
            #expect(try store.database.psql("SELECT count(*) FROM b WHERE id < 2000") == "1999\n")
            return
        }
        #expect(result.status == 2 && result.errorCode == "rows-replaced", "\(result.standardError)")
        let again = try run("upgrade", "head")
        #expect(again.status == 2 && again.errorCode == "content-differs", "\(again.standardError)")
        // As the hint says.
        try store.run("DELETE FROM b WHERE NOT EXISTS (SELECT FROM a WHERE a.id = b.id)")
        try run("upgrade", "head").checked()
        #expect(try store.database.psql("SELECT count(*) FROM b WHERE id < 2000") == "0\n")
        try run("verify").checked()
    }
}
