import Foundation
import MigratorTestSupport
import Testing

struct UsageCase: CustomTestStringConvertible, Sendable {
    var arguments: [String]
    var message: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ arguments: String, _ message: String) {
        self.arguments = arguments.split(separator: " ").map(String.init)
        self.message = message
    }
}

@Suite struct UsageTests {
    @Test(arguments: ["bash", "zsh", "fish"]) func `Completions know the commands and their options`(
        _ shell: String
    ) throws {
        let script = try MigratorBinary.run(["--generate-completion-script", shell]).checked().standardOutput
        for word in ["upgrade", "references", "lock-timeout"] { #expect(script.contains(word), "\(word)") }
        #expect(try MigratorBinary.run(["--generate-completion-script", "cmd"]).status == 64)
    }

    @Test(arguments: [
        UsageCase("bogus", "unknown command \"bogus\""),
        UsageCase("--json bogus", "unknown command \"bogus\""),
        UsageCase("upgrade", "missing expected argument"),
        UsageCase("upgrade head more", "unexpected argument \"more\""),
        UsageCase("upgrade head --bogus", "unknown option \"--bogus\""),
        UsageCase("upgrade head --mode x", "the value \"x\" is invalid"),
        UsageCase("upgrade head --lock-timeout 3", "the value \"3\" is invalid"),
        UsageCase("upgrade head --wait=soon", "the value \"soon\" is invalid"),
        UsageCase("upgrade head --color red", "the value \"red\" is invalid"),
        UsageCase("downgrade -1 --accept-loss many", "the value \"many\" is invalid"),
        UsageCase("downgrade -1 --accept-loss -5", "negative"),
        UsageCase("verify --counts --full", "exclude each other"),
        UsageCase("history -r 0001", "is not of the form A:B"),
        UsageCase("show 0009", "no revision \"0009\""),
        UsageCase("show 000", "fits several revisions: 0001, 0002, 0003"),
        UsageCase("show 0003+1", "Relative revision +1 didn't produce 1 migrations"),
        UsageCase("heads --dialect oracle", "the value \"oracle\" is invalid"),
        UsageCase("revision", "missing expected argument"),
        UsageCase("backups prune", "which backups should go is not said"),
        UsageCase("backups bogus", "unexpected argument \"bogus\""),
    ])
    func `Wrong usage is one worded error and exit 64`(_ example: UsageCase) throws {
        let result = try Project.threeRevisions().run(example.arguments)
        #expect(result.status == 64, "\(result.standardError)")
        #expect(result.standardError.hasPrefix("error["))
        #expect(result.standardError.contains(example.message), "\(result.standardError)")
        #expect(!result.standardError.contains("Swift"))
        if example.arguments.contains("--json") {
            #expect(try result.object()["exit_status"] as? Int == 64)
        } else {
            #expect(result.standardOutput.isEmpty)
        }
    }

    @Test func `Without a command the help goes to standard error, with --help to standard output`() throws {
        let project = try Project()
        let bare = try project.run()
        #expect(bare.status == 64 && bare.standardOutput.isEmpty)
        #expect(bare.standardError.contains("SUBCOMMANDS"))
        for arguments in [
            ["--help"], ["help"], ["upgrade", "--help"], ["backups", "--help"], ["help", "upgrade"],
        ] {
            let result = try project.run(arguments)
            #expect(result.status == 0, "\(arguments)")
            #expect(result.standardOutput.contains("USAGE: migrator"), "\(arguments)")
            #expect(result.standardError.isEmpty, "\(arguments)")
        }
        #expect(try project.run("backups").status == 64)
        #expect(try project.run("--version").standardOutput.hasPrefix("migrator "))
    }

    /// With a database that cannot be used: the arguments have been understood where the status is 69.
    @Test(arguments: [
        "downgrade -1", "downgrade -1 --dry-run", "downgrade --dry-run -1", "downgrade 0002-1",
        "downgrade base",
        "upgrade +1 --wait", "upgrade --wait +1", "upgrade --wait 30s head", "upgrade head --wait=2h",
        "upgrade head --lock-timeout 500ms --set-aside --no-exceptions --mode window", "plan -1", "plan head",
        "history -r-3:current", "history -r -3:current", "history -i", "current -v --check-heads",
        "stamp 0001 --strict --purge", "contract 0002", "status", "check", "verify --full --unchanged",
        "backups list", "backups verify", "backups restore x --into y", "backups prune --older-than 7d",
        "backups export f a b", "show current", "downgrade -1 --accept-loss 3 --json",
    ])
    func `Arguments are understood wherever the global options stand`(_ line: String) throws {
        let project = try Project.threeRevisions()
        let words = line.split(separator: " ").map(String.init)
        let database = ["--database", "postgresql://u@127.0.0.1:1/d?connect_timeout=2"]
        for arguments in [database + words, words + database, ["--quiet"] + words + database] {
            let result = try project.run(arguments)
            #expect(result.status == 69, "\(arguments): \(result.standardError)")
            #expect(result.errorCode == "connection-refused")
        }
    }

    @Test func `A malformed fail point is refused`() throws {
        let result = try Project().run(["heads"], environment: ["MIGRATOR_FAIL_POINT": "explode"])
        #expect(result.status == 64 && result.errorCode == "bad-fail-point")
    }
}
