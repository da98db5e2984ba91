"""The replay component: a run's skeleton for the browser, and the step that the reader has settled on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import streamlit as st

from experiments.steps import headline
from traces import kernel as k
from traces.kernel import Record

BOARD = "board"
TOOLS = "tools"
GRADER = "grader"


def show(name: str, records: Sequence[Record], step: int) -> int:
    """Mount the component for the run called `name`, at `step`; the step that is shown in the browser."""
    here = Path(__file__).parent
    texts = {kind: (here / f"replay.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
    mount = st.components.v2.component("headcount_replay", html=texts["html"], css=texts["css"], js=texts["js"])
    found = mount(
        data=skeleton(name, records, step),
        key=f"replay-{name}",
        default={"step": step},
        on_step_change=lambda: None,
    )
    return int(found.step)


def skeleton(name: str, records: Sequence[Record], step: int) -> dict[str, Any]:
    """Columns with one entry a step: time, kind, who acts on whom (numbers into `actors`, -1 for nobody), tokens,
    nano-dollars (None: unknown), whether a simulated error happened, and the headline."""
    pairs = [_pair(record.event) for record in records]
    actors: dict[str, int] = {}
    for pair in pairs:
        for actor in pair:
            if actor:
                actors.setdefault(actor, len(actors))
    chats = [record.event if isinstance(record.event, k.Chat) else None for record in records]
    return {
        "id": name,
        "step": step,
        "actors": list(actors),
        "t": [record.t for record in records],
        "kind": [_kind(record.event) for record in records],
        "from": [actors.get(sender, 0) for sender, _ in pairs],
        "to": [actors[to] if to else -1 for _, to in pairs],
        "tokens": [chat.usage.tokens if chat else 0 for chat in chats],
        "cost": [chat.usage.cost_nano_usd if chat else 0 for chat in chats],
        "fault": [bool(chat and chat.fault) for chat in chats],
        "text": [headline(record) for record in records],
    }


def _kind(event: k.Event) -> str:
    return str(type(event).__struct_config__.tag)


@singledispatch
def _pair(event: Any) -> tuple[str, str]:
    """Who acts, and on whom."""
    return (getattr(event, "agent", "") or GRADER, "")


@_pair.register
def _(event: k.MessageSent) -> tuple[str, str]:
    return (event.message.sender, event.message.to or "")


@_pair.register
def _(event: k.ToolExecuted) -> tuple[str, str]:
    return (event.agent, TOOLS)


@_pair.register
def _(event: k.EffectIntended) -> tuple[str, str]:
    return (event.agent, TOOLS)


@_pair.register
def _(event: k.TaskPosted) -> tuple[str, str]:
    return (event.by, BOARD)


@_pair.register
def _(event: k.BidMade) -> tuple[str, str]:
    return (event.agent, BOARD)


@_pair.register
def _(event: k.TaskAwarded) -> tuple[str, str]:
    return (BOARD, event.agent)


@_pair.register
def _(event: k.TaskDelivered) -> tuple[str, str]:
    return (event.agent, BOARD)


@_pair.register
def _(event: k.TaskReviewed) -> tuple[str, str]:
    return (event.by, BOARD)


@_pair.register
def _(event: k.TaskOpened) -> tuple[str, str]:
    return (BOARD, "")


@_pair.register
def _(event: k.TaskClosed) -> tuple[str, str]:
    return (BOARD, "")
