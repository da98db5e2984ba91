"""Read-only SQL on the trial's database: on a guarded copy of it, so that nothing that a query does can change it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from tools.guard import Guard
from tools.tool import Effect, Tool, ToolError, World, from_function

ROWS = 50
LONGEST_CELL = 2000
LONGEST_NAME = 100
LONGEST = 8000
"""Characters of a cell, a column's name and a whole result that are shown."""


def query_database(world: World, sql: str) -> str:
    """Run one read-only SQL query (SQLite) on the database. Ask sqlite_master for the tables and their columns."""
    with world.snapshots.guarded() as guard:
        return _answered(guard, sql)


def _answered(guard: Guard, sql: str) -> str:
    guard.start()
    try:
        cursor = guard.db.execute(sql)
        try:
            return _shown_rows(cursor)
        finally:
            cursor.close()
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
        raise ToolError(_explained(guard, error)) from None


def _shown_rows(cursor: sqlite3.Cursor) -> str:
    """The first rows as text, cut cell by cell while they are fetched."""
    names = [_cut(column[0], LONGEST_NAME) for column in cursor.description or ()]
    lines, length, count = [], 0, 0
    for row in _first(cursor):
        count += 1
        if length <= LONGEST:
            lines.append(_line(names, row))
            length += len(lines[-1])
    more = f" (only the first {ROWS} are shown)" if count > ROWS else ""
    count = min(count, ROWS)
    return "\n".join([f"{count} row{'' if count == 1 else 's'}{more}", *lines[:ROWS]])


def _first(cursor: sqlite3.Cursor) -> Iterator[Sequence[object]]:
    """One row more than are shown, one after the other."""
    for _ in range(ROWS + 1):
        row = cursor.fetchone()
        if row is None:
            return
        yield row


def _line(names: Sequence[str], row: Sequence[object]) -> str:
    parts: list[str] = []
    length = 0
    for name, value in zip(names, row, strict=True):
        parts.append(f"{name}={_shown(value)}")
        length += len(parts[-1])
        if length > LONGEST:
            parts.append("(cut)")
            break
    return " | ".join(parts)


def _explained(guard: Guard, error: Exception) -> str:
    """The error, with what there is to ask for."""
    said = str(error)
    if guard.why:
        return guard.why
    if "not authorized" in said or "prohibited" in said or "readonly" in said:
        return "only reading is allowed here: one SELECT"
    if "too big" in said or isinstance(error, MemoryError):
        return "a value of the query is too large: ask for less, such as substr(text, 1, 1000)"
    return f"{_cut(said, LONGEST_CELL)}. Tables: {_cut(_tables(guard.db), LONGEST_CELL) or 'none'}"


def _tables(db: sqlite3.Connection) -> str:
    """The tables with their columns, as SELECTs say: a guarded connection answers no PRAGMA."""
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return "; ".join(f"{name}({', '.join(_columns(db, name))})" for name in names[:ROWS])


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    quoted = table.replace('"', '""')
    try:
        return [column[0] for column in db.execute(f'SELECT * FROM "{quoted}" LIMIT 0').description]
    except sqlite3.Error:
        return ["?"]


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return _cut(str(value[: LONGEST_CELL // 4]), LONGEST_CELL, len(value) > LONGEST_CELL // 4)
    return "NULL" if value is None else _cut(str(value), LONGEST_CELL)


def _cut(text: str, longest: int, more: bool = False) -> str:
    return f"{text[:longest]} (cut)" if more or len(text) > longest else text


def tool() -> Tool:
    return from_function(query_database, effect=Effect.READ, latency_s=0.03, ours=True)
