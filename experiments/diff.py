"""Two runs side by side, aligned by what is done in them, not by the numbers of their events."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

import msgspec
from msgspec import Struct

from experiments.steps import headline
from traces.kernel import Event, Record
from traces.rows import RunRow

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
