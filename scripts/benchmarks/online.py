"""The measurements of `scripts/bench online`, which starts the server and calls this."""

import math
import sys
import time

import report
from moves import Stage, interruptible, parser, say

WRITERS = 2
PAUSE = 0.005  # Seconds of a writer after each statement.
AROUND = 1  # Seconds of writing before and after each migration.
STRATEGIES = ("copy", "rename")
UP, DOWN = "up", "down"


class Writing:
    """Two writers and an observer of the progress beside an action; afterwards, whether each write is there."""

    def __init__(self, stage, rows, name):
        self.stage, self.rows, self.name = stage, rows, name
        self.kept, self.gone = {}, set()

    def beside(self, database, step, action):
        """The action's figures, with the writers' statements that ran beside it."""
        label = f"{self.rows}-{self.name}-{step}"
        observer = self.stage.load("progress", database, f"progress-{label}.csv", pause=0.25)
        writers = [
            self.stage.load("writer", database, f"writer-{label}-{number}.csv", number=number, pause=PAUSE)
            for number in range(1, WRITERS + 1)]
        time.sleep(AROUND)
        figures = action()
        time.sleep(AROUND)
        for writer in writers:
            account = writer.stop()
            self.kept.update(account["kept"])
            self.gone.update(account["gone"])
        observer.stop()
        logs = [report.read_csv(writer.path) for writer in writers]
        beside = [row for log in logs for row in log
                  if float(row["began"]) + float(row["milliseconds"]) / 1000 >= figures["started"]
                  and float(row["began"]) <= figures["ended"]]
        latencies = sorted(float(row["milliseconds"]) / 1000 for row in beside)
        errors = {}
        for row in beside:
            if row["sqlstate"]:
                errors[row["sqlstate"]] = errors.get(row["sqlstate"], 0) + 1
        figures["writers"] = {
            "statements": len(beside),
            "median_seconds": report.median(latencies) if latencies else 0,
            "p99_seconds": latencies[math.ceil(len(latencies) * 0.99) - 1] if latencies else 0,
            "longest_seconds": latencies[-1] if latencies else 0,
            "errors": errors,
            **self.compare(database),
        }
        figures["lines"] = [
            (f"writer {number}", report.statements(log, figures["started"])) for number, log in enumerate(logs, 1)]
        figures["progress"] = [
            (float(row["at"]) - figures["started"], int(row["rows"]), int(row["wal_bytes"]))
            for row in report.read_csv(observer.path)]
        return figures

    def compare(self, database):
        """Acknowledged writes that are not there as they were written, and rows that nobody wrote or that came back."""
        connection = self.stage.connect(database)
        found = dict(connection.query(
            f"SELECT id, content FROM direct_messages WHERE id > {self.stage.templates[self.rows]['last']}"))
        connection.close()
        return {"lost": sum(found.get(key) != content for key, content in self.kept.items()),
                "extra": len(found.keys() - self.kept.keys()), "back": len(found.keys() & self.gone)}


def naive(stage, rows):
    database = stage.clone(rows)
    figures = stage.measured(lambda: stage.naive(database, rows))
    stage.check_moved(database, rows)
    stage.drop(database)
    return {"naive": figures}


def there_and_back(stage, rows, strategy, mode, refusals):
    """Up beside writers, both ways to verify, down beside writers."""
    if f"{strategy} up" in refusals:
        return {}
    database = stage.clone(rows)
    writing = Writing(stage, rows, strategy)
    up = writing.beside(database, UP, lambda: stage.measured(lambda: stage.upgrade(database, strategy, mode)))
    proofs = {
        f"{strategy} {name}": stage.measured(lambda: stage.migrate(database, strategy, *command))
        for name, command in (("verify", ["verify"]), ("verify --full", ["verify", "--full"]))}
    back = {}
    if f"{strategy} down" not in refusals:
        back = {f"{strategy} down": writing.beside(database, DOWN, lambda: stage.measured(
            lambda: stage.migrate(database, strategy, "downgrade", "0001", "--mode", mode)))}
    stage.drop(database)
    return {f"{strategy} up": up, **proofs, **back}


def without_backup(stage, rows, mode):
    """Copying, as the naive script does it: without a backup."""
    database = stage.clone(rows)
    up = Writing(stage, rows, "bare").beside(
        database, UP, lambda: stage.measured(lambda: stage.upgrade(database, "bare", mode)))
    stage.drop(database)
    return {"bare up": up}


