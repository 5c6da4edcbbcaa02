"""PostgreSQL's own client library, as far as the measurements need it: text in, text out."""

import ctypes
import ctypes.util
import glob
import os

BAD_CONNECTION = 1
COMMANDS_DONE = (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK
SQLSTATE = ord("C")


class ServerError(Exception):
    """`state` is the SQLSTATE, and empty where the connection was lost."""

    def __init__(self, state, message):
        super().__init__(message.strip())
        self.state = state


def load(folder=""):
    beside_server = glob.glob(os.path.join(folder, "libpq.so*")) if folder else []
    for name in (ctypes.util.find_library("pq"), "libpq.so.5", *beside_server):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library:
            break
    else:
        raise SystemExit("error: libpq is not installed")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("PQconnectdb", pointer, [text]), ("PQstatus", number, [pointer]), ("PQfinish", None, [pointer]),
        ("PQerrorMessage", text, [pointer]), ("PQexec", pointer, [pointer, text]),
        ("PQresultStatus", number, [pointer]), ("PQclear", None, [pointer]),
        ("PQresultErrorField", text, [pointer, number]), ("PQntuples", number, [pointer]),
        ("PQnfields", number, [pointer]), ("PQgetisnull", number, [pointer, number, number]),
        ("PQgetvalue", text, [pointer, number, number]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Connection:
    def __init__(self, url, folder=""):
        self.libpq = load(folder)
        self.handle = self.libpq.PQconnectdb(url.encode())
        if self.libpq.PQstatus(self.handle) == BAD_CONNECTION:
            raise ServerError("", self.message())

    def message(self):
        return self.libpq.PQerrorMessage(self.handle).decode(errors="replace")

    def query(self, statements):
        """The rows of the last statement, as tuples of texts and None."""
        result = self.libpq.PQexec(self.handle, statements.encode())
        try:
            if self.libpq.PQresultStatus(result) not in COMMANDS_DONE:
                state = self.libpq.PQresultErrorField(result, SQLSTATE) or b""
                raise ServerError(state.decode(), self.message())
            return [
                tuple(
                    None if self.libpq.PQgetisnull(result, row, column)
                    else self.libpq.PQgetvalue(result, row, column).decode()
                    for column in range(self.libpq.PQnfields(result)))
                for row in range(self.libpq.PQntuples(result))
            ]
        finally:
            self.libpq.PQclear(result)

    def value(self, statement):
        return self.query(statement)[0][0]

    def close(self):
        self.libpq.PQfinish(self.handle)
        self.handle = None
