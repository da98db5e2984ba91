"""Reading an experiment from its journals while it runs, each byte once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from traces import journal
from traces.errors import TraceError
from traces.home import ExperimentFolder
from traces.kernel import Evaluated, Record, Run, RunFinished, RunStarted, Usage
from traces.rows import RunRow, run_row
from traces.stretches import Piece, Stretch, lines_of, pieces


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
    tally: _Tally = field(default_factory=_Tally)


class LiveExperiment:
    """The journals of one experiment, followed by byte offset. What of them makes up a run is said in
    `traces.stretches`."""

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder = folder
        self._offsets: dict[Path, int] = {}
        self._runs: dict[int, list[_Counted]] = {}

    def rows(self, unfinished: str | None = None) -> list[RunRow]:
        """The finished runs so far, by number; with `unfinished`, also the others, with that as their status."""
        self._advance()
        tallies = ((number, self._tally(number)) for number in sorted(self._runs))
        return [
            self._row(number, tally, run, unfinished or "")
            for number, tally in tallies
            if (run := tally.run) is not None and (unfinished or tally.finished)
        ]

    def events(self, run: int, offset: int = 0, limit: int | None = None) -> list[Record]:
        """The events of one run so far, from event `offset` on."""
        self._advance()
        found: list[Record] = []
        for piece in pieces(self._runs.get(run, [])):
            if piece.stop > offset:
                found += (journal.decode(line, piece.stretch.path) for line in lines_of(piece, offset))
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]

    def lines(self, run: int) -> Iterator[bytes]:
        """The journals' lines of one run so far."""
        self._advance()
        for piece in pieces(self._runs.get(run, [])):
            yield from lines_of(piece)

    def _advance(self) -> None:
        for path in self.folder.journals():
            at = self._offsets.get(path, 0)
            if path.stat().st_size < at:  # cut back by a repair: what was read no longer holds
                self._offsets.clear()
                self._runs.clear()
                self._advance()
                return
            for line, after in journal.lines(path, at):
                self._take(path, after - len(line), after, line)
                at = after
            self._offsets[path] = at

    def _take(self, path: Path, start: int, end: int, line: bytes) -> None:
        glance = _decoded(line, path)
        stretches = self._runs.setdefault(glance.run, [])
        stretch = next((one for one in reversed(stretches) if one.path == path), None)
        if stretch is None or stretch.after != glance.seq:
            stretch = _Counted(path, glance.run, glance.seq, glance.wall, start, glance.seq, end)
            stretches.append(stretch)
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
            finished=tally.finished,
            graded=tally.graded,
            usage=tally.usage,
            latency_s=tally.t,
            messages=tally.messages,
            events=tally.events,
        )


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
