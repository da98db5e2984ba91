"""The replay's stepper: a run packed for the browser, and the component that draws it there."""

from __future__ import annotations

import gzip
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import cache, singledispatch
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from experiments.steps import headline
from traces import kernel as k
from traces.kernel import Record

HERE = Path(__file__).parent
SCRIPTS = ("replay_data.js", "replay_graph.js", "replay_timeline.js", "replay.js")
GROUPS = ("message", "model call", "tool", "market", "run", "note")
NOBODY = 0xFFFF
HEADLINE = 140

_GROUP_OF: dict[type[Any], int] = {
    **dict.fromkeys((k.MessageSent, k.DeadLetter), 0),
    k.Chat: 1,
    **dict.fromkeys((k.EffectIntended, k.ApprovalDecided, k.ToolExecuted), 2),
    **dict.fromkeys((k.TaskPosted, k.TaskOpened, k.BidMade, k.TaskAwarded), 3),
    **dict.fromkeys((k.TaskStarted, k.TaskReposted, k.TaskDelivered, k.TaskReviewed, k.TaskClosed), 3),
    **dict.fromkeys((k.MoneyMoved, k.ReputationChanged), 3),
    **dict.fromkeys((k.RunStarted, k.AgentCreated, k.AnswerHandedIn, k.Evaluated, k.RunFinished), 4),
    **dict.fromkeys((k.OutputRejected, k.LimitHit, k.Noted), 5),
}

# By name, in the order in which they are packed: how they are held here, and how they travel.
_COLUMNS = {
    "t": ("d", "<f8"),
    "cost": ("d", "<f8"),
    "lasted": ("f", "<f4"),
    "tokens": ("I", "<u4"),
    "length": ("I", "<u4"),
    "from": ("H", "<u2"),
    "to": ("H", "<u2"),
    "group": ("B", "u1"),
    "wrong": ("B", "u1"),
}

Node = tuple[str, str]
"""What stands in the graph: its kind (agent, topic, tools or board) and its name."""
TOOLS: Node = ("tools", "tools")
BOARD: Node = ("board", "board")


class Ends(NamedTuple):
    """Between whom an event was recorded to happen; never guessed."""

    sender: Node | None = None
    to: Node | None = None


@cache
def stepper() -> Callable[..., Any]:
    """The component; called with `key`, `data` (from `Packer`), `default` and `on_step_change`, its result's `step` is
    the step on which the reader has settled."""
    import streamlit as st

    js = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    html = (HERE / "replay.html").read_text(encoding="utf-8")
    css = (HERE / "replay.css").read_text(encoding="utf-8")
    component: Callable[..., Any] = st.components.v2.component("headcount_replay", html=html, css=css, js=js)
    return component


def opened_at(packed: bytes, step: int, error: bytes) -> bytes:
    """The packed run, to be opened at `step`, with what `replay_autopsy.mark` says of it."""
    return struct.pack("<II", step, len(error)) + error + packed


class Calls(NamedTuple):
    """An agent's model calls in their order: the number of each event, and its `kept`."""

    seqs: array[int]
    kept: array[int]


class Packer:
    """Packs a run without its contents, some of its events at a time: none of them is held on to."""

    def __init__(self) -> None:
        self.count = 0
        self.market = False
        self.calls: dict[str, Calls] = {}
        self._nodes: dict[Node, int] = {}
        self._simulated = False
        self._columns: dict[str, array[Any]] = {name: array(code) for name, (code, _) in _COLUMNS.items()}
        self._text = bytearray()

    def add(self, records: Sequence[Record]) -> None:
        """The next events of the run."""
        for record in records:
            self._add(record)
        self.count += len(records)

    def _add(self, record: Record) -> None:
        event = record.event
        if isinstance(event, k.RunStarted):
            self._simulated = event.run.clock == "virtual"
        elif isinstance(event, k.TaskPosted):
            self.market = True
        elif isinstance(event, k.Chat):
            calls = self.calls.setdefault(event.agent, Calls(array("I"), array("I")))
            calls.seqs.append(record.seq)
            calls.kept.append(event.kept)
        pair = ends(event)
        line = _cut(headline(record)).encode()
        self._text += line
        values: dict[str, float] = {
            "t": record.t,
            "cost": _cost(event),
            "lasted": _lasted(event),
            "tokens": event.usage.tokens if isinstance(event, k.Chat) else 0,
            "length": len(line),
            "from": self._number(pair.sender),
            "to": self._number(pair.to),
            "group": _GROUP_OF[type(event)],
            "wrong": int(_went_wrong(event)),
        }
        for name, value in values.items():
            self._columns[name].append(value)

    def _number(self, node: Node | None) -> int:
        return NOBODY if node is None else min(NOBODY, self._nodes.setdefault(node, len(self._nodes)))

    def packed(self, experiment: str, run: int) -> bytes:
        """The size of the header, a JSON header, then one column after the other, little-endian, and the headlines; all
        of it gzipped, because each rerun hands it on (replay_data.js reads it)."""
        header = {
            "experiment": experiment,
            "run": run,
            "count": self.count,
            "groups": GROUPS,
            "nodes": [{"kind": kind, "name": name} for kind, name in self._nodes],
            "simulated": self._simulated,
        }
        columns = [(_COLUMNS[name][1], values) for name, values in self._columns.items()]
        return _joined(msgspec.json.encode(header), columns, bytes(self._text))


