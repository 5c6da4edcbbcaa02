import MigratorScript
import Testing

@testable import MigratorEngine

@Suite struct PaceTests {
    struct BatchCase: Sendable {
        var name: String
        /// Milliseconds and MiB of WAL of each batch.
        var batches: [(milliseconds: Int, walMiB: Int)]
        var ceiling = BatchSize.largest
        var target = 250
        var rows: ClosedRange<Int>
    }

    static let batchCases: [BatchCase] = [
        BatchCase(name: "at the target it stays", batches: [(250, 1)], rows: 1000...1000),
        BatchCase(name: "fast ones grow by a fifth at most", batches: [(1, 1)], rows: 1200...1200),
        BatchCase(name: "slow ones halve at most", batches: [(60_000, 1)], rows: 500...500),
        BatchCase(name: "in between by their share", batches: [(500, 1)], rows: 500...500),
        BatchCase(name: "never below the smallest", batches: .init(repeating: (9000, 1), count: 9), rows: 100...100),
        BatchCase(
            name: "never above the largest", batches: .init(repeating: (1, 1), count: 60), rows: 50_000...50_000),
        BatchCase(
            name: "nor above the rows' bytes", batches: .init(repeating: (1, 1), count: 60), ceiling: 3000,
            rows: 3000...3000),
        BatchCase(name: "one slow batch is averaged", batches: [(250, 1), (500, 1)], rows: 760...775),
        BatchCase(name: "much WAL shrinks a fast one", batches: [(1, 128)], rows: 500...500),
        BatchCase(name: "a little too much WAL a little", batches: [(1, 80)], rows: 790...810),
        BatchCase(name: "WAL at the limit is fine", batches: [(250, 64)], rows: 1000...1000),
        BatchCase(name: "a narrower target", batches: [(100, 1)], target: 50, rows: 500...500),
    ]

    @Test(arguments: batchCases) func batchesFollowTimeBytesAndWAL(_ test: BatchCase) {
        var size = BatchSize(target: .milliseconds(test.target), ceiling: test.ceiling)
        for batch in test.batches {
            size.adapt(to: .milliseconds(batch.milliseconds), walBytes: batch.walMiB << 20)
        }
        #expect(test.rows.contains(size.rows), "\(test.name): \(size.rows)")
    }

    @Test func aLostBatchIsHalvedDownToOneRowAndItsTimeForgotten() {
        var size = BatchSize(target: .milliseconds(250))
        size.adapt(to: .seconds(9), walBytes: 0)
        for expected in [250, 125, 62] {
            size.halve()
            #expect(size.rows == expected)
        }
        size.adapt(to: .milliseconds(1), walBytes: 0)
        #expect(size.rows == 100, "the average begins anew, and the smallest size is kept")
        for _ in 0..<20 { size.halve() }
        #expect(size.rows == 1)
    }

    /// How often the work stops, and whether it stands at the end.
    private func run(_ gauge: LoadGauge, _ values: [Double]) -> (stops: Int, isPausing: Bool) {
        var gauge = gauge
        var stops = 0
        for value in values {
            let was = gauge.isPausing
            if gauge.update(value), !was { stops += 1 }
        }
        return (stops, gauge.isPausing)
    }

    private static let around = [0.5, 1.6, 1.4, 1.6, 1.4, 1.6, 1.2]

    @Test(
        arguments: [
            ([1.4, 1.49], 0, false), ([1.5], 1, true), (around, 1, true), (around + [1.04], 1, false),
            (around + [1.06], 1, true), ([2, 1, 2, 1], 2, false),
        ] as [([Double], Int, Bool)])
    func gaugePausesAtTheMarkAndGoesOnAtSeventyPercent(_ values: [Double], _ stops: Int, _ isPausing: Bool) {
        let result = run(LoadGauge(limit: 1.5), values)
        #expect(result.stops == stops && result.isPausing == isPausing)
    }

    @Test func gaugeWithoutTheMarginStutters() {
        #expect(run(LoadGauge(limit: 1.5, resumeShare: 1), Self.around).stops > 1)
    }

