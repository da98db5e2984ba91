"""What the command line prints on: as wide as the terminal, and in a pipe or a file wide enough for its tables."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE = 200
NARROWEST = 12
"""Characters that a column takes at least, its margins included, to be read as one."""


def console(*, highlight: bool = True) -> Console:
    """A pipe and a file have no width of their own: `COLUMNS`, else 200 columns."""
    given = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=highlight) if given else Console(highlight=highlight, width=PIPE)


def whole(out: Console, table: Table) -> None:
    """The table, no column narrower than it may be: a terminal too narrow for that breaks its lines itself."""
    needed = table.__rich_measure__(out, out.options.update(max_width=10_000)).minimum
    out.print(table, width=max(out.width, needed), crop=False)


def show_rows(rows: list[dict[str, Any]]) -> None:
    """Rows of equal names as a table, or one below the other where a table of so many columns could not be read."""
    out = console()
    if len(rows[0]) * NARROWEST > out.width:
        for number, row in enumerate(rows):
            out.print(f"row {number}", style="bold", highlight=False)
            out.print(_lines(row))
        return
    table = Table(*rows[0], box=box.SIMPLE)
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    out.print(table)


def _lines(row: dict[str, Any]) -> Table:
    lines = Table(box=None, show_header=False)
    lines.add_column(no_wrap=True)
    for name, value in row.items():
        lines.add_row(name, Text(_shown(value)))
    return lines


def _shown(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= 100 else f"{text[:99]}…"
