"""The measurements of `scripts/bench startup`, which starts the server and calls this."""

import argparse
import json
import os
import shutil
import statistics
import tempfile

from processes import environment, run

PARSER = argparse.ArgumentParser(prog="scripts/bench startup")
PARSER.add_argument("--migrator", required=True, help=argparse.SUPPRESS)
PARSER.add_argument("--psql", required=True, help=argparse.SUPPRESS)
PARSER.add_argument("--library", default="", help=argparse.SUPPRESS)
PARSER.add_argument("--server", required=True, help=argparse.SUPPRESS)
PARSER.add_argument("--runs", type=int, default=40, help="pairs of the no-op (default: 40)")
PARSER.add_argument("--revisions", type=int, default=1000, help="revisions of the long chain (default: 1000)")
PARSER.add_argument("--json", metavar="FILE", help="also write the figures to a file")


def table_name(number):
    return f"bench_{number:05d}"


def write_revisions(folder, count):
    scripts = os.path.join(folder, "postgresql")
    os.makedirs(scripts)
    for number in range(1, count + 1):
        parent = f"{number - 1:05d}" if number > 1 else "base"
        with open(os.path.join(scripts, f"{number:05d}_table.sql"), "w") as file:
            file.write(
                f"-- migrator:revision {number:05d}\n-- migrator:revises {parent}\n\n-- migrator:upgrade\n"
                f"CREATE TABLE {table_name(number)} (id integer PRIMARY KEY, name text NOT NULL);\n\n"
                f"-- migrator:downgrade\nDROP TABLE {table_name(number)};\n")


def write_psql_script(path, count):
    with open(path, "w") as file:
        file.write("CREATE TABLE ledger (revision text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());\n")
        for number in range(1, count + 1):
            file.write(
                f"BEGIN;\nCREATE TABLE {table_name(number)} (id integer PRIMARY KEY, name text NOT NULL);\n"
                f"INSERT INTO ledger (revision) VALUES ('{number:05d}');\nCOMMIT;\n")


def measured(command, variables):
    outcome = run(command, variables).checked()
    return outcome.seconds, outcome.peak_bytes


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.own = environment("")
        self.theirs = environment(options.library)

    def url(self, database):
        return self.options.server.replace("/postgres?", f"/{database}?")

    def psql(self, database, *arguments):
        return measured(
            [self.options.psql, "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), *arguments], self.theirs)

    def migrate(self, database, count):
        return measured(
            [self.options.migrator, "upgrade", "head", "--database", self.url(database),
             "--migrations", os.path.join(self.folder, str(count))], self.own)

    def create(self, database):
        self.psql("postgres", "-c", f"CREATE DATABASE {database}")

    def no_op(self, count):
        """Pairs in turn, each begun by the other one; medians, and the median of the pairs' ratios."""
        database = f"noop_{count}"
        self.create(database)
        self.migrate(database, count)
        select = lambda: self.psql(database, "-c", "select 1")
        upgrade = lambda: self.migrate(database, count)
        for _ in range(3):
            select(), upgrade()
        theirs, ours = [], []
        for number in range(self.options.runs):
            if number % 2:
                ours.append(upgrade())
                theirs.append(select())
            else:
                theirs.append(select())
                ours.append(upgrade())
        return figures(ours, theirs)

    def apply(self, count, pairs=3):
        script = os.path.join(self.folder, "apply.sql")
        write_psql_script(script, count)
        theirs, ours = [], []
        for number in range(pairs):
            for database in (f"apply_psql_{number}", f"apply_migrator_{number}"):
                self.create(database)
            theirs.append(self.psql(f"apply_psql_{number}", "-f", script))
            ours.append(self.migrate(f"apply_migrator_{number}", count))
        return figures(ours, theirs)


def figures(ours, theirs):
    return {
        "runs": len(ours),
        "migrator_seconds": statistics.median(seconds for seconds, _ in ours),
        "psql_seconds": statistics.median(seconds for seconds, _ in theirs),
        "ratio": statistics.median(our[0] / their[0] for our, their in zip(ours, theirs)),
        "migrator_peak_bytes": max(peak for _, peak in ours),
    }


def main():
    options = PARSER.parse_args()
    folder = tempfile.mkdtemp(prefix="migrator-bench-")
    try:
        counts = sorted({3, options.revisions})
        for count in counts:
            write_revisions(os.path.join(folder, str(count)), count)
        bench = Bench(options, folder)
        results = {f"no-op at {count}": bench.no_op(count) for count in counts}
        results[f"apply {options.revisions}"] = bench.apply(options.revisions)
    finally:
        shutil.rmtree(folder)
    print(f"{'':16} {'migrator':>12} {'psql':>12} {'ratio':>7} {'peak memory':>12}")
    for name, figure in results.items():
        print(
            f"{name:16} {figure['migrator_seconds'] * 1000:9.1f} ms {figure['psql_seconds'] * 1000:9.1f} ms"
            f" {figure['ratio']:7.2f} {figure['migrator_peak_bytes'] / 1e6:9.1f} MB")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"schema_version": 1, "results": results}, file, indent=2)
            file.write("\n")


main()
