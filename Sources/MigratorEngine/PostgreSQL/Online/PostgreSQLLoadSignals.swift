import Glibc
import MigratorDatabase
import MigratorScript

/// How busy the server is, in one round trip (ONLINE.md 3).
///
/// A signal that can be read at the start is armed: when it cannot be read any more, the work pauses. One that this
/// role cannot read is named once and left out.
final class PostgreSQLLoadSignals: LoadSignals {
    static let archiveLimit = 42.0
    static let connectionsLimit = 0.7
    static let freeDiskLimit = 0.15
    /// Where the server has no limit of its own.
    static let slotLimit = 10 * Double(1 << 30)
    static let oldTransaction = 300.0

    private let session: any Session
    private let reporter: any Reporter
    private let query: PostgreSQLSignalQuery
    private var gauges: [LoadSignal: LoadGauge] = [:]
    private(set) var armed: [LoadSignal] = []
    /// Where the server keeps its data, if that is on this machine.
    private var dataFolder: String?
    private(set) var replayLag: Duration?
    private var lagClock = ReplayClock()
    private var warnedOf: Set<String> = []

    /// Finds out what can be read.
    /// - Throws: `MigratorError` where the user's own query is no good.
    init(
        session: any Session, options: RunOptions, reporter: any Reporter, quoted: @escaping (TableName) -> String
    ) throws {
        self.session = session
        self.reporter = reporter
        let facts = try session.query(
            """
            SELECT current_setting('archive_mode') <> 'off' AS archives,
                   pg_size_bytes(current_setting('max_slot_wal_keep_size')) / 2 AS slot_limit,
                   has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE') AS sees_queue,
                   CASE WHEN inet_server_addr() IS NULL AND pg_has_role('pg_read_all_settings', 'USAGE')
                       THEN current_setting('data_directory') END AS data
            """
        ).first
        query = PostgreSQLSignalQuery(
            hook: options.throttleQuery, countsArchiveFiles: facts?.bool("sees_queue") ?? false, quoted: quoted)
        dataFolder = facts?.text("data")
        gauges = [
            .replayLag: LoadGauge(limit: max(options.maximalLag.seconds, 0.001)),
            .slots: LoadGauge(limit: facts?.int("slot_limit").flatMap { $0 > 0 ? Double($0) : nil } ?? Self.slotLimit),
            .archive: LoadGauge(limit: Self.archiveLimit),
            .connections: LoadGauge(limit: Self.connectionsLimit),
            .disk: LoadGauge(limit: Self.freeDiskLimit, isFloor: true),
        ]
        var wanted: [LoadSignal] = [.replayLag, .slots, .autovacuum, .connections, .oldestTransaction, .disk]
        if facts?.bool("archives") == true { wanted.append(.archive) }
        if options.throttleQuery != nil { wanted.append(.query) }
        try arm(wanted.filter { !options.ignoredSignals.contains($0) })
    }

    private func arm(_ wanted: [LoadSignal]) throws {
        let readings = try read(wanted, tables: [])
        var missing: [String] = []
        for signal in wanted {
            switch readings[signal] {
            case .figure: armed.append(signal)
            case .unreadable(let reason) where signal == .query:
                throw MigratorError(
                    "throttle-query-failed", .usage, "the throttle query cannot be run: \(reason)",
                    hint: "give --throttle-query one SELECT of one boolean column")
            case .unreadable(let reason): missing.append("\(signal.title) (\(reason))")
            case nil: missing.append(signal.title)
            }
        }
        if !missing.isEmpty {
            reporter.report(.note("batches do not heed what cannot be read here: " + missing.joined(separator: ", ")))
        }
    }

    func reasonsToPause(working tables: [TableName]) throws -> [PauseReason] {
        let readings = try read(armed, tables: tables)
        return armed.compactMap { signal in
            switch readings[signal] {
            case .figure(let value, let detail): judge(signal, value, detail).map { PauseReason(signal, $0) }
            case .unreadable(let reason): PauseReason(signal, "\(signal.title) can no longer be read: \(reason)")
            case nil: PauseReason(signal, "\(signal.title) can no longer be read")
            }
        }
    }

    // MARK: Judging

