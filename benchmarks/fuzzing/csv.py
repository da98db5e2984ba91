"""Mutated tables: CSV files as programs write them, in any dialect and encoding, then damaged or not.

One that is not damaged comes back cell for cell; of the others, all that is said is one line with the file's name.
"""

from __future__ import annotations

import atexit
import csv
import io
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzzing import mutating
from benchmarks.fuzzing.reading import check_document, refusal
from tasks import tables
from tools import documents

WORDS = (
    "Tea",
    "green tea",
    "7.50",
    "7,50",
    "2026-11-26",
    "日本",
    "茶，緑",
    "ราคา",
    "Größe",
    "a;b",
    "x|y",
    'a "b"',
    "l\nm",
    "",
)
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32")


def prepare() -> Callable[[random.Random], str]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-csv-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def attempt(draw: random.Random) -> str:
        rows, content = _table(draw)
        path = folder / draw.choice(["table.csv", "table.tsv"])
        if draw.random() < 0.2:
            path.write_bytes(content)
            assert _cells(path) == rows, f"{content!r}"
            return "as it was"
        path.write_bytes(_damaged(content, draw))
        refused = refusal(lambda: check_document(documents.read_one(path)), path)
        refused |= refusal(lambda: tables.read(path).sql(), path)
        return "refused" if refused else "read"

    return attempt


def _table(draw: random.Random) -> tuple[list[list[str]], bytes]:
    """Rows with their header, and the file."""
    width = draw.randint(2, 6)
    rows = [[f"name {n}" for n in range(width)]]
    rows += [
        [draw.choice(WORDS[:-1]), *(draw.choice(WORDS) for _ in range(width - 1))] for _ in range(draw.randint(1, 9))
    ]
    out, separator = io.StringIO(), draw.choice(",;\t|")
    ends = draw.choice(["\n", "\r\n"])
    if draw.random() < 0.5:
        csv.writer(out, delimiter=separator, lineterminator=ends).writerows(rows)
    else:
        csv.writer(out, delimiter=separator, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows(rows)
    return rows, out.getvalue().encode(draw.choice(ENCODINGS))


def _cells(path: Path) -> list[list[str]]:
    found = documents.read_table(path)
    return [list(found.names), *(list(row.values()) for row in found.rows)]


def _damaged(content: bytes, draw: random.Random) -> bytes:
    kind = draw.random()
    if kind < 0.1:
        return content * draw.choice([2, 500])
    if kind < 0.2:
        return draw.choice([b'"', b",", b";", b"\r", b"\x00", b"'", b"\\", b"=\n", b"-"]) * draw.choice([1, 7, 50_000])
    if kind < 0.3:
        return draw.choice([b"sep=\n", b"sep=\x00\n", b'sep="\n', b"sep=ab\n", b"#\n", b"\n\n", b"title\n"]) + content
    return mutating.damaged(content, draw)
