"""What people say about runs and steps: thumbs, labels and comments, kept in `<home>/labels.sqlite`.

Nothing is overwritten: each word is a row of its own, and taking one back is another. So two tabs, or the app and the
command line, never lose each other's, and who said what stays known. The file is beside the journals, not made from
them: it is the only place where these words stand.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from traces import home
from traces.errors import InputError, TraceError

Kind = Literal["thumb", "label", "comment"]
UP, DOWN = "up", "down"
FILE = "labels.sqlite"
LONGEST = {"thumb": 4, "label": 60, "comment": 10_000}

_TABLE = """CREATE TABLE IF NOT EXISTS said (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, experiment TEXT NOT NULL, run INTEGER NOT NULL,
    step INTEGER, kind TEXT NOT NULL, value TEXT NOT NULL, taken_back INTEGER REFERENCES said (id))"""
_INDEX = "CREATE INDEX IF NOT EXISTS said_of ON said (experiment, run)"


# Taking back a thumb, or a label, takes back those before it on the same thing.
_TAKEN_BACK = """other.taken_back = one.id OR (one.kind <> 'comment' AND other.taken_back > one.id
    AND other.experiment = one.experiment AND other.run = one.run AND other.step IS one.step
    AND other.kind = one.kind AND (one.kind = 'thumb' OR other.value = one.value))"""


THUMBS = {UP: "thumb up", DOWN: "thumb down"}


class Said(Struct, frozen=True):
    """One thumb (`up` or `down`), label or comment on a step of a run, or on the run as a whole (`step` is None). `at`
    is Unix time."""

    id: int
    at: float
    who: str
    experiment: str
    run: int
    step: int | None
    kind: Kind
    value: str

    @property
    def name(self) -> str:
        """What it is called where words of one kind are put together: the label, or which thumb, or `comment`."""
        return THUMBS[self.value] if self.kind == "thumb" else self.value if self.kind == "label" else self.kind


class Labels:
    """The words of one data folder. Any number of processes may read and write at once."""

    def __init__(self, base: Path | None = None) -> None:
        self.path = (base or home.home()) / FILE

    def say(self, experiment: str, run: int, step: int | None, kind: Kind, value: str, who: str = "") -> int:
        """Add one; it is on the disk when this returns its number. A thumb takes the place of the one before. Raises
        InputError for what cannot be said."""
        value = _checked(kind, value)
        with self._open() as database:
            row = (time.time(), who, experiment, run, step, kind, value)
            cursor = database.execute(
                "INSERT INTO said (at, who, experiment, run, step, kind, value) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )
            return int(cursor.lastrowid or 0)

    def take_back(self, said: Said) -> None:
        """It counts no more; that it was said is kept."""
        with self._open() as database:
            database.execute(
                "INSERT INTO said (at, who, experiment, run, step, kind, value, taken_back) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (time.time(), said.who, said.experiment, said.run, said.step, said.kind, said.value, said.id),
            )

    def of(self, experiment: str, run: int | None = None) -> list[Said]:
        """What holds about an experiment, or about one run of it, in the order in which it was said: of several thumbs
        on the same thing the last, and each label once."""
        if not self.path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                "SELECT id, at, who, experiment, run, step, kind, value FROM said AS one WHERE experiment = ? "
                "AND (? IS NULL OR run = ?) AND taken_back IS NULL "
                f"AND NOT EXISTS (SELECT 1 FROM said AS other WHERE {_TAKEN_BACK}) ORDER BY id",
                (experiment, run, run),
            ).fetchall()
        return _holding([Said(*row) for row in rows])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection, in a transaction that is committed and synced at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = wal")
            database.execute("PRAGMA synchronous = full")
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            database.execute(_INDEX)
            yield database
            database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise TraceError(f"{self.path}: labels cannot be read or written: {error}") from None
        finally:
            database.close()


def _checked(kind: Kind, value: str) -> str:
    value = value.strip()
    if kind not in get_args(Kind):
        raise InputError(f"{kind!r} is none of {', '.join(get_args(Kind))}")
    if kind == "thumb" and value not in (UP, DOWN):
        raise InputError(f"a thumb is {UP} or {DOWN}, not {value!r}")
    if not value:
        raise InputError(f"a {kind} has at least one letter")
    if len(value) > LONGEST[kind]:
        raise InputError(f"a {kind} has at most {LONGEST[kind]:,} letters; this has {len(value):,}")
    return value


def _holding(said: Sequence[Said]) -> list[Said]:
    found: dict[tuple[object, ...], Said] = {}
    for one in said:
        place = (one.run, one.step, one.kind)
        key = place if one.kind == "thumb" else (*place, one.value) if one.kind == "label" else (one.id,)
        found[key] = one
    return sorted(found.values(), key=lambda one: one.id)
