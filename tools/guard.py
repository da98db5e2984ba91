"""A connection for SQL that a model has written: it reads, within limits, and nothing else.

What is allowed is decided by SQLite's own authorizer, by a list of what may be; it is set once, before the first query,
and never taken off. The connection is to a copy of the data, so that nothing could be lost even without it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress

LONGEST_VALUE = 500_000  # bytes of one text, blob or row, and of the query
STEPS = 50_000_000  # instructions of SQLite's virtual machine: about a second
SECONDS = 5.0
MEMORY = 32 << 20  # bytes by which the process may grow meanwhile
_EVERY = 100  # instructions between two looks at the limits
_LOOK_S = 0.001

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
}
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_PRAGMAS = {"page_size", "data_version"}  # asked by SQLite's own full-text tables
_HIDDEN = {"sqlite_stmt", "sqlite_dbpage"}
_NAMES = """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling char coalesce cos cosh count cume_dist
    current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format glob
    group_concat hex highlight ifnull iif instr json json_array json_array_length json_each json_extract
    json_group_array json_group_object json_insert json_object json_patch json_quote json_remove json_replace json_set
    json_tree json_type json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2 lower
    ltrim match matchinfo max min mod nth_value ntile nullif offsets percent_rank pi pow power printf quote radians rank
    replace round row_number rtrim sign sin sinh snippet soundex sqrt strftime substr substring sum tan tanh time total
    trim trunc typeof unhex unicode unixepoch unlikely upper zeroblob"""
FUNCTIONS = frozenset(_NAMES.split())
"""The functions that a query may use: they give the same for the same, and reach nothing outside the data."""

_WRITING = {
    action
    for name, action in vars(sqlite3).items()
    if name.startswith(("SQLITE_CREATE_", "SQLITE_DROP_", "SQLITE_ALTER_"))
} | {
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_ANALYZE,
}


class Guard:
    """`db` is used by one thread at a time; each query begins with `start`. `why`: what stopped it or was refused."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db, self.why = db, ""
        self._steps, self._until, self._next, self._memory = 0, 0.0, 0.0, 0
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA query_only = ON")
        _prepare(db)
        for limit, most in _LIMITS.items():
            db.setlimit(limit, most)
        db.text_factory = _text
        db.set_authorizer(self._allowed)
        db.set_progress_handler(self._over, _EVERY)

    def start(self) -> None:
        """Begin to count."""
        now = time.monotonic()
        self.why, self._steps, self._until, self._next = "", 0, now + SECONDS, now + _LOOK_S
        self._memory = 0

    def close(self) -> None:
        self.db.close()

    def _allowed(
        self, action: int, first: str | None, second: str | None, database: str | None, inner: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ and first not in _HIDDEN:
            return sqlite3.SQLITE_OK
        if action in _READING and action != sqlite3.SQLITE_READ:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS and second is None:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in FUNCTIONS:
                return sqlite3.SQLITE_OK
            self.why = f"the function {(second or '')[:40]}() is not available here"
        return sqlite3.SQLITE_DENY

    def _over(self) -> int:
        self._steps += _EVERY
        if self._steps > STEPS:
            self.why = "the query takes too long: narrow it"
            return 1
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + _LOOK_S
        return self._spent(now)

    def _spent(self, now: float) -> int:
        memory = resident()
        self._memory = self._memory or memory
        if now > self._until:
            self.why = "the query takes too long: narrow it"
        elif memory > self._memory + MEMORY:
            self.why = "the query takes too much memory: narrow it"
        return int(bool(self.why))


def _prepare(db: sqlite3.Connection) -> None:
    """Have SQLite read the schema and set up its virtual tables, which takes more than queries may do."""
    virtual = db.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall()
    for table in ("json_each", "json_tree", *(name for (name,) in virtual)):
        quoted = table.replace('"', '""')
        with suppress(sqlite3.Error):  # of a module that is not here
            db.execute(f'SELECT 1 FROM "{quoted}" LIMIT 0')


def refuse_writing(db: sqlite3.Connection) -> None:
    """Make a connection of a tool that declares that it only reads one that cannot write."""
    db.execute("PRAGMA query_only = ON")
    db.set_authorizer(_unless_writing)


def _unless_writing(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
    settings = action == sqlite3.SQLITE_PRAGMA and second is not None and first in ("query_only", "writable_schema")
    return sqlite3.SQLITE_DENY if action in _WRITING or settings else sqlite3.SQLITE_OK


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
