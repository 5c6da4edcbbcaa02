"""The measurements of `scripts/bench switch`, which starts the server and calls this."""

import time

import report
from moves import Stage, interruptible, parser, say

SMALL = 100_000
WAYS = ("naive", "copy", "bare", "rename")
TITLES = {"naive": "naive script", "copy": "window, strategy=copy", "bare": "window, strategy=copy, no backup",
          "rename": "window, strategy=rename"}
QUIET = 2  # Seconds of the probe before the migration: its longest latency without one.


def move(stage, database, rows, way):
    if way == "naive":
        return stage.naive(database, rows)
    return stage.upgrade(database, way, "window")


def timed(stage, rows, way):
    database = stage.clone(rows)
    figures = stage.measured(lambda: move(stage, database, rows, way))
    stage.check_moved(database, rows)
    stage.drop(database)
    return figures


def watched(stage, rows, way):
    """The figures of another run, beside a probe that updates single rows and an observer of the locks; and the
    probe's line."""
    database = stage.clone(rows)
    sizes = stage.templates[rows]["sizes"]
    locks = stage.load("locks", database, f"locks-{rows}-{way}.csv", pause=0.001)
    probe = stage.load("probe", database, f"probe-{rows}-{way}.csv", pause=0.002, keys=list(sizes))
    time.sleep(QUIET)
    figures = stage.measured(lambda: move(stage, database, rows, way))
    time.sleep(0.5)
    acknowledged, seen = probe.stop()["acknowledged"], locks.stop()
    connection = stage.connect(database)
    found = dict(connection.query(
        f"SELECT id, coalesce(file_size, 0) FROM messages WHERE id IN ({', '.join(sizes)})"))
    connection.close()
    stage.drop(database)
    log = report.read_csv(probe.path)
    latencies = [(float(row["began"]) - figures["started"], float(row["milliseconds"]) / 1000) for row in log]
    during = [value for at, value in latencies if 0 <= at + value and at <= figures["seconds"]]
    return {
        "seconds": figures["seconds"],
        "longest_lock_seconds": seen["longest"].get("direct_messages", 0),
        "longest_lock_seconds_by_table": seen["longest"],
        "lock_looks": seen["looks"],
        "median_gap_of_looks_seconds": seen["median_gap"],
        "longest_gap_of_looks_seconds": seen["longest_gap"],
        "probe_updates": len(latencies),
        "probe_longest_seconds": max(during, default=0),
        "probe_longest_before_seconds": max((value for at, value in latencies if at + value < 0), default=0),
        # Each acknowledged update added one.
        "lost_updates": sum(size + acknowledged.get(key, 0) - int(found.get(key, 0)) for key, size in sizes.items()),
    }, report.statements(log, figures["started"])


def measure(stage, rows, runs):
    stage.fill(rows)
    rounds = []
    for number in range(runs):
        say(f"{rows:,} messages, round {number + 1} of {runs}")
        # In turn, and not always the same one first.
        order = [WAYS[(number + place) % len(WAYS)] for place in range(len(WAYS))]
        rounds.append({way: timed(stage, rows, way) for way in order})
    say(f"{rows:,} messages: locks")
    seen, lines = {}, []
    for way in WAYS:
        seen[way], line = watched(stage, rows, way)
        lines.append((TITLES[way], line))
    stage.control.query(f"DROP DATABASE {stage.templates[rows]['name']}")
    return {"messages": stage.templates[rows]["count"], "bytes": stage.templates[rows]["bytes"],
            "rounds": rounds, "locks": seen}, lines


def main():
    options = parser("switch", "rounds (default: 3 up to 200,000 messages, else 1)").parse_args()
    stage = Stage(options)
    try:
        facts = stage.about("switch", str(options.rows))
        results, charts = {}, []
        for rows in sorted({min(SMALL, options.rows), options.rows}):
            runs = options.runs or (3 if rows <= 200_000 else 1)
            results[rows], lines = measure(stage, rows, runs)
            charts.append((f"probe-{rows}.svg", report.line_chart(
                f"An update of one row beside a switch of {rows:,} messages", "seconds since the migration began",
                "milliseconds", lines, logarithmic=True)))
    finally:
        stage.close()
    print(write(options.output, facts, results, charts))
    say(f"Written to {options.output}")


def write(folder, facts, results, charts):
    """The report's text."""
    times, locks, data, bars = [], [], [], []
    for rows, result in results.items():
        rounds = result["rounds"]
        middle = lambda way, figure: report.median([run[way][figure] for run in rounds])
        for way in WAYS:
            ratio, wal_ratio = (report.pair_ratio(rounds, way, "naive", figure) for figure in ("seconds", "wal_bytes"))
            times.append((
                f"{rows:,}", TITLES[way], report.seconds(middle(way, "seconds")), f"{ratio:.3f}",
                report.megabytes(middle(way, "wal_bytes")), f"{wal_ratio:.3f}",
                report.megabytes(max(run[way]["peak_bytes"] for run in rounds)), len(rounds)))
            seen = result["locks"][way]
            locks.append((
                f"{rows:,}", TITLES[way], report.milliseconds(seen["longest_lock_seconds"]),
                report.milliseconds(seen["probe_longest_seconds"]),
                report.milliseconds(seen["probe_longest_before_seconds"]), seen["lost_updates"]))
            bars.append((f"{rows:,}: {TITLES[way]}", middle(way, "seconds")))
            for number, run in enumerate(rounds, 1):
                data.append((rows, way, number, run[way]["seconds"], run[way]["wal_bytes"], run[way]["peak_bytes"]))
    words = "\n".join([
        "# The switch of direct_messages to messages, in a window\n",
        report.about(facts),
        "Times are of whole processes and medians over the rounds; ratios are medians of the rounds' own ratios. What "
        "migrator does includes a backup, where nothing else is said, and the comparison of every row; the naive script "
        "does neither.\n",
        report.table(("messages", "way", "time", "over naive", "WAL", "over naive", "peak memory", "rounds"), times),
        "Beside another run of each, a probe updates single rows and an observer looks for ACCESS EXCLUSIVE locks on "
        "`direct_messages`; a time of the observer is never too short, unless a lock came and went between two looks, "
        "which are some 2 ms apart.\n",
        report.table(("messages", "way", "longest lock, observed", "probe's longest update", "before the migration",
                      "updates lost"), locks),
        "![times](times.svg)\n", *(f"![updates]({name})\n" for name, _ in charts)])
    report.write(folder, "report.md", words)
    report.write_json(folder, "results.json", {"about": facts, "results": results})
    report.write_csv(folder, "times.csv", ("messages", "way", "round", "seconds", "wal_bytes", "peak_bytes"), data)
    report.write(folder, "times.svg", report.bar_chart("Time of the switch", bars, report.seconds))
    for name, chart in charts:
        report.write(folder, name, chart)
    return words


if __name__ == "__main__":
    interruptible(main)
