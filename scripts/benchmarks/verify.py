"""The measurements of `scripts/bench verify`, which starts the server and calls this: `migrator verify` against counting
the two tables of messages."""

import report
import sys
from moves import Stage, interruptible, parser, say
from processes import run

# The revision, and the tables that a migrated database has its messages in.
POINTS = (("0002", ("messages", "direct_messages_backup")), ("head", ("messages", "enhanced_messages")))
WAYS = {
    "counts": "two count(*)",
    "verify --counts": "migrator verify --counts",
    "verify": "migrator verify",
    "verify --full": "migrator verify --full",
}


def count(stage, database, tables):
    """Both tables counted by one psql."""
    statements = [word for table in tables for word in ("-c", f"SELECT count(*) FROM {table}")]
    return run([stage.options.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", stage.url(database), *statements],
               stage.theirs).checked()


def timed(stage, database, way, tables):
    outcome = count(stage, database, tables) if way == "counts" else \
        stage.migrate(database, "rename", *way.split()).checked()
    if way != "counts" and "no differences" not in outcome.output:
        sys.exit(f"error: not verified:\n{outcome.output}{outcome.errors}")
    return {"seconds": outcome.seconds, "peak_bytes": outcome.peak_bytes}


def measure(stage, database, revision, tables, rounds):
    say(f"Upgrading to {revision}")
    stage.migrate(database, "rename", "upgrade", revision, "--mode", "window").checked()
    connection = stage.connect(database)
    # As autovacuum leaves it, and so that it does not begin in the middle.
    connection.query("VACUUM ANALYZE")
    rows = [int(connection.value(f"SELECT count(*) FROM {table}")) for table in tables]
    size = sum(int(connection.value(f"SELECT pg_relation_size('{table}')")) for table in tables)
    connection.close()
    stage.control.query("CHECKPOINT")
    ways = list(WAYS)
    measured = []
    for number in range(rounds + 1):
        say(f"{revision}: " + (f"round {number} of {rounds}" if number else "warming up"))
        # In turn, and not always the same one first.
        order = [ways[(number + place) % len(ways)] for place in range(len(ways))]
        figures = {way: timed(stage, database, way, tables) for way in order}
        if number:
            measured.append(figures)
    return {"tables": dict(zip(tables, rows)), "bytes": size, "rounds": measured}


def write(folder, facts, results):
    """The report's text."""
    lines, data = [], []
    for revision, result in results.items():
        rounds = result["rounds"]
        for way, title in WAYS.items():
            lines.append((
                revision, title, report.seconds(report.median([run[way]["seconds"] for run in rounds])),
                f"{report.pair_ratio(rounds, way, 'counts'):.2f}",
                report.megabytes(max(run[way]["peak_bytes"] for run in rounds)), len(rounds)))
            data += [(revision, way, number, run[way]["seconds"], run[way]["peak_bytes"])
                     for number, run in enumerate(rounds, 1)]
    tables = "; ".join(
        f"{revision}: " + ", ".join(f"{rows:,} rows in `{table}`" for table, rows in result["tables"].items())
        + f", {report.megabytes(result['bytes'])}" for revision, result in results.items())
    words = "\n".join([
        "# Verifying, against counting the messages\n", report.about(facts),
        "Times are of whole processes and medians over the rounds; ratios are medians of the rounds' own ratios. "
        f"What psql counts, after VACUUM ANALYZE: {tables}.\n",
        report.table(("revision", "", "time", "over two count(*)", "peak memory", "rounds"), lines)])
    report.write(folder, "report.md", words)
    report.write_json(folder, "results.json", {"about": facts, "results": results})
    report.write_csv(folder, "times.csv", ("revision", "way", "round", "seconds", "peak_bytes"), data)
    return words


def main():
    options = parser("verify", "rounds (default: 5)").parse_args()
    stage = Stage(options)
    try:
        facts = stage.about("verify", str(options.rows))
        stage.fill(options.rows)
        database = stage.clone(options.rows)
        stage.control.query(f"DROP DATABASE {stage.templates[options.rows]['name']}")
        results = {
            revision: measure(stage, database, revision, tables, options.runs or 5) for revision, tables in POINTS}
        stage.drop(database)
    finally:
        stage.close()
    print(write(options.output, facts, results))
    say(f"Written to {options.output}")


if __name__ == "__main__":
    interruptible(main)
