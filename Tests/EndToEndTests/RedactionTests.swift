import Foundation
import MigratorTestSupport
import Testing

@Suite struct RedactionTests {
    private static let canary = "c4n4ryS3cret"

    @Test(arguments: [
        "postgresql://u:\(canary)@127.0.0.1:1/d?connect_timeout=2",
        "postgresql://u@127.0.0.1:1/d?connect_timeout=2&password=\(canary)",
        "host=127.0.0.1 port=1 dbname=d user=u connect_timeout=2 password=\(canary)",
        "host=127.0.0.1 port=1 password='\(canary)",
        "postgresql://u:\(canary)@no-such-host.invalid/d?connect_timeout=2",
        "postgresql://u:\(canary)/x@127.0.0.1:1/d",
        "postgresql://u:a@\(canary)@127.0.0.1:1/d",
        "postgresql://u:\(canary)%zz@127.0.0.1:1/d",
        "postgresql://u:\(canary)@127.0.0.1:1/d?bogus=1",
        "mysql://u:\(canary)@h/d",
        "u:\(canary)@h/d",
    ])
    func `A password is in no output`(_ url: String) throws {
        let project = try Project.threeRevisions()
        try project.folder.write(
            "default_environment = \"a\"\n[environments.a]\ndatabase = \"\(url)\"\n", to: "set/migrator.toml")
        let ways: [([String], [String: String])] = [
            (["current", "-v", "--database", url], [:]),
            (["current", "--verbose", "--json", "--database", url], [:]),
            (["--database=" + url, "upgrade", "head"], [:]),
            (["status"], ["DATABASE_URL": url]),
            (["verify", "--verbose", "--config", "set/migrator.toml"], [:]),
            (["current", url], [:]),
            ([url, "current"], [:]),
            (["current", "--databas", url], [:]),
            (["current", "--databas=" + url], [:]),
            (["current", "--json", "--mode", url], [:]),
            (["upgrade", "head", "--mode", url], [:]),
        ]
        for (arguments, environment) in ways {
            let result = try project.run(arguments, environment: environment)
            #expect(result.status != 0)
            #expect(!result.standardOutput.contains(Self.canary), "\(arguments)")
            #expect(!result.standardError.contains(Self.canary), "\(arguments): \(result.standardError)")
        }
    }

    @Test func `PGPASSWORD is in no output`() throws {
        let result = try Project.threeRevisions().run(
            ["current", "--verbose", "--database", "postgresql://u@127.0.0.1:1/d"],
            environment: ["PGPASSWORD": Self.canary])
        #expect(result.status == 69)
        #expect(!(result.standardOutput + result.standardError).contains(Self.canary))
    }

    @Test func `A broken configuration is not quoted`() throws {
        let project = try Project(["migrator.toml": "[environments.a]\ndatabase = \"x\(Self.canary)\n"])
        let result = try project.run("current", "--json")
        #expect(result.status == 78)
        #expect(!(result.standardOutput + result.standardError).contains(Self.canary))
    }
}
