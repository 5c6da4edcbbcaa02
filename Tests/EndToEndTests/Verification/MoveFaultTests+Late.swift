import MigratorScript
import MigratorTestSupport
import Testing

extension MoveFaultTests {
    /// What has been written to a backup just before the cut-over, when it has been compared already.
    @Test(arguments: lateFaults) func `a backup is looked at once more before a cut-over`(_ fault: MoveFault) throws {
        let control = try MoveBench(fault, isHarmed: false)
        let unharmed = try control.upgrade(isHarmed: false)
        #expect(unharmed.status == 0, "\(unharmed.standardError)")
        try control.migrate("verify").checked()

        let bench = try MoveBench(fault, isHarmed: true)
        let before = try bench.rows()
        let result = try bench.upgrade(isHarmed: true)
        #expect(result.status == 2, "\(result.standardError)")
        for text in ["backup-differs", "direct_messages_backup", "nothing was cut over"] {
            #expect(result.standardError.contains(text), "\(text): \(result.standardError)")
        }
        #expect(try bench.isBase("direct_messages"))
        try bench.migrate("downgrade", "0001").checked()
        #expect(try bench.rows() == before)
    }

    static let lateFaults = [
        ("a changed row", "UPDATE direct_messages_backup SET content = 'forged' WHERE id = 26"),
        ("a row less", "DELETE FROM direct_messages_backup WHERE id = 26"),
    ].flatMap { name, meanwhile in
        [(Dialect.postgresql, "copy"), (.postgresql, "rename"), (.sqlite, "")].map { dialect, strategy in
            MoveFault(
                testDescription: "\(dialect) \(strategy): \(name)", dialect: dialect, strategy: strategy,
                mode: "online", meanwhile: meanwhile, isPostponed: true)
        }
    }
}