    /// - Returns: why the work should pause.
    private func judge(_ signal: LoadSignal, _ value: Double, _ detail: String) -> String? {
        let isHigh = gauges[signal]?.update(value) ?? (value > 0)
        let limit = gauges[signal]?.limit ?? 0
        if signal == .oldestTransaction {
            warn(ofTransaction: detail, age: value)
            return nil
        }
        guard isHigh else { return nil }
        return switch signal {
        case .replayLag: "\(detail) is \(value.tenths) s behind (limit \(limit.tenths) s)"
        case .slots:
            "\(detail) retains \((value / Double(1 << 30)).tenths) GiB of WAL (limit \((limit / Double(1 << 30)).tenths) GiB)"
        case .archive: "\(Int(value)) WAL files wait to be archived (limit \(Int(limit)))"
        case .autovacuum: "autovacuum is at work on \(detail)"
        case .connections:
            "\(Int((value * 100).rounded())) % of the connections are active (limit \(Int(limit * 100)) %)"
        case .disk: "\(Int(value * 100)) % of the disk with \(detail) is free (limit \(Int(limit * 100)) %)"
        case .query: "the throttle query says so"
        case .pauseFile, .oldestTransaction: nil
        }
    }

    /// Nothing can be cleaned up that an old transaction might still see.
    private func warn(ofTransaction detail: String, age: Double) {
        // What it runs changes; who it is does not.
        let who = String(detail.prefix { $0 != "," })
        guard age >= Self.oldTransaction, warnedOf.insert(who).inserted else { return }
        reporter.report(
            .warning(
                "a transaction is open since \(Int(age / 60)) minutes, so that dead rows pile up: \(detail)"))
    }

    // MARK: Reading

    private enum Reading {
        case figure(Double, detail: String)
        case unreadable(String)
    }

    private func read(_ signals: [LoadSignal], tables: [TableName]) throws -> [LoadSignal: Reading] {
        var readings: [LoadSignal: Reading] = [:]
        if signals.contains(.disk) { readings[.disk] = freeDisk() }
        let asked = signals.filter { $0 != .disk }
        do {
            try ask(asked, tables: tables, into: &readings)
        } catch let error as DatabaseError {
            guard error.isAboutReading else { throw error }
            // Which of them?
            for signal in asked {
                do {
                    try ask([signal], tables: tables, into: &readings)
                } catch let error as DatabaseError {
                    guard error.isAboutReading else { throw error }
                    readings[signal] = .unreadable(error.message)
                }
            }
        }
        return readings
    }

    private func ask(
        _ signals: [LoadSignal], tables: [TableName], into readings: inout [LoadSignal: Reading]
    ) throws {
        guard !signals.isEmpty else { return }
        for signal in signals { readings[signal] = .unreadable(PostgreSQLSignalQuery.neededRole(signal)) }
        for row in try session.query(query.text(of: signals, tables: tables)) {
            guard let signal = row.text("signal").flatMap(LoadSignal.init),
                var value = row.text("value").flatMap(Double.init)
            else { continue }
            if signal == .replayLag, let written = row.int("written") {
                value = max(value, lagClock.lag(written: written, replayed: row.int("replayed"), at: .now))
                replayLag = row.int("replayed").map { _ in .milliseconds(Int(value * 1000)) }
            }
            readings[signal] = .figure(value, detail: row.text("detail") ?? "")
        }
    }

    private func freeDisk() -> Reading {
        guard let dataFolder else { return .unreadable("the server's folder is not known on this machine") }
        var figures = statvfs()
        guard statvfs(dataFolder, &figures) == 0, figures.f_blocks > 0 else {
            return .unreadable("the folder \(dataFolder) cannot be reached")
        }
        return .figure(Double(figures.f_bavail) / Double(figures.f_blocks), detail: dataFolder)
    }
}

/// How far a replica that reports no progress at all is behind: its own figure stands still while replay does.
struct ReplayClock {
    private var written: [(position: Int, at: ContinuousClock.Instant)] = []

    /// - Parameters:
    ///   - written: up to where the primary has written, in bytes.
    ///   - replayed: up to where the slowest replica has replayed; nil without any.
    /// - Returns: seconds since what has not been replayed was seen written.
    mutating func lag(written position: Int, replayed: Int?, at now: ContinuousClock.Instant) -> Double {
        guard let replayed else {
            written = []
            return 0
        }
        written.removeAll { $0.position <= replayed }
        if position > replayed, position > written.last?.position ?? 0 { written.append((position, now)) }
        return written.first.map { $0.at.duration(to: now).seconds } ?? 0
    }
}

extension DatabaseError {
    /// Says something of the question, not of the connection or of the one who asks.
    fileprivate var isAboutReading: Bool {
        switch kind {
        case .connectionLost, .connectionFailed, .cancelled: false
        default: true
        }
    }
}

extension Double {
    /// With one digit behind the point.
    fileprivate var tenths: String {
        let tenths = Int((self * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
