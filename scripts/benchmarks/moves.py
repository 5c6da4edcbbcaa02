"""What `scripts/bench switch` and `scripts/bench online` share: databases filled with messages, and ways to move them.

Every measurement has a database of its own, cloned from one filled for its size. The ways:

naive   As the author of an ordinary script writes it, through the server's psql: in one transaction the target with
        its keys and indexes, INSERT ... SELECT, a count, the attachments' key, DROP TABLE. No backup, no comparison.
copy    `migrator upgrade 0002` with strategy=copy: backup and comparison of every row included.
bare    The same of a script that asks for no backup, which the naive one has not either.
rename  `migrator upgrade 0002` as shipped: nothing is copied; backup and comparison included.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

from libpq import Connection
from processes import environment, run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIXTURES = os.path.join(ROOT, "Tests", "Fixtures", "postgresql")
SHIPPED = os.path.join(ROOT, "migrations", "postgresql")
REVISION = "0002_direct_messages_to_messages.sql"

NAIVE = """BEGIN;
{target}
INSERT INTO messages ({columns})
SELECT {columns} FROM direct_messages;
DO $$
BEGIN
    IF (SELECT count(*) FROM messages) <> (SELECT count(*) FROM direct_messages) THEN
        RAISE EXCEPTION 'the counts differ';
    END IF;
END
$$;
ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk;
ALTER TABLE attachments ADD CONSTRAINT attachments_direct_message_fk
    FOREIGN KEY (direct_message_id) REFERENCES messages (id) ON DELETE CASCADE;
