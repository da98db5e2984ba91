"""The replay's stepper: a run packed for the browser, and the component that draws it there."""

from __future__ import annotations

import struct
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
    """The component; called with `key`, `data` (from `pack`), `default` and `on_step_change`, its result's `step` is
    the step on which the reader has settled."""
    import streamlit as st

    js = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    html = (HERE / "replay.html").read_text(encoding="utf-8")
    css = (HERE / "replay.css").read_text(encoding="utf-8")
    component: Callable[..., Any] = st.components.v2.component("headcount_replay", html=html, css=css, js=js)
    return component


def opened_at(packed: bytes, step: int) -> bytes:
    """The packed run, to be opened at `step`."""
    return packed[:4] + struct.pack("<I", step) + packed[8:]


def pack(experiment: str, run: int, records: Sequence[Record]) -> bytes:
    """A run without its contents: two numbers (size of the header, step to open at), a JSON header, then one column
    after the other, little-endian (replay_data.js reads it)."""
    nodes: dict[Node, int] = {}

    def number(node: Node | None) -> int:
        return NOBODY if node is None else nodes.setdefault(node, len(nodes))

    for record in records:
        if isinstance(record.event, k.AgentCreated):
            number(("agent", record.event.agent))
    pairs = [ends(record.event) for record in records]
    senders = [number(pair.sender) for pair in pairs]
    receivers = [number(pair.to) for pair in pairs]
    lines = [_cut(headline(record)).encode() for record in records]
    started = next((r.event.run for r in records if isinstance(r.event, k.RunStarted)), None)
    header = {
        "experiment": experiment,
        "run": run,
        "count": len(records),
        "groups": GROUPS,
        "nodes": [{"kind": kind, "name": name} for kind, name in nodes],
        "simulated": bool(started and started.clock == "virtual"),
    }
    return _joined(msgspec.json.encode(header), _columns(records, senders, receivers, lines), b"".join(lines))


def _columns(
    records: Sequence[Record], senders: list[int], receivers: list[int], lines: list[bytes]
) -> list[tuple[str, list[Any]]]:
    events = [record.event for record in records]
    return [
        ("<f8", [record.t for record in records]),
        ("<f8", [_cost(event) for event in events]),
        ("<f4", [_lasted(event) for event in events]),
        ("<u4", [event.usage.tokens if isinstance(event, k.Chat) else 0 for event in events]),
        ("<u4", [len(line) for line in lines]),
        ("<u2", [min(n, NOBODY) for n in senders]),
        ("<u2", [min(n, NOBODY) for n in receivers]),
        ("u1", [_GROUP_OF[type(event)] for event in events]),
        ("u1", [int(_went_wrong(event)) for event in events]),
    ]


def _joined(header: bytes, columns: list[tuple[str, list[Any]]], text: bytes) -> bytes:
    import numpy as np

    padded = header + b" " * (-(len(header) + 8) % 8)
    body = b"".join(np.asarray(values, dtype=kind).tobytes() for kind, values in columns)
    return struct.pack("<II", len(padded), 0) + padded + body + text


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
