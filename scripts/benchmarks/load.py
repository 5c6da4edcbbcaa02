"""What goes on beside a migration, each a process of its own: writers, a probe, and observers of locks and progress.

    load.py writer|probe|locks|progress URL LIBRARY-FOLDER CSV-FILE JSON-SETTINGS

It prints "ready", goes on until its standard input ends, writes what it saw as CSV, and prints its account as JSON.
Times are seconds of time.monotonic().
"""

import csv
import json
import sys
import threading
import time

from libpq import Connection, ServerError

UNDEFINED_TABLE = "42P01"


class Log:
    """The statements of an application: when each began, how long it took, how it ended."""

    def __init__(self, connection):
        self.connection = connection
        self.rows = []

    def run(self, operation, statement):
        """The statement's rows, or None where it failed and so did nothing."""
        began = time.monotonic()
        try:
            rows, state = self.connection.query(statement), ""
        except ServerError as error:
            if not error.state:
                raise
            rows, state = None, error.state
        self.rows.append((f"{began:.6f}", f"{(time.monotonic() - began) * 1000:.3f}", operation, state))
        return rows

    header = ("began", "milliseconds", "operation", "sqlstate")


def writer(connection, settings, stopped):
    """Inserts, updates and now and then deletes messages of its own, by the old name, as old code does."""
    log, kept, gone = Log(connection), {}, []
    number, pause, turn = settings["number"], settings["pause"], 0
    while not stopped.is_set():
        turn += 1
        content = f"bench {number} {turn}"
        inserted = log.run(
            "insert",
            "INSERT INTO direct_messages (sender_id, recipient_id, content)"
            f" VALUES ({1 + turn % 50}, {1 + (turn + number) % 50}, '{content}') RETURNING id")
        stopped.wait(pause)
        if not inserted:
            continue
        key = inserted[0][0]
        kept[key] = content
        updated = log.run(
            "update",
            f"UPDATE direct_messages SET content = '{content} read', read_at = now() WHERE id = {key} RETURNING id")
        if updated is not None:
            kept[key] = f"{content} read" if updated else "missing at its update"
        stopped.wait(pause)
        if turn % 2 == 0:
            deleted = log.run("delete", f"DELETE FROM direct_messages WHERE id = {key} RETURNING id")
            if deleted:
                gone.append(key)
                del kept[key]
            stopped.wait(pause)
    return log, {"kept": kept, "gone": gone}


def probe(connection, settings, stopped):
    """Updates single rows in a loop, and does not wait for the disk: what it waits for is locks."""
    connection.query("SET synchronous_commit = off")
    log, acknowledged, table, turn = Log(connection), {}, "direct_messages", 0
    while not stopped.is_set():
        turn += 1
        key = settings["keys"][turn % len(settings["keys"])]
        if log.run("update", f"UPDATE {table} SET file_size = coalesce(file_size, 0) + 1 WHERE id = {key}") is not None:
            acknowledged[key] = acknowledged.get(key, 0) + 1
        elif log.rows[-1][3] == UNDEFINED_TABLE:
            table = "messages"
        stopped.wait(settings["pause"])
    return log, {"acknowledged": acknowledged}


class Samples:
    def __init__(self, *header):
        self.header, self.rows = header, []


def locks(connection, settings, stopped):
    """Looks every millisecond or two who holds an ACCESS EXCLUSIVE lock on a table that was there at the start.

    For each table the longest span between a look before and a look after without the lock: never too short, unless
    the lock was gone between two looks.
    """
    tables = dict(connection.query(
        "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"))
    statement = (
        "SELECT DISTINCT relation FROM pg_locks"
        " WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        f" AND relation IN ({', '.join(tables)})")
    samples = Samples("began", "milliseconds", "table")
    free, held, longest, gaps = time.monotonic(), {}, {}, []

    def end(tables, now):
        for table in tables:
            since = held.pop(table)
            samples.rows.append((f"{since:.6f}", f"{(now - since) * 1000:.3f}", table))
            longest[table] = max(longest.get(table, 0), now - since)

    while not stopped.is_set():
        before = time.monotonic()
        found = {tables[row[0]] for row in connection.query(statement)}
        now = time.monotonic()
        end([table for table in held if table not in found], now)
        for table in found:
            held.setdefault(table, free)
        gaps.append(now - free)
        free = before
        time.sleep(settings["pause"])
    end(list(held), time.monotonic())
    gaps.sort()
    return samples, {
        "longest": longest, "looks": len(gaps), "median_gap": gaps[len(gaps) // 2], "longest_gap": gaps[-1]}


def progress(connection, settings, stopped):
    """The rows that were inserted into `messages` as the server's statistics have them, and the position in the WAL."""
    samples = Samples("at", "rows", "wal_bytes")
    while not stopped.is_set():
        row = connection.query(
            "SELECT coalesce((SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'messages'"
            " AND schemaname = 'public'), 0), pg_current_wal_lsn() - '0/0'::pg_lsn")[0]
        samples.rows.append((f"{time.monotonic():.3f}", *row))
        stopped.wait(settings["pause"])
    return samples, {}


def main():
    role, url, folder, path, settings = sys.argv[1:]
    connection = Connection(url, folder)
    stopped = threading.Event()

    def wait_for_end():
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    print("ready", flush=True)
    seen, account = {"writer": writer, "probe": probe, "locks": locks, "progress": progress}[role](
        connection, json.loads(settings), stopped)
    connection.close()
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(seen.header)
        rows.writerows(seen.rows)
    json.dump(account, sys.stdout)


try:
    main()
except ServerError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit(130)