ALTER SEQUENCE direct_messages_id_seq OWNED BY messages.id;
ALTER TABLE messages ALTER COLUMN id SET DEFAULT nextval('direct_messages_id_seq');
DROP TABLE direct_messages;
COMMIT;
"""

SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "maintenance_work_mem", "work_mem",
    "max_wal_size", "checkpoint_timeout", "wal_level", "autovacuum", "max_parallel_maintenance_workers")


def count(word):
    """An argument that is 1 or more."""
    if not word.isascii() or not word.isdigit() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"not a number above 0: {word}")
    return int(word)


def parser(name, runs_help):
    options = argparse.ArgumentParser(prog=f"scripts/bench {name}")
    for hidden in ("--migrator", "--psql", "--server"):
        options.add_argument(hidden, required=True, help=argparse.SUPPRESS)
    options.add_argument("--library", default="", help=argparse.SUPPRESS)
    options.add_argument("--data", default="/", help=argparse.SUPPRESS)
    options.add_argument("rows", type=count, nargs="?", default=5_000_000, metavar="ROWS",
                         help="messages (default: 5000000)")
    options.add_argument("--runs", type=count, help=runs_help)
    options.add_argument("--output", metavar="DIR", default=os.path.join(ROOT, ".build", "bench", name),
                         help=f"where the report is written (default: .build/bench/{name})")
    return options


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def replaced(text, old, new):
    if old not in text:
        sys.exit(f"error: {REVISION} has no line with \"{old.strip()}\"")
    return text.replace(old, new)


def say(text):
    print(text, file=sys.stderr, flush=True)


def interruptible(main):
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)


class Stage:
    """The server, the databases, the programs; and a temporary folder for the time of the measurements."""

    def __init__(self, options):
        self.options = options
        self.own, self.theirs = environment(), environment(options.library)
        self.control = self.connect("postgres")
        self.control.query("SET client_min_messages = warning")
        self.folder = tempfile.mkdtemp(prefix="migrator-bench-")
        self.templates, self.loads = {}, []
        script = read(SHIPPED, REVISION)
        begin, end = script.index("CREATE TABLE messages"), script.index("-- migrator:switch direct_messages")
        self.target = "\n".join(line for line in script[begin:end].splitlines() if not line.lstrip().startswith("--"))
        copying = replaced(script, " key=id view=direct_messages", " key=id view=direct_messages strategy=copy")
        bare = replaced(copying, "-- migrator:backup direct_messages\n", "")
        self.scripts = {"rename": os.path.dirname(SHIPPED)}
        for way, text in (("copy", copying), ("bare", bare)):
            self.scripts[way] = os.path.join(self.folder, way)
            shutil.copytree(SHIPPED, os.path.join(self.scripts[way], "postgresql"))
            with open(os.path.join(self.scripts[way], "postgresql", REVISION), "w", encoding="utf-8") as file:
                file.write(text)
        os.makedirs(options.output, exist_ok=True)

    def close(self):
        for load in self.loads:
            load.end()
        self.control.close()
        shutil.rmtree(self.folder)

    # Databases

    def url(self, database):
        return self.options.server.replace("/postgres?", f"/{database}?")

    def connect(self, database):
        return Connection(self.url(database), self.options.library)

    def fill(self, rows):
        """A database with so many messages, to be cloned."""
        if rows in self.templates:
            return
        say(f"Filling a database with {rows:,} messages")
        name = f"filled_{rows}"
        self.control.query(f"CREATE DATABASE {name} TEMPLATE template0")
        connection = self.connect(name)
        connection.query(read(FIXTURES, "shape1.sql"))
        indexes = connection.query(
            "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'direct_messages'::regclass AND NOT indisprimary")
        messages = read(FIXTURES, "shape1_messages.sql").replace("{count}", str(rows))
        insert, delete, end = messages.rpartition("DELETE FROM direct_messages")
        # This is not measured, so it is made fast: rows that are known to keep the foreign keys, and indexes later.
        connection.query("SET session_replication_role = replica")
        connection.query(f"DROP INDEX {', '.join(index for index, _ in indexes)}")
        connection.query(insert)
        connection.query("SET session_replication_role = origin")
        for _, definition in indexes:
            connection.query(definition)
        connection.query(delete + end)
        connection.query("VACUUM ANALYZE")
        columns = connection.value(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = 'direct_messages'::regclass AND attnum > 0 AND NOT attisdropped")
        count, last, size = connection.query(
            "SELECT count(*), max(id), pg_total_relation_size('direct_messages') FROM direct_messages")[0]
        sizes = connection.query(
            "SELECT id, coalesce(file_size, 0) FROM direct_messages WHERE id IN"
            f" (SELECT n * {max(rows // 100, 1)} + 1 FROM generate_series(0, 99) AS n) ORDER BY id")
        self.prepare_wal(connection, rows)
        connection.close()
        naive = os.path.join(self.folder, f"naive_{rows}.sql")
        with open(naive, "w", encoding="utf-8") as file:
            file.write(NAIVE.format(target=self.target, columns=columns))
        self.templates[rows] = {"name": name, "naive": naive, "count": int(count), "last": int(last),
                                "bytes": int(size), "sizes": {key: int(size) for key, size in sizes}}

    def prepare_wal(self, connection, rows):
        """WAL files to use again, 2 kB a message, as far as the server keeps them: while one is made, commits wait."""
        kept = int(connection.value("SELECT setting FROM pg_settings WHERE name = 'min_wal_size'"))  # MB
        for _ in range(min(kept, rows // 500) // 16):
            connection.query("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
        connection.query("CHECKPOINT")

    def clone(self, rows):
        """A database of its own with so many messages, stamped, and nothing left to write to the disk."""
        name = "measured"
        self.control.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        # Other than WAL_LOG, the default since 15, this writes the files once.
        strategy = " STRATEGY file_copy" if int(self.control.value("SHOW server_version_num")) >= 150000 else ""
        self.control.query(f"CREATE DATABASE {name} TEMPLATE {self.templates[rows]['name']}{strategy}")
        self.migrate(name, "rename", "stamp", "0001").checked()
        self.control.query("CHECKPOINT")
        return name

    def drop(self, database):
        self.control.query(f"DROP DATABASE {database} WITH (FORCE)")

    # Programs

    def migrate(self, database, strategy, *arguments):
        return run([self.options.migrator, *arguments, "--database", self.url(database),
                    "--migrations", self.scripts[strategy]], self.own)

    def naive(self, database, rows):
        return run([self.options.psql, "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database),
                    "-f", self.templates[rows]["naive"]], self.theirs)

    def upgrade(self, database, way, mode):
        outcome = self.migrate(database, way, "upgrade", "0002", "--mode", mode).checked()
        strategy = "rename" if way == "rename" else "copy"
        if f"strategy {strategy}" not in outcome.errors:
            sys.exit(f"error: the upgrade did not use strategy {strategy}:\n{outcome.errors}")
        return outcome

    def refusals(self, mode):
        """What the tool refuses to do in a mode, found on empty tables before any are filled: its words by step, as in
        "copy up"."""
        found = {}
        for strategy in ("copy", "rename"):
            self.control.query("CREATE DATABASE mode_check TEMPLATE template0")
            connection = self.connect("mode_check")
            connection.query(read(FIXTURES, "shape1.sql"))
            connection.close()
            self.migrate("mode_check", strategy, "stamp", "0001").checked()
            for step, command in (("up", ["upgrade", "0002"]), ("down", ["downgrade", "0001"])):
                outcome = self.migrate("mode_check", strategy, *command, "--mode", mode, "--quiet")
                if outcome.status == 64:
                    found[f"{strategy} {step}"] = outcome.errors.strip()
                    break
                outcome.checked()
            self.drop("mode_check")
        return found

    def measured(self, action):
        """The figures of one process, with the WAL that the server wrote meanwhile."""
        position = lambda: int(self.control.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
        before = position()
        outcome = action().checked()
        return {"seconds": outcome.seconds, "wal_bytes": position() - before, "peak_bytes": outcome.peak_bytes,
                "started": outcome.started, "ended": outcome.ended}

    def check_moved(self, database, rows):
        """Nothing is measured that did not do its work."""
        connection = self.connect(database)
        found = connection.query("SELECT count(*), max(id) FROM messages")[0]
        connection.close()
        expected = self.templates[rows]
        if found != (str(expected["count"]), str(expected["last"])):
            sys.exit(f"error: {expected['count']} messages up to id {expected['last']} became {found}")

    def load(self, role, database, csv_name, **settings):
        load = Load(self, role, database, os.path.join(self.options.output, csv_name), settings)
        self.loads.append(load)
        return load

    # About the run

    def about(self, *words):
        settings = dict(self.control.query(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name IN ("
            + ", ".join(f"'{name}'" for name in SETTINGS) + ")"))
        processor = [line.partition(":")[2].strip() for line in read("/proc/cpuinfo").splitlines()
                     if line.startswith("model name")]
        filesystem = subprocess.run(
            ["findmnt", "-no", "FSTYPE", "-T", self.options.data], capture_output=True, text=True)
        version = run([self.options.migrator, "--version"], self.own)
        return {
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": " ".join(["scripts/bench", *words]),
            "migrator": version.output.split()[-1],
            "server": self.control.value("SELECT version()"),
            "settings": {name: settings[name] for name in SETTINGS if name in settings},
            "system": platform.platform(),
            "processors": f"{os.cpu_count()} x {processor[0] if processor else platform.machine()}",
            "filesystem": filesystem.stdout.strip(),
            "load_average": os.getloadavg()[0],
        }


class Load:
    """A process of load.py; ready when made."""

    def __init__(self, stage, role, database, path, settings):
        self.role, self.path = role, path
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "load.py"), role, stage.url(database), stage.options.library, path,
             json.dumps(settings)],
            env=stage.theirs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"error: the {role} did not start")

    def end(self):
        """Where the measurements failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Its account."""
        account, _ = self.process.communicate()
        if self.process.returncode != 0:
            sys.exit(f"error: the {self.role} failed")
        return json.loads(account)
