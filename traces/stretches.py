"""Which lines of the journals make up a run: it may stand in several segments, and in several journals, when it was
resumed or begun anew.

A *stretch* is a row of events of one run that follow one another in one segment. Stretches of one journal are in the
order of their lines, those of different journals in the order of the wall times at which they begin. The rule: a
stretch that begins with event N replaces all that earlier stretches have of the run from event N on. So a run that
goes on in a later journal is one run, what it does again counts once, as it was done last, and a run that is begun anew
counts from its last start. What lies behind a gap does not count: a damaged place, a missing segment, an event that
cannot be read, although its line is whole (a number that is none or out of range, an unknown kind).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from traces import bounds, journal
from traces.errors import TraceError
from traces.journal import Damage

_HEAD = re.compile(rb'\{"run":(\d{1,10}),"seq":(\d{1,10}),"t":[^,]+,"wall":([^,]+),')


_ABOUT = re.compile(rb'\{"run":\s*(\d{1,10}),\s*"seq":\s*(\d{1,10}),')


@dataclass
class Stretch:
    """Events `first` to `after` - 1 of a run, in the bytes from `start` to `end` of a segment, among lines of other
    runs. `wall` is Unix time at its beginning."""

    path: Path
    run: int
    first: int
    wall: float
    start: int
    after: int
    end: int


@dataclass(frozen=True)
class Piece:
    """What counts of a stretch: its events before `stop`."""

    stretch: Stretch
    stop: int

    @property
    def is_whole(self) -> bool:
        return self.stop == self.stretch.after


@dataclass
class Survey:
    """What the segments hold: the stretches of each run, in the order of the segments; and what is damaged."""

    runs: dict[int, list[Stretch]] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)
    unreadable: Unreadable = field(default_factory=lambda: Unreadable())
    longest: int = 0


class Unreadable:
    """The events that cannot be read, by run."""

    def __init__(self) -> None:
        self._faults: dict[int, list[str]] = {}

    def add(self, line: bytes, fault: str) -> str:
        """Note one; what it is, in words."""
        found = _ABOUT.match(line)
        if found is None or int(found[1]) > bounds.PLACE:  # of a run that there cannot be
            return f"an event that cannot be read ({fault})"
        run, seq = int(found[1]), int(found[2])
        self._faults.setdefault(run, []).append(f"event {seq}: {fault}")
        return f"event {seq} of run {run} cannot be read ({fault})"

    def of(self, run: int) -> str:
        """What of a run cannot be read, in words; empty where nothing is."""
        faults = self._faults.get(run, [])
        events = "1 event" if len(faults) == 1 else f"{len(faults):,} events"
        return f"{events} of run {run} cannot be read, and what follows does not count ({faults[0]})" if faults else ""

    @property
    def runs(self) -> list[int]:
        return list(self._faults)


def fault(line: bytes) -> str:
    """Why a whole line is no event that this version can read; empty where it is one."""
    return journal.fault(line) or ("" if _HEAD.match(line) else "it is not in the form that a journal has")


def head(line: bytes, path: Path) -> tuple[int, int, float]:
    """Run, sequence number and wall time of an event's line."""
    found = _HEAD.match(line)
    if found is None:
        raise TraceError(f"{path}: an event that this version cannot read: {line[:60]!r}")
    return int(found[1]), int(found[2]), float(found[3])


def survey(paths: Iterable[Path]) -> Survey:
    """Look at every line of these segments, given in order."""
    found = Survey()
    paths = list(paths)
    for path in paths:
        _survey(path, found)
    found.damaged += journal.missing(paths)
    return found


def _survey(path: Path, found: Survey) -> None:
    """The loop that reads everything: what most lines are, the next event of the same run, is told by their bytes."""
    whole, names_next = journal.whole, journal.names_next
    open_: dict[int, Stretch] = {}
    stretch: Stretch | None = None
    mark = expected = b"none"
    offset = longest = 0
    with open(path, "rb", buffering=1 << 18) as file:
        for line in file:
            size = len(line)
            if not whole(line):
                journal.add_damage(found.damaged, path, offset, line)
            elif wrong := fault(line):  # also the name of the next segment, which is no event
                if not names_next(line):
                    found.damaged.append(Damage(path, offset, size, found.unreadable.add(line, wrong)))
            elif stretch is not None and line.startswith(expected):
                after = stretch.after = stretch.after + 1
                stretch.end = offset + size
                expected = b"%b%d," % (mark, after)
            else:
                stretch = _other(path, offset, line, open_, found)
                mark = b'{"run":%d,"seq":' % stretch.run
                expected = b"%b%d," % (mark, stretch.after)
            if size > longest:
                longest = size
            offset += size
    found.longest = max(found.longest, longest)


def _other(path: Path, offset: int, line: bytes, open_: dict[int, Stretch], found: Survey) -> Stretch:
    """A line that does not go on where the one before it ended: of another run, or the first of a stretch."""
    run, seq, wall = head(line, path)
    stretch = open_.get(run)
    if stretch is not None and stretch.after == seq:
        stretch.after += 1
        stretch.end = offset + len(line)
        return stretch
    stretch = open_[run] = Stretch(path, run, seq, wall, offset, seq + 1, offset + len(line))
    found.runs.setdefault(run, []).append(stretch)
    return stretch


def pieces(stretches: Sequence[Stretch]) -> list[Piece]:
    """What counts of a run, by the rule: events 0, 1, 2 and so on without a gap. Stretches of one segment, and segments
    of one journal, are given in order."""
    found: list[Piece] = []
    for stretch in _in_order(stretches):
        while found and found[-1].stretch.first >= stretch.first:
            found.pop()
        if found:
            found[-1] = Piece(found[-1].stretch, min(found[-1].stop, stretch.first))
        found.append(Piece(stretch, stretch.after))
    counted = 0
    for number, piece in enumerate(found):
        if piece.stretch.first != counted:
            return found[:number]
        counted = piece.stop
    return found


def lines_of(piece: Piece, offset: int = 0, known: tuple[int, int] | None = None) -> Iterator[bytes]:
    """The lines of a piece, from event `offset` of the run on. `known`: one of its events at or before that, and the
    byte from which on it is found."""
    stretch = piece.stretch
    seq, at = known or (stretch.first, stretch.start)
    if seq >= piece.stop:
        return
    mark = b'{"run":%d,' % stretch.run
    for line, _ in journal.lines(stretch.path, at):
        if line.startswith(mark):
            if seq >= offset:
                yield line
            seq += 1
            if seq == piece.stop:
                return


def plain(stretches: Sequence[Stretch], counted: Sequence[Piece]) -> bool:
    """Whether everything that stands there of a run counts."""
    return len(stretches) == len(counted) and all(piece.is_whole for piece in counted)


def _in_order(stretches: Sequence[Stretch]) -> list[Stretch]:
    """By wall time; within a journal, where a clock may have been set back, by position."""
    latest: dict[str, float] = {}
    keys = []
    for number, stretch in enumerate(stretches):
        name = journal.place(stretch.path)[0]
        latest[name] = max(stretch.wall, latest.get(name, 0.0))
        keys.append((latest[name], number))
    return [stretches[number] for _, number in sorted(keys)]
