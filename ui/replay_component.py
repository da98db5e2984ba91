"""What of Replay runs in the browser: the stepper, the run that it steps through, and the lines that it asks for.

They are three components, because each travels when it changes: a run once, a few hundred lines when the reader comes
near them, of a step nothing but its number. In the browser they meet in `hub` (replay_hub.js).
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from experiments.reading.skeleton import GROUPS, Skeleton

HERE = Path(__file__).parent
STEPPER = ("replay_data.js", "replay_lines.js", "replay_graph.js", "replay_timeline.js", "replay.js")

# By name, in the order in which they are packed, and how each travels (replay_data.js reads it).
_COLUMNS = {
    "t": "<f8",
    "cost": "<f8",
    "lasted": "<f4",
    "tokens": "<u4",
    "from": "<u2",
    "to": "<u2",
    "group": "u1",
    "wrong": "u1",
}


@cache
def stepper() -> Callable[..., Any]:
    """Called with `key`, `data` (the `name` of the run, the step to `start` at, the `error` that the autopsy found),
    `default` and `on_step_change`, its result's `step` is the step on which the reader has settled."""
    html, css = ((HERE / f"replay.{kind}").read_text(encoding="utf-8") for kind in ("html", "css"))
    return _component("headcount_replay", *STEPPER, html=html, css=css)


@cache
def run() -> Callable[..., Any]:
    """Called with `key` and `data` (`packed`): the run that the stepper steps through. Draws nothing."""
    return _component("headcount_replay_run", "replay_run.js")


@cache
def lines() -> Callable[..., Any]:
    """Called with `key`, `on_wanted_change` and `data`, the answer to what was `wanted` last. Draws nothing."""
    return _component("headcount_replay_lines", "replay_asked.js")


def _component(name: str, *scripts: str, **parts: Any) -> Callable[..., Any]:
    import streamlit as st

    js = "\n".join((HERE / script).read_text(encoding="utf-8") for script in ("replay_hub.js", *scripts))
    component: Callable[..., Any] = st.components.v2.component(name, js=js, **parts)
    return component


def packed(name: str, experiment: str, run: int, simulated: bool, skeleton: Skeleton) -> bytes:
    """The size of the header, a JSON header, then one column after the other, little-endian; all of it gzipped. `name`
    tells runs apart, and a run from itself when it has grown."""
    header = {
        "name": name,
        "experiment": experiment,
        "run": run,
        "count": skeleton.count,
        "groups": GROUPS,
        "nodes": [node._asdict() for node in skeleton.nodes],
        "simulated": simulated,
    }
    encoded = msgspec.json.encode(header)
    padded = encoded + b" " * (-(len(encoded) + 8) % 8)
    body = b"".join(skeleton.columns[column].astype(kind).tobytes() for column, kind in _COLUMNS.items())
    return gzip.compress(struct.pack("<Q", len(padded)) + padded + body, compresslevel=1, mtime=0)
