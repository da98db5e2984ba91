"""Tables of a user's, from CSV files: as SQL for a scenario's database, and the query that finds a value in one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import regex
from msgspec import Struct

from tools.documents import read_table
from traces import wording
from traces.errors import ScenarioError

_KINDS = (("INTEGER", int), ("REAL", float))


class Table(Struct, frozen=True):
    """`kinds` are SQLite types by column, `rows` the cells as they stand in the file ("" is NULL), each from its line
    of `file`."""

    name: str
    kinds: dict[str, str]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...] = ()
    file: str = ""

    def sql(self) -> str:
        """CREATE TABLE and its rows."""
        columns = ", ".join(f"{_name(column)} {kind}" for column, kind in self.kinds.items())
        lines = [f"CREATE TABLE {_name(self.name)} ({columns});"]
        lines += [f"INSERT INTO {_name(self.name)} VALUES ({self._values(row)});" for row in self.rows]
        return "\n".join(lines)

    def _values(self, row: dict[str, str]) -> str:
        return ", ".join(
            "NULL" if not row[column] else row[column] if kind != "TEXT" else _text(row[column])
            for column, kind in self.kinds.items()
        )

    def cells(self, text: str) -> list[tuple[int, str]]:
        """The cells that say this, those that say nothing else first: (row, column)."""
        wanted = wording.plain(text)
        found = [
            (wording.plain(cell) != wanted, number, column)
            for number, row in enumerate(self.rows)
            for column, cell in row.items()
            if cell and wording.says(cell, text)
        ]
        return [(number, column) for _, number, column in sorted(found, key=lambda one: one[0])]

    def line(self, row: int) -> int:
        """The line of the file that a row begins in."""
        return self.lines[row] if row < len(self.lines) else row + 2

    def shown(self, row: int) -> str:
        """A row with its columns' names."""
        return "; ".join(f"{column}: {cell}" for column, cell in self.rows[row].items() if cell)

    def query(self, number: int, column: str, question: str, text: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The fact, what a cell says of `text`, and the query that finds the cell by another one of its row that the
        question names; None where it names none, or where the query would find other values too."""
        row = self.rows[number]
        start, end = wording.find(row[column], text)[0]
        before, value, after = row[column][:start], row[column][start:end], row[column][end:]
        whole = rf"{re.escape(column)}=(.+?)(?: \| |$|\n)"
        within = rf"{re.escape(column)}={re.escape(before)}(.+?){re.escape(after)}(?: \| |$|\n)"
        for key in self._keys(row, column, question):
            if {other[column] for other in self.rows if other[key] == row[key]} == {row[column]}:
                sql = f"SELECT {_name(column)} FROM {_name(self.name)} WHERE {_name(key)} = {_text(row[key])}"
                fact = {"value": value, "pattern": within if before or after else whole}
                return fact, {"tool": "query_database", "args": {"sql": sql.replace("{", "{{").replace("}", "}}")}}
        return None

    def _keys(self, row: dict[str, str], column: str, question: str) -> list[str]:
        """The columns, other than this one, whose cells the question names: those with words before bare numbers."""
        named = [c for c, cell in row.items() if c != column and cell and wording.says(question, cell)]
        return sorted(named, key=lambda c: not any(letter.isalpha() for letter in row[c]))


def read(path: Path) -> Table:
    """A CSV file as a table by the file's name. Raises ScenarioError for one without a header or rows."""
    table = read_table(path)
    if not table.rows:
        raise ScenarioError(str(path), "should be a table: a header that names the columns, then rows", line=1)
    kinds = {column: _kind([row[column] for row in table.rows]) for column in table.names}
    return Table(regex.sub(r"[^\w\p{M}]+", "_", path.stem), kinds, table.rows, table.lines, path.name)


def _kind(cells: list[str]) -> str:
    """A column of numbers is one where each would be shown as it stands in the file: 7.50 and 007 stay text, which
    SQLite calculates with as well."""
    given = [cell for cell in cells if cell]
    return next((kind for kind, number in _KINDS if given and all(_is(number, cell) for cell in given)), "TEXT")


def _is(number: type[int] | type[float], cell: str) -> bool:
    try:
        return str(number(cell)) == cell and abs(number(cell)) < 1e15
    except ValueError:
        return False


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