    @Test func gaugeOfAFloorPausesBelowIt() {
        let gauge = LoadGauge(limit: 0.15, isFloor: true)
        #expect(run(gauge, [0.5, 0.16]) == (0, false))
        #expect(run(gauge, [0.15, 0.2]) == (1, true))
        #expect(run(gauge, [0.15, 0.22]) == (1, false))
        #expect(run(gauge, [0]) == (1, true))
    }

    @Test func replicaThatStandsStillIsBehind() {
        var clock = ReplayClock()
        let start = ContinuousClock.now
        func lag(_ written: Int, _ replayed: Int?, _ second: Int) -> Double {
            clock.lag(written: written, replayed: replayed, at: start + .seconds(second))
        }
        #expect(lag(100, 100, 0) == 0)
        #expect(lag(200, 100, 1) == 0)
        #expect(lag(300, 100, 2) == 1)
        #expect(lag(300, 100, 5) == 4)
        #expect(lag(300, 200, 6) == 4, "what was written in second 2 is not there yet")
        #expect(lag(300, 300, 7) == 0)
        #expect(lag(400, nil, 8) == 0, "the last replica has gone")
    }

    @Test func rateFollowsTheLastMomentsAndANewPhase() throws {
        var meter = ProgressMeter()
        let start = ContinuousClock.now
        func rate(_ rows: Int, _ second: Int) -> Double? { meter.rate(rows: rows, at: start + .seconds(second)) }
        #expect(rate(1000, 0) == nil)
        #expect(rate(3000, 2) == 1000)
        for second in 3...40 { _ = rate(3000 + (second - 2) * 100, second) }
        #expect(rate(6900, 41) == 100, "the fast beginning is forgotten")
        #expect(rate(10, 42) == nil)
        #expect(rate(20, 43) == 10)
        var progress = StepProgress("x", rows: 1000, total: 4000)
        #expect(progress.remaining == nil)
        progress.rowsPerSecond = 500
        #expect(progress.remaining == .seconds(6))
        progress.rows = 9000
        #expect(progress.remaining == .zero)
    }

    private final class Scripted: LoadSignals {
        var answers: [[PauseReason]]
        var looks: [ContinuousClock.Instant] = []
        init(_ answers: [[PauseReason]]) { self.answers = answers }
        var replayLag: Duration? { nil }
        func reasonsToPause(working tables: [TableName]) -> [PauseReason] {
            looks.append(.now)
            return answers.isEmpty ? [] : answers.removeFirst()
        }
    }

    @Test func signalsAreReadOnceASecondAndAPauseIsToldOnce() throws {
        let lag = PauseReason(.replayLag, "replica r is 9.0 s behind")
        let signals = Scripted([[lag], [PauseReason(.replayLag, "replica r is 8.0 s behind")], []])
        let recorder = Recorder()
        var pace = Pace(options: RunOptions(), reporter: recorder, signals: signals)
        try pace.rest(after: .zero, isInterrupted: { false })
        for _ in 0..<5 { try pace.rest(after: .zero, isInterrupted: { false }) }
        #expect(recorder.waits == ["paused: replica r is 9.0 s behind"])
        #expect(signals.looks.count == 3)
        #expect(zip(signals.looks, signals.looks.dropFirst()).allSatisfy { $0.duration(to: $1) >= .milliseconds(990) })
        #expect(pace.paused > .milliseconds(1900))
    }

    @Test func interruptionEndsAPause() throws {
        let signals = Scripted(.init(repeating: [PauseReason(.query, "no")], count: 100))
        var pace = Pace(options: RunOptions(), reporter: SilentReporter(), signals: signals)
        let start = ContinuousClock.now
        try pace.rest(after: .zero, isInterrupted: { start.duration(to: .now) > .milliseconds(300) })
        #expect(start.duration(to: .now) < .seconds(2))
    }
}

/// Keeps what is reported.
final class Recorder: Reporter {
    private(set) var events: [Event] = []
    func report(_ event: Event) { events.append(event) }

    var waits: [String] { events.compactMap { if case .waiting(let text) = $0 { text } else { nil } } }
    var notes: [String] { events.compactMap { if case .note(let text) = $0 { text } else { nil } } }
    var warnings: [String] { events.compactMap { if case .warning(let text) = $0 { text } else { nil } } }
}
