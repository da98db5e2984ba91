"""Reading an experiment from its journals while it runs, each byte once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import TypeVar

import msgspec

from traces import journal
from traces.errors import TraceError
from traces.home import ExperimentFolder
from traces.kernel import Evaluated, Record, Run, RunFinished, RunStarted, Usage
from traces.rows import RunRow, run_row
from traces.stretches import Piece, Stretch, Unreadable, fault, lines_of, pieces

NEAR = 256  # events
END = 24  # bytes: a line's checksum, and what is before it


class _EventGlance(msgspec.Struct):
    """As much of an event as counting needs; the rest is skipped, not decoded."""

    type: str
    usage: Usage | None = None


class _Glance(msgspec.Struct):
    run: int
    seq: int
    t: float
    wall: float
    event: _EventGlance


_T = TypeVar("_T", RunStarted, Evaluated, RunFinished)
_glance = msgspec.json.Decoder(_Glance).decode


@dataclass
class _Tally:
    """What some events of a run come to."""

    run: Run | None = None
    events: int = 0
    messages: int = 0
    t: float = 0.0
    usage: Usage = field(default_factory=Usage)
    graded: Evaluated | None = None
    finished: RunFinished | None = None

    def take(self, glance: _Glance, line: bytes, path: Path) -> None:
        self.events, self.t = self.events + 1, glance.t
        take = _TAKE.get(glance.event.type)
        if take is not None:
            take(self, glance, line, path)

    def add(self, later: _Tally) -> None:
        self.run = self.run or later.run
        self.events += later.events
        self.messages += later.messages
        self.t = later.t
        self.usage += later.usage
        self.graded = later.graded or self.graded
        self.finished = later.finished or self.finished


@dataclass
class _Counted(Stretch):
    """`marks`: where every NEAR-th of its events is."""

    tally: _Tally = field(default_factory=_Tally)
    marks: list[int] = field(default_factory=list)

    def near(self, seq: int) -> tuple[int, int]:
        """An event at or shortly before this one, and the byte from which on it is found."""
        number = max(0, seq - self.first) // NEAR
        return self.first + number * NEAR, self.marks[number]


@dataclass(frozen=True)
class Seen:
    """How far a run was read: the pieces, and the byte after the last of them, where that goes on."""

    pieces: tuple[Piece, ...] = ()
    end: int = -1

    @property
    def stop(self) -> int:
        return self.pieces[-1].stop if self.pieces else 0


@dataclass
class News:
    """What is new of a run: `lines` are its events from number `first` on, in place of any that were read before."""

    first: int
    lines: Iterator[bytes]
    seen: Seen


@dataclass
class _Followed:
    """A segment, up to where it was read; the line before that ends with these bytes."""

    at: int = 0
    end: bytes = b""


class LiveExperiment:
    """The journals of one experiment, followed by byte offset. What of them makes up a run is said in
    `traces.stretches`."""

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder = folder
        self._segments: dict[Path, _Followed] = {}
        self._runs: dict[int, list[_Counted]] = {}
        self._unreadable = Unreadable()

    def rows(self, unfinished: str | None = None) -> list[RunRow]:
        """The finished runs so far, by number; with `unfinished`, also the others, with that as their status."""
        self.advance()
        tallies = ((number, self._tally(number)) for number in sorted(self._runs))
        return [
            self._row(number, tally, run, unfinished or "")
            for number, tally in tallies
            if (run := tally.run) is not None and (unfinished or tally.finished)
        ]

    def events(self, run: int, offset: int = 0, limit: int | None = None) -> list[Record]:
        """The events of one run so far, from event `offset` on."""
        self.advance()
        found: list[Record] = []
        for piece in pieces(self._runs.get(run, [])):
            left = None if limit is None else limit - len(found)
            if piece.stop > offset and left != 0:
                assert isinstance(piece.stretch, _Counted)
                lines = lines_of(piece, offset, piece.stretch.near(offset))
                found += (journal.decode(line, piece.stretch.path) for line in islice(lines, left))
        return found

    def news(self, run: int, seen: Seen) -> News:
        """What is new of a run since it was `seen`, as of the last `advance`; its lines are read when they are asked
        for, which must be before the next."""
        counted = tuple(pieces(self._runs.get(run, [])))
        same = sum(1 for _ in takewhile(lambda pair: _is_same(*pair), zip(seen.pieces, counted, strict=False)))
        known = None
        if same == len(seen.pieces) - 1 and same < len(counted) and _goes_on(seen, counted[same]):
            known = (seen.stop, seen.end)
        now = Seen(counted, counted[-1].stretch.end if counted and counted[-1].is_whole else -1)
        first = known[0] if known else counted[same].stretch.first if same < len(counted) else now.stop
        return News(first, _lines(counted[same:], known), now)

    def advance(self) -> None:
        """Take in what is new. Where what was read no longer stands there, cut back by a repair or replaced, all is
        read anew."""
        paths = self.folder.journals()
        if not all(path in paths and _holds(path, known) for path, known in self._segments.items()):
            self._segments.clear()
            self._runs.clear()
            self._unreadable = Unreadable()
        for path in paths:
            known = self._segments.setdefault(path, _Followed())
            for line, after in journal.lines(path, known.at):
                wrong = fault(line)
                if wrong:
                    self._unreadable.add(line, wrong)
                else:
                    self._take(path, after - len(line), after, line)
                known.at, known.end = after, line[-END:]

    def _take(self, path: Path, start: int, end: int, line: bytes) -> None:
        glance = _decoded(line, path)
        stretches = self._runs.setdefault(glance.run, [])
        stretch = next((one for one in reversed(stretches) if one.path == path), None)
        if stretch is None or stretch.after != glance.seq:
            stretch = _Counted(path, glance.run, glance.seq, glance.wall, start, glance.seq, end)
            stretches.append(stretch)
        if (glance.seq - stretch.first) % NEAR == 0:
            stretch.marks.append(start)
        stretch.after, stretch.end = glance.seq + 1, end
        stretch.tally.take(glance, line, path)

    def _tally(self, run: int) -> _Tally:
        """What a run comes to. What counts of a stretch only in part is read again."""
        found = _Tally()
        for piece in pieces(self._runs[run]):
            assert isinstance(piece.stretch, _Counted)
            found.add(piece.stretch.tally if piece.is_whole else _read(piece))
        return found

    def _row(self, number: int, tally: _Tally, run: Run, unfinished: str) -> RunRow:
        return run_row(
            self.folder.id,
            number,
            run,
            unfinished=unfinished,
            unreadable=self._unreadable.of(number),
            finished=tally.finished,
            graded=tally.graded,
            usage=tally.usage,
            latency_s=tally.t,
            messages=tally.messages,
            events=tally.events,
        )


def _holds(path: Path, known: _Followed) -> bool:
    """Whether what was read of a segment still stands there."""
    with open(path, "rb", buffering=0) as file:
        file.seek(known.at - len(known.end))
        return file.read(len(known.end)) == known.end


def _is_same(one: Piece, other: Piece) -> bool:
    return one.stretch is other.stretch and one.stop == other.stop


def _goes_on(seen: Seen, piece: Piece) -> bool:
    """Whether a piece is the last that was seen, with more events."""
    return seen.end >= 0 and piece.stretch is seen.pieces[-1].stretch and piece.stop > seen.stop


def _lines(counted: Sequence[Piece], known: tuple[int, int] | None) -> Iterator[bytes]:
    """The lines of pieces; of the first of them from a known place on."""
    for piece in counted:
        yield from lines_of(piece, known[0] if known else 0, known)
        known = None


def _read(piece: Piece) -> _Tally:
    found = _Tally()
    for line in lines_of(piece):
        found.take(_decoded(line, piece.stretch.path), line, piece.stretch.path)
    return found


def _decoded(line: bytes, path: Path) -> _Glance:
    try:
        return _glance(line)
    except msgspec.MsgspecError as error:
        raise TraceError(f"{path}: an event that this version cannot read: {error}") from None


def _started(tally: _Tally, glance: _Glance, line: bytes, path: Path) -> None:
    tally.run = _whole(RunStarted, line, path).run


def _chat(tally: _Tally, glance: _Glance, line: bytes, path: Path) -> None:
    tally.usage += glance.event.usage or Usage()


def _message(tally: _Tally, glance: _Glance, line: bytes, path: Path) -> None:
    tally.messages += 1


def _evaluation(tally: _Tally, glance: _Glance, line: bytes, path: Path) -> None:
    tally.graded = _whole(Evaluated, line, path)


def _finished(tally: _Tally, glance: _Glance, line: bytes, path: Path) -> None:
    tally.finished = _whole(RunFinished, line, path)


_TAKE: dict[str, Callable[[_Tally, _Glance, bytes, Path], None]] = {
    "run_started": _started,
    "chat": _chat,
    "message": _message,
    "evaluation": _evaluation,
    "run_finished": _finished,
}


def _whole(kind: type[_T], line: bytes, path: Path) -> _T:
    event = journal.decode(line, path).event
    assert isinstance(event, kind)
    return event
