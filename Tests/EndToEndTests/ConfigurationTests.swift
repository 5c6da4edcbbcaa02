import Foundation
import MigratorTestSupport
import Testing

struct ConfigurationCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var toml: String?
    var arguments: [String] = []
    var environment: [String: String] = [:]
    var status: Int32
    /// Somewhere in standard error.
    var says: String
}

private let twoEnvironments = """
    default_environment = "local"

    [environments.local]
    database = "sqlite:data/local.db"

    [environments.other]
    database = "sqlite:other.db"

    """

@Suite struct ConfigurationTests {
    @Test(arguments: [
        ConfigurationCase(
            testDescription: "nothing named", status: 78, says: "no database is named"),
        ConfigurationCase(
            testDescription: "the default environment", toml: twoEnvironments, status: 69,
            says: "environment local: sqlite:/"),
        ConfigurationCase(
            testDescription: "a default is not used in CI", toml: twoEnvironments,
            environment: ["CI": "true"],
            status: 78, says: "in CI none is assumed"),
        ConfigurationCase(
            testDescription: "an environment is used in CI", toml: twoEnvironments,
            arguments: ["--env", "other"], environment: ["CI": "true"], status: 69, says: "other.db"),
        ConfigurationCase(
            testDescription: "DATABASE_URL is used in CI", toml: twoEnvironments,
            environment: ["CI": "true", "DATABASE_URL": "sqlite:url.db"], status: 69, says: "url.db"),
        ConfigurationCase(
            testDescription: "--database before DATABASE_URL", toml: twoEnvironments,
            arguments: ["--database", "sqlite:option.db"], environment: ["DATABASE_URL": "sqlite:url.db"],
            status: 69, says: "option.db"),
        ConfigurationCase(
            testDescription: "--env before DATABASE_URL", toml: twoEnvironments,
            arguments: ["--env", "other"], environment: ["DATABASE_URL": "sqlite:url.db"], status: 69,
            says: "other.db"),
        ConfigurationCase(
            testDescription: "an empty DATABASE_URL is none", toml: twoEnvironments,
            environment: ["DATABASE_URL": ""], status: 69, says: "local.db"),
        ConfigurationCase(
            testDescription: "an unknown environment", toml: twoEnvironments, arguments: ["--env", "no"],
            status: 78, says: "choose one of: local, other"),
        ConfigurationCase(
            testDescription: "an environment without a file", arguments: ["--env", "no"], status: 78,
            says: "there is no migrator.toml"),
        ConfigurationCase(
            testDescription: "a file that is not there", arguments: ["--config", "no.toml"], status: 78,
            says: "\"no.toml\" is not a file"),
        ConfigurationCase(
            testDescription: "broken TOML", toml: "a = 1\nb = [", status: 78, says: "--> migrator.toml:2:"),
        ConfigurationCase(
            testDescription: "an unknown key", toml: "migrations = \"m\"\ncolour = \"red\"", status: 78,
            says: "--> migrator.toml:2:1"),
        ConfigurationCase(
            testDescription: "an unknown key of an environment",
            toml: "[environments.a]\n\nurl = \"sqlite:x\"", status: 78, says: "--> migrator.toml:3:1"),
        ConfigurationCase(
            testDescription: "a wrong type", toml: "schema = 3", status: 78, says: "\"schema\" must be a text"
        ),
        ConfigurationCase(
            testDescription: "an environment that is a text", toml: "[environments]\na = \"x\"", status: 78,
            says: "--> migrator.toml:2:1"),
        ConfigurationCase(
            testDescription: "a default that is not there", toml: "default_environment = \"x\"", status: 78,
            says: "the default environment \"x\" is not there"),
        ConfigurationCase(
            testDescription: "an environment without a database",
            toml: "default_environment = \"a\"\n[environments.a]\nschema = \"s\"", status: 78,
            says: "names no database"),
        ConfigurationCase(
            testDescription: "an environment with an unknown scheme",
            toml: "default_environment = \"a\"\n[environments.a]\ndatabase = \"mysql://h/d\"", status: 78,
            says: "--> migrator.toml:3:1"),
        ConfigurationCase(
            testDescription: "not UTF-8 text", toml: "a = \"\u{0}\"", status: 78, says: "not UTF-8 text"),
    ])
    func `What is configured decides which database is meant`(_ example: ConfigurationCase) throws {
        let project = try Project.threeRevisions()
        if let toml = example.toml { try project.folder.write(toml, to: "migrator.toml") }
        let result = try project.run(["current"] + example.arguments, environment: example.environment)
        #expect(result.status == example.status, "\(result.standardError)")
        #expect(result.standardError.contains(example.says), "\(result.standardError)")
    }

    @Test func `The nearest configuration counts, and its paths are relative to it`() throws {
        let project = try Project([
            "migrator.toml": twoEnvironments + "\n",
            "migrations/sqlite/0001_first.sql": Project.script("0001", revises: "base", "First"),
            "below/here/empty": "",
        ])
        let folder = project.path + "/below/here"
        let current = try MigratorBinary.run(["current"], workingFolder: folder)
        #expect(current.standardError.contains("sqlite:\(project.path)/data/local.db"))
        let heads = try MigratorBinary.run(["heads"], workingFolder: folder)
        #expect(heads.standardOutput == "0001 (head)\n")
        try project.folder.write("migrations = \"elsewhere\"", to: "below/migrator.toml")
        #expect(try MigratorBinary.run(["heads"], workingFolder: folder).status == 65)
    }

    @Test(arguments: [
        ("mysql://h/d", "unknown database URL scheme \"mysql\""),
        ("h/d", "not given as a URL"),
        ("", "the database URL is empty"),
        ("postgresql:h", "lacks \"//\""),
        ("postgresql://h:port/d", "the port is not a number"),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "in memory"),
        ("sqlite:x.db?mode=ro", "takes no options"),
        ("sqlite://host/x.db", "names a file, not a host"),
    ])
    func `A URL that names no database is exit 64`(_ url: String, _ message: String) throws {
        let result = try Project.threeRevisions().run(["current", "--database", url])
        #expect(result.status == 64)
        #expect(result.errorCode == "bad-database-url")
        #expect(result.standardError.contains(message), "\(result.standardError)")
    }
}
