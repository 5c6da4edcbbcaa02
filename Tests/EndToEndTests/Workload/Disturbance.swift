import Foundation
import MigratorTestSupport

/// Kills the tool, and cuts its connection and the writers', while a command runs; the same command again must end well.
struct Disturbance {
    /// How many of them are still to come. One that hit nobody does not count.
    var left: Int
    private(set) var kills = 0
    private(set) var cuts = 0
    private(set) var cutWriters = 0
    var random: SeededRandom
    let workload: ChatWorkload
    /// How long an undisturbed attempt of each command took last.
    private var times: [[String]: Duration] = [:]

    init(_ count: Int, workload: ChatWorkload) {
        left = count
        self.workload = workload
        random = SeededRandom(seed: SeededRandom.seed)
    }

    var done: Int { kills + cuts + cutWriters }
    var summary: String { "\(kills) kills, \(cuts) cuts of the migrator, \(cutWriters) of writers" }

    mutating func cutWriter() throws {
        guard try workload.cut(.writer) else { return }
        cutWriters += 1
        left -= 1
    }

    /// Runs a command until it is done.
    /// - Parameter limit: of disturbances in this command, so that the others have their share.
    /// - Returns: what must not be.
    mutating func persist(_ arguments: [String], limit: Int, environment: [String: String] = [:]) throws -> [String] {
        let end = max(0, left - limit)
        var isAfterKill = false
        let deadline = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < deadline {
            let start = ContinuousClock.now
            let running = try MigratorBinary.start(arguments, environment: environment)
            var wasKilled = false
            var wasCut = false
            while left > end, !wasKilled, !wasCut {
                let time = times[arguments] ?? .milliseconds(800)
                usleep(UInt32(Double.random(in: 0...1, using: &random) * (time / .microseconds(1))))
                guard running.isRunning else { break }
                switch Int.random(in: 0..<6, using: &random) {
                case 0...2:
                    running.signal(SIGKILL)
                    wasKilled = true
                case 3, 4: wasCut = try workload.cut(.migrator)
                default: try cutWriter()
                }
            }
            let result = try running.wait()
            if result.status == 128 + SIGKILL, wasKilled {
                kills += 1
                left -= 1
                isAfterKill = true
                continue
            }
            if wasCut {
                cuts += 1
                left -= 1
            }
            switch result.status {
            case 0:
                if !wasCut { times[arguments] = ContinuousClock.now - start }
                return []
            // A connection that was cut: the same command goes on.
            case 1 where wasCut, 69 where wasCut: isAfterKill = true
            // The killed one's server process may still be at its last statement.
            case 5 where isAfterKill: usleep(100_000)
            default:
                return [
                    "\(arguments.suffix(4)): exit \(result.status)\(wasCut ? " after a cut" : "")\n\(result.standardError)"
                ]
            }
        }
        return ["\(arguments.suffix(4)) is not done after two minutes"]
    }
}