def _joined(header: bytes, columns: list[tuple[str, array[Any]]], text: bytes) -> bytes:
    import numpy as np

    padded = header + b" " * (-(len(header) + 8) % 8)
    body = b"".join(np.asarray(values, dtype=kind).tobytes() for kind, values in columns)
    return gzip.compress(struct.pack("<Q", len(padded)) + padded + body + text, compresslevel=1, mtime=0)


def _cut(line: str) -> str:
    return line if len(line) <= HEADLINE else line[: HEADLINE - 1] + "…"


def _cost(event: Any) -> float:
    """Nano-dollars; NaN where the price is unknown."""
    if not isinstance(event, k.Chat):
        return 0.0
    cost = event.usage.cost_nano_usd
    return float("nan") if cost is None else float(cost)


def _lasted(event: Any) -> float:
    if isinstance(event, k.Chat):
        return event.usage.latency_s
    return event.latency_s if isinstance(event, k.ToolExecuted) else 0.0


def _went_wrong(event: Any) -> bool:
    match event:
        case k.Chat():
            return bool(event.error or event.fault)
        case k.OutputRejected() | k.LimitHit() | k.DeadLetter() | k.TaskReposted():
            return True
        case k.ApprovalDecided():
            return not event.approved
        case k.ToolExecuted():
            return not event.ok
        case k.TaskReviewed():
            return not event.accepted
        case k.TaskClosed():
            return event.state != "settled"
        case k.Evaluated():
            return not event.success
        case k.RunFinished():
            return event.status != "completed"
        case _:
            return False


def _agent(name: str) -> Node | None:
    return ("agent", name) if name else None


@singledispatch
def ends(event: Any) -> Ends:
    """Whom the event names as acting and as acted upon."""
    return Ends(_agent(getattr(event, "agent", "")))


@ends.register
def _(event: k.MessageSent) -> Ends:
    message = event.message
    to = ("agent", message.to) if message.to else ("topic", message.topic or "all")
    return Ends(_agent(message.sender), to)


@ends.register(k.EffectIntended)
@ends.register(k.ApprovalDecided)
@ends.register(k.ToolExecuted)
def _(event: Any) -> Ends:
    return Ends(_agent(event.agent), TOOLS)


@ends.register(k.BidMade)
@ends.register(k.TaskDelivered)
def _(event: Any) -> Ends:
    return Ends(_agent(event.agent), BOARD)


@ends.register
def _(event: k.DeadLetter) -> Ends:
    return Ends(_agent(event.message.sender), ("agent", event.to))


@ends.register(k.TaskStarted)
@ends.register(k.TaskReposted)
@ends.register(k.ReputationChanged)
def _(event: Any) -> Ends:
    return Ends(BOARD, _agent(event.agent))


@ends.register(k.MoneyMoved)
def _(event: Any) -> Ends:
    return Ends(BOARD)


@ends.register(k.TaskPosted)
@ends.register(k.TaskReviewed)
def _(event: Any) -> Ends:
    return Ends(_agent(event.by), BOARD)


@ends.register
def _(event: k.TaskAwarded) -> Ends:
    return Ends(BOARD, _agent(event.agent))


@ends.register(k.TaskOpened)
@ends.register(k.TaskClosed)
def _(event: Any) -> Ends:
    return Ends(BOARD)
