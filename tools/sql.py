"""Read-only SQL on the trial's database. SQLite's own authorizer holds it to reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tools.tool import Effect, Tool, ToolError, World, from_function

ROWS = 50
STEPS = 50_000_000  # instructions of SQLite's virtual machine: about a second

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


def query_database(world: World, sql: str) -> str:
    """Run one read-only SQL query (SQLite) on the database. Ask sqlite_master for the tables and their columns."""
    with _reading(world.db):
        try:
            cursor = world.db.execute(sql)
            rows = cursor.fetchmany(ROWS + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise ToolError(_explained(world.db, error)) from None
    names = [column[0] for column in cursor.description or ()]
    shown = rows[:ROWS]
    count = f"{len(shown)} row{'' if len(shown) == 1 else 's'}"
    more = f" (only the first {ROWS} are shown)" if len(rows) > ROWS else ""
    lines = [" | ".join(f"{n}={_shown(v)}" for n, v in zip(names, row, strict=True)) for row in shown]
    return "\n".join([count + more, *lines])


@contextmanager
def _reading(db: sqlite3.Connection) -> Iterator[None]:
    steps = 0

    def stop() -> int:
        nonlocal steps
        steps += 10_000
        return int(steps > STEPS)

    db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
    db.set_progress_handler(stop, 10_000)
    try:
        yield
    finally:
        db.set_authorizer(None)
        db.set_progress_handler(None, 0)


def _explained(db: sqlite3.Connection, error: Exception) -> str:
    """The error, with what there is to ask for."""
    if "not authorized" in str(error) or "prohibited" in str(error):
        return "only reading is allowed here: one SELECT"
    if "interrupted" in str(error):
        return "the query takes too long: narrow it"
    db.set_authorizer(None)
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    described = "; ".join(
        f"{table}({', '.join(row[1] for row in db.execute(f'PRAGMA table_info({table})'))})" for (table,) in tables
    )
    return f"{error}. Tables: {described or 'none'}"


def _shown(value: object) -> str:
    return "NULL" if value is None else str(value)


def tool() -> Tool:
    return from_function(query_database, effect=Effect.READ, latency_s=0.03)
