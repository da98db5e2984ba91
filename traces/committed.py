"""What the journals hold of each run: how far it came, and, if it is over, what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from traces import journal
from traces.kernel import Evaluated, Record, Run, RunFinished, RunStarted
from traces.recorder import undated
from traces.stretches import Piece, lines_of, pieces, survey


@dataclass(frozen=True)
class Committed:
    """One run, from its first event on, without a gap. Its lines are read when they are asked for: by `read` one by
    one."""

    number: int
    read: Callable[[], Iterable[bytes]]

    @cached_property
    def lines(self) -> list[bytes]:
        return list(self.read())

    @property
    def records(self) -> list[Record]:
        return [journal.decode(line) for line in self.lines]

    @property
    def run(self) -> Run:
        first = journal.decode(self.lines[0]).event
        assert isinstance(first, RunStarted)
        return first.run

    @property
    def outcome(self) -> tuple[Evaluated, RunFinished] | None:
        """The grade and the last event; None for a run that is not over."""
        graded, finished = (journal.decode(line).event for line in (self.lines[:1] + self.lines)[-2:])
        return (graded, finished) if isinstance(graded, Evaluated) and isinstance(finished, RunFinished) else None

    @property
    def hashed(self) -> Any:
        """The hash of these events as the recorder has it after them: its `hexdigest()` is the digest."""
        total = hashlib.sha256()
        total.update(undated(line[: line.rindex(b',"crc":"')] for line in self.lines))
        return total


def committed(segments: Iterable[Path]) -> Iterator[Committed]:
    """The runs in these segments of journals, by number."""
    for number, stretches in sorted(survey(segments).runs.items()):
        counted = pieces(stretches)
        if counted:
            yield Committed(number, partial(_lines, counted))


def _lines(counted: Sequence[Piece]) -> Iterator[bytes]:
    for piece in counted:
        yield from lines_of(piece)
