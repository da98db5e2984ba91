"""Two runs side by side, aligned by what is done in them, not by the numbers of their events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from experiments.reading.steps import headline
from traces.kernel import Event, Record
from traces.rows import RunRow
from traces.store import Store

WINDOW = 2_000  # events compared at first; four times as many in each window after it
BATCH = 100
Mark = Literal["same", "changed", "left", "right"]
_DIFFERS_ANYWAY = ("usage", "latency_s", "kept", "server", "key", "run", "kv_bytes")


class Row(Struct, frozen=True):
    """One line of the two. `same`: the same was done, with the same outcome; `changed`: the same agent did the same
    kind of thing otherwise; `left` and `right`: only one run has it. Times, tokens and prices make no difference."""

    mark: Mark
    left: Record | None
    right: Record | None


class Change(Struct, frozen=True):
    """A figure of both runs; None where it is not known."""

    name: str
    left: str | float | None
    right: str | float | None


def aligned(left: Sequence[Record], right: Sequence[Record], limit: int | None = None) -> list[Row]:
    """The events of two runs in rows. `limit`: of each run, no more than so many events from where they first differ
    (aligning takes time that grows with the square of what is left to align)."""
    same = _shared(left, right)
    rest = slice(same, None if limit is None else same + limit)
    return [Row("same", a, b) for a, b in zip(left[:same], right[:same], strict=True)] + _matched(
        left[rest], right[rest]
    )


class Side(NamedTuple):
    """A run, by its address: `experiment:run`."""

    experiment: str
    run: int

    def __str__(self) -> str:
        return f"{self.experiment}:{self.run}"


@dataclass(frozen=True)
class Aligned:
    """Two runs in rows, of which only those from the first difference on are held: the first `same` rows are the first
    `same` events of both. `cut`: the number of events, far behind the difference, that are not aligned."""

    left: Side
    right: Side
    same: int
    rest: Sequence[Row]
    cut: int

    @property
    def first(self) -> int | None:
        """The number of the first row in which the runs differ."""
        behind = first_divergence(self.rest)
        return None if behind is None else self.same + behind

    def numbers(self, only_differing: bool = False) -> Sequence[int]:
        """The numbers of the rows."""
        if not only_differing:
            return range(self.same + len(self.rest))
        return [self.same + place for place, row in enumerate(self.rest) if row.mark != "same"]

    def rows(self, store: Store, numbers: Sequence[int]) -> list[Row]:
        """Rows by their numbers, given in ascending order."""
        before = [number for number in numbers if number < self.same]
        records = [store.picked(*side, before) for side in (self.left, self.right)] if before else [[], []]
        found = [Row("same", a, b) for a, b in zip(*records, strict=True)]
        return found + [self.rest[number - self.same] for number in numbers[len(before) :]]


def windowed(store: Store, left: Side, right: Side, limit: int) -> Aligned:
    """`aligned`, for runs of any length: what both share is compared in SQL, and of each run at most `limit` events
    from the first difference on are read."""
    same = _same_in(store, left, right)
    ours, theirs = (store.events(*side, same, limit) for side in (left, right))
    events = sum(store.run(*side).events for side in (left, right))
    return Aligned(left, right, same, _matched(ours, theirs), max(0, events - 2 * same - len(ours) - len(theirs)))


def _same_in(store: Store, left: Side, right: Side) -> int:
    """How many events at the start are the same in both. Only those are read that are not the same to the byte."""
    start, size = 0, WINDOW
    while True:
        ours, theirs = (_hashes(store, side, start, size) for side in (left, right))
        both = min(len(ours), len(theirs))
        unlike = [start + place for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b]
        for at in range(0, len(unlike), BATCH):
            some = unlike[at : at + BATCH]
            pairs = zip(*(store.picked(*side, some) for side in (left, right)), strict=True)
            differing: int | None = next((a.seq for a, b in pairs if _did(a.event) != _did(b.event)), None)
            if differing is not None:
                return differing
        if both < size:
            return start + both
        start, size = start + size, size * 4


def _hashes(store: Store, side: Side, start: int, size: int) -> list[int]:
    query = "SELECT hash(body) FROM {events} WHERE seq >= ? AND seq < ? ORDER BY seq"
    rows = store.about_run(
        *side, lambda con, events: con.execute(query.format(events=events), [start, start + size]).fetchall()
    )
    return [one for (one,) in rows]


def _shared(left: Sequence[Record], right: Sequence[Record]) -> int:
    """How many events at the start are the same in both."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((n for n, (a, b) in pairs if _did(a.event) != _did(b.event)), min(len(left), len(right)))


def _matched(left: Sequence[Record], right: Sequence[Record]) -> list[Row]:
    matcher = SequenceMatcher(None, [_kind(r.event) for r in left], [_kind(r.event) for r in right], autojunk=False)
    rows: list[Row] = []
    for operation, i1, i2, j1, j2 in matcher.get_opcodes():
        if operation == "equal":
            pairs = zip(left[i1:i2], right[j1:j2], strict=True)
            rows += [Row("same" if _did(a.event) == _did(b.event) else "changed", a, b) for a, b in pairs]
        else:
            rows += [Row("left", record, None) for record in left[i1:i2]]
            rows += [Row("right", None, record) for record in right[j1:j2]]
    return rows


def first_divergence(rows: Sequence[Row]) -> int | None:
    """The number of the first row in which the runs differ."""
    return next((number for number, row in enumerate(rows) if row.mark != "same"), None)


def changes(left: RunRow, right: RunRow) -> list[Change]:
    """What came out of each, and what it took: tokens, dollars, seconds on the run's clock."""
    names = ("case_id", "team", "engine", "model", "status", "ended_by", "success", "score")
    figures = ("tokens", "cost_usd", "latency_s", "calls", "messages", "events")
    return [Change(name, getattr(left, name), getattr(right, name)) for name in (*names, *figures)]


def line(record: Record | None) -> str:
    """An event in one line; empty for none."""
    return "" if record is None else headline(record)


def _kind(event: Event) -> tuple[str, ...]:
    data = _data(event)
    message = data.get("message", {})
    who = data.get("agent") or data.get("by") or message.get("sender") or ""
    what = [data.get(name, "") for name in ("purpose", "tool", "posting", "kind")]
    return (data["type"], who, *map(str, what), str(message.get("to")), str(message.get("kind")))


def _did(event: Event) -> dict[str, Any]:
    data = {name: value for name, value in _data(event).items() if name not in _DIFFERS_ANYWAY}
    if "message" in data:
        data["message"] = {name: data["message"].get(name) for name in ("sender", "to", "topic", "kind", "content")}
    return data


def _data(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(event)
    return data
