"""Reading an experiment from its journals while it runs, each byte once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from traces import journal
from traces.errors import TraceError
from traces.home import ExperimentFolder
from traces.kernel import Evaluated, Record, Run, RunFinished, RunStarted, Usage
from traces.rows import RunRow, run_row


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
class _Seen:
    """What was read of one run: where its lines begin and end, and the sums over them."""

    run: Run
    path: Path
    start: int
    started: float
    end: int = 0
    events: int = 0
    messages: int = 0
    t: float = 0.0
    usage: Usage = field(default_factory=Usage)
    graded: Evaluated | None = None
    finished: RunFinished | None = None


class LiveExperiment:
    """The journals of one experiment, followed by byte offset. A run that was begun anew counts from its last start."""

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder = folder
        self._offsets: dict[Path, int] = {}
        self._runs: dict[int, _Seen] = {}

    def rows(self, unfinished: str | None = None) -> list[RunRow]:
        """The finished runs so far, by number; with `unfinished`, also the others, with that as their status."""
        self._advance()
        return [
            self._row(number, seen, unfinished or "")
            for number, seen in sorted(self._runs.items())
            if unfinished or seen.finished
        ]

    def events(self, run: int, offset: int = 0, limit: int | None = None) -> list[Record]:
        """The events of one run so far, from event `offset` on."""
        self._advance()
        seen = self._runs.get(run)
        if seen is None:
            return []
        stop = offset + limit if limit is not None else None
        mark = b'{"run":%d,' % run
        found = []
        count = 0
        for line, after in journal.lines(seen.path, seen.start):
            if line.startswith(mark):
                if count >= offset:
                    found.append(journal.decode(line, seen.path))
                count += 1
            if after >= seen.end or count == stop:
                break
        return found

    def _advance(self) -> None:
        for path in self.folder.journals():
            at = self._offsets.get(path, 0)
            if path.stat().st_size < at:  # cut back by a repair: what was read no longer holds
                self._offsets.clear()
                self._runs.clear()
                self._advance()
                return
            for line, after in journal.lines(path, at):
                self._take(path, at, after, line)
                at = after
            self._offsets[path] = at

    def _take(self, path: Path, start: int, end: int, line: bytes) -> None:
        try:
            glance = _glance(line)
        except msgspec.MsgspecError as error:
            raise TraceError(f"{path}: an event that this version cannot read: {error}") from None
        seen = self._runs.get(glance.run)
        if glance.event.type == "run_started" and (seen is None or glance.wall >= seen.started):
            seen = self._runs[glance.run] = _Seen(_whole(RunStarted, line, path).run, path, start, glance.wall)
        if seen is None or seen.path != path:
            return
        seen.end, seen.events, seen.t = end, seen.events + 1, glance.t
        take = _TAKE.get(glance.event.type)
        if take is not None:
            take(seen, glance, line)

    def _row(self, number: int, seen: _Seen, unfinished: str) -> RunRow:
        return run_row(
            self.folder.id,
            number,
            seen.run,
            unfinished=unfinished,
            finished=seen.finished,
            graded=seen.graded,
            usage=seen.usage,
            latency_s=seen.t,
            messages=seen.messages,
            events=seen.events,
        )


def _chat(seen: _Seen, glance: _Glance, line: bytes) -> None:
    seen.usage += glance.event.usage or Usage()


def _message(seen: _Seen, glance: _Glance, line: bytes) -> None:
    seen.messages += 1


def _evaluation(seen: _Seen, glance: _Glance, line: bytes) -> None:
    seen.graded = _whole(Evaluated, line, seen.path)


def _finished(seen: _Seen, glance: _Glance, line: bytes) -> None:
    seen.finished = _whole(RunFinished, line, seen.path)


_TAKE: dict[str, Callable[[_Seen, _Glance, bytes], None]] = {
    "chat": _chat,
    "message": _message,
    "evaluation": _evaluation,
    "run_finished": _finished,
}


def _whole(kind: type[_T], line: bytes, path: Path) -> _T:
    event = journal.decode(line, path).event
    assert isinstance(event, kind)
    return event
