"""Runs programs as whole processes: their seconds, their peak memory, what they print."""

import json
import os
import subprocess
import sys
import tempfile


def environment(library=""):
    """Without libpq's and migrator's variables, which would name other servers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k not in ("DATABASE_URL", "CI")}
    return {**kept, "LD_LIBRARY_PATH": library} if library else kept


class Outcome:
    """A finished process. `started` and `ended` are of time.monotonic(), which all processes share."""

    def __init__(self, command, status, started, ended, peak_bytes, output, errors):
        self.command, self.status = command, status
        self.started, self.ended, self.seconds = started, ended, ended - started
        self.peak_bytes, self.output, self.errors = peak_bytes, output, errors

    def checked(self):
        """Itself; a failure ends the measurement."""
        if self.status != 0:
            sys.stderr.write((self.output + self.errors)[-4000:])
            sys.exit(f"error: exit status {self.status} of: {' '.join(self.command)}")
        return self


# A child's peak is never below that of the process that started it, so a bare Python of some 9 MB starts it.
LAUNCHER = """
import json, os, sys, time
files = [os.open(name, os.O_WRONLY) for name in sys.argv[1:3]]
actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
actions += [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files, 1)]
started = time.monotonic()
pid = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
ended = time.monotonic()
print(json.dumps([os.waitstatus_to_exitcode(status), started, ended, usage.ru_maxrss * 1024]))
"""


def run(command, variables):
    """Runs to the end, whatever its exit status is."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as output, \
            tempfile.NamedTemporaryFile("r", errors="replace") as errors:
        launched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, output.name, errors.name, *command],
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        status, started, ended, peak_bytes = json.loads(launched.stdout)
        return Outcome(command, status, started, ended, peak_bytes, output.read(), errors.read())