def baseline(stage, rows, seconds):
    """The writers alone, for as long."""
    database = stage.clone(rows)

    def wait():
        position = lambda: int(stage.control.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
        before, started = position(), time.monotonic()
        time.sleep(seconds)
        ended = time.monotonic()
        return {"seconds": ended - started, "wal_bytes": position() - before, "started": started, "ended": ended}

    figures = Writing(stage, rows, "baseline").beside(database, "none", wait)
    stage.drop(database)
    return {"baseline": figures}


def measure(stage, rows, runs, mode, refusals):
    stage.fill(rows)
    rounds = []
    for number in range(runs):
        say(f"{rows:,} messages, round {number + 1} of {runs}")
        steps = [
            lambda: naive(stage, rows),
            lambda: there_and_back(stage, rows, "copy", mode, refusals),
            lambda: there_and_back(stage, rows, "rename", mode, refusals),
        ]
        if "copy up" not in refusals:
            steps.append(lambda: without_backup(stage, rows, mode))
        results = {}
        for place in range(len(steps)):  # In turn, and not always the same one first.
            results.update(steps[(number + place) % len(steps)]())
        results.update(baseline(stage, rows, max(
            figures["seconds"] for step, figures in results.items() if step.endswith(" up"))))
        rounds.append(results)
    stage.control.query(f"DROP DATABASE {stage.templates[rows]['name']}")
    return {"messages": stage.templates[rows]["count"], "bytes": stage.templates[rows]["bytes"], "rounds": rounds}


def main():
    arguments = parser("online", "rounds (default: 3 up to 200,000 messages, else 1)")
    arguments.add_argument("--mode", choices=("online", "window"), default="online",
                           help="window: what the writers would see in a window, for comparison")
    options = arguments.parse_args()
    stage = Stage(options)
    try:
        refusals = stage.refusals(options.mode)
        for step, words in refusals.items():
            say(f"Not measured, since migrator refuses it: {step}, --mode {options.mode}: {words}")
        if all(f"{strategy} up" in refusals for strategy in STRATEGIES):
            sys.exit(64)
        facts = stage.about("online", str(options.rows), "--mode", options.mode)
        results = {}
        for rows in sorted({max(options.rows // 5, 1), options.rows}):
            runs = options.runs or (3 if options.rows <= 200_000 else 1)
            results[rows] = measure(stage, rows, runs, options.mode, refusals)
    finally:
        stage.close()
    print(write(options.output, options.mode, facts, results, refusals))
    say(f"Written to {options.output}")


# The report

STEPS = {
    "naive": "naive script, nobody writing", "copy up": "upgrade, strategy=copy", "copy verify": "verify after it",
    "copy verify --full": "verify --full after it", "copy down": "downgrade after it",
    "bare up": "upgrade, strategy=copy, no backup",
    "rename up": "upgrade, strategy=rename", "rename verify": "verify after it",
    "rename verify --full": "verify --full after it", "rename down": "downgrade after it",
    "baseline": "no migration",
}


def stalls(rounds, step):
    """The longest wait of a statement over the longest without a migration."""
    longest = lambda run, step: run[step]["writers"]["longest_seconds"]
    return report.median([longest(run, step) / longest(run, "baseline") for run in rounds])


def rates(progress, column, divisor):
    """What came in a second, level over spans of a second or so: the server's statistics arrive once a second."""
    points, last = [], progress[0]
    for sample in progress:
        if sample[0] - last[0] >= 1:
            rate = max(sample[column] - last[column], 0) / (sample[0] - last[0]) / divisor
            points += [(last[0], rate), (sample[0], rate)]
            last = sample
    return points


def charts(rows, mode, run):
    if "copy up" in run:
        yield f"rows-{rows}.svg", report.line_chart(
            f"Rows copied a second, {rows:,} messages, {mode}, two writers", "seconds since the upgrade began",
            "rows/s", [("strategy=copy", rates(run["copy up"]["progress"], 1, 1))],
            [("upgrade", 0, run["copy up"]["seconds"])])
    yield f"wal-{rows}.svg", report.line_chart(
        f"WAL a second, {rows:,} messages, {mode}, two writers", "seconds since the upgrade began", "MB/s",
        [(f"strategy={strategy}", rates(run[f"{strategy} up"]["progress"], 2, 1e6))
         for strategy in STRATEGIES if f"{strategy} up" in run])
    for step in [step for step in run if "lines" in run[step]]:
        yield f"latency-{rows}-{step.replace(' ', '-')}.svg", report.line_chart(
            f"A writer's statement, {rows:,} messages, {mode}, {step}", "seconds since it began", "milliseconds",
            run[step]["lines"], [(STEPS[step], 0, run[step]["seconds"])], logarithmic=True)


def size_tables(rows, result):
    rounds = result["rounds"]
    times, waits = [], []
    for step, title in STEPS.items():
        if step not in rounds[0]:
            continue
        middle = lambda figure: report.median([run[step][figure] for run in rounds])
        if step != "baseline":
            times.append((
                title, report.seconds(middle("seconds")), f"{report.pair_ratio(rounds, step, 'naive'):.3f}",
                report.megabytes(middle("wal_bytes")),
                report.megabytes(max(run[step]["peak_bytes"] for run in rounds))))
        if "writers" in rounds[0][step]:
            seen = [run[step]["writers"] for run in rounds]
            errors = {}
            for each in seen:
                for state, count in each["errors"].items():
                    errors[state] = errors.get(state, 0) + count
            waits.append((
                title, sum(each["statements"] for each in seen),
                report.milliseconds(report.median([each["median_seconds"] for each in seen])),
                report.milliseconds(report.median([each["p99_seconds"] for each in seen])),
                report.milliseconds(max(each["longest_seconds"] for each in seen)),
                f"{stalls(rounds, step):.2f}",
                ", ".join(f"{count} x {state}" for state, count in sorted(errors.items())) or 0,
                sum(each["lost"] for each in seen), sum(each["extra"] for each in seen)))
    return [
        f"## {rows:,} messages\n",
        report.table(("step", "time", "over naive", "WAL, with the writers'", "peak memory"), times),
        report.table(("beside the writers", "statements", "median", "p99", "longest", "longest over no migration's",
                      "errors", "writes lost", "rows extra"), waits)]


def summary(results):
    """One line for each figure, of the full size."""
    small, full = min(results), max(results)
    rounds, lines = results[full]["rounds"], []
    for title, needed, figure in (
        ("time of the upgrade over the naive script's", UP, lambda strategy: report.pair_ratio(
            rounds, f"{strategy} up", "naive")),
        ("longest stall of a writer over that without a migration, up", UP, lambda strategy: stalls(
            rounds, f"{strategy} up")),
        ("the same, down", DOWN, lambda strategy: stalls(rounds, f"{strategy} down")),
        ("time of verify --full over the upgrade's", UP, lambda strategy: report.pair_ratio(
            rounds, f"{strategy} verify --full", f"{strategy} up")),
        ("peak memory, MB", UP, lambda strategy: max(
            run[step]["peak_bytes"] for run in rounds for step in run if step.startswith(strategy)) / 1e6),
        (f"time of the upgrade of {full:,} over that of {small:,}", UP, lambda strategy: time_of(
            results[full], strategy) / time_of(results[small], strategy)),
    ):
        lines.append((title, *(
            f"{figure(strategy):.2f}" if f"{strategy} {needed}" in rounds[0] else "refused"
            for strategy in STRATEGIES)))
    return report.table(("figure", *(f"strategy={strategy}" for strategy in STRATEGIES)), lines)


def time_of(result, strategy):
    return report.median([run[f"{strategy} up"]["seconds"] for run in result["rounds"]])


def write(folder, mode, facts, results, refusals):
    """The report's text."""
    drawings = list(charts(max(results), mode, results[max(results)]["rounds"][0]))
    data = []
    for rows, result in results.items():
        for number, run in enumerate(result["rounds"], 1):
            for step, figures in run.items():
                seen = figures.get("writers", {})
                data.append((
                    rows, step, number, figures["seconds"], figures["wal_bytes"], figures.get("peak_bytes", ""),
                    *(seen.get(name, "") for name in ("statements", "longest_seconds", "lost", "extra"))))
                for drawn in ("lines", "progress", "started", "ended"):
                    figures.pop(drawn, None)
    words = "\n".join([
        f"# The switch of direct_messages to messages beside writers, --mode {mode}\n",
        report.about(facts),
        f"{WRITERS} writers insert, update and delete messages of their own by the old name, each with a pause of "
        f"{PAUSE * 1000:.0f} ms after a statement. Times are of whole processes; those, and the ratios of each round, "
        "are given as medians over the rounds. An upgrade includes a backup, where nothing else is said, and the "
        "comparison of every row; the naive script does neither, and nobody writes beside it. \"No migration\" lasts "
        "as long as the longest of the upgrades.\n",
        *(f"Not measured, since migrator refuses it: {step}.\n\n```\n{words}\n```\n"
          for step, words in refusals.items()),
        summary(results),
        *(part for rows in sorted(results, reverse=True) for part in size_tables(rows, results[rows])),
        *(f"![{name.removesuffix('.svg')}]({name})\n" for name, _ in drawings)])
    report.write(folder, "report.md", words)
    report.write_json(folder, "results.json", {"about": facts, "mode": mode, "refused": refusals, "results": results})
    report.write_csv(folder, "steps.csv", (
        "messages", "step", "round", "seconds", "wal_bytes", "peak_bytes", "writer_statements", "longest_stall_seconds",
        "lost", "extra"), data)
    for name, drawing in drawings:
        report.write(folder, name, drawing)
    return words


if __name__ == "__main__":
    interruptible(main)
