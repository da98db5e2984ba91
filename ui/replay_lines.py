"""The words of Replay's steps: the browser has none of them, and asks for those that the reader comes near, or for the
steps in which something stands."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st

from experiments.reading import search
from experiments.reading.steps import headline
from traces.errors import HeadcountError
from ui import replay_component, shared
from ui.replay_load import Loaded

LONGEST = 140
MOST = 1000  # lines in one answer


def show(loaded: Loaded) -> None:
    """The place where the browser asks and is answered: a fragment of its own, so that nothing else is drawn anew."""
    with st.container(key="replay_lines"):
        shared.fragment(_answering)(loaded)


def _answering(loaded: Loaded) -> None:
    key = f"replay-lines-{loaded.name}"
    answer = st.session_state.pop(f"{key}-answer", None)
    replay_component.lines()(key=key, data=answer, on_wanted_change=lambda: _answer(loaded, key))


def _answer(loaded: Loaded, key: str) -> None:
    wanted = st.session_state[key].wanted
    if wanted is not None:
        st.session_state[f"{key}-answer"] = {"number": wanted.get("number"), **answered(loaded, wanted)}


def answered(loaded: Loaded, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the browser wants: the lines of `steps`, or the steps in which all `words` stand, as a bit for each step."""
    try:
        if "words" in wanted:
            return {"words": wanted["words"], "found": _found(loaded, str(wanted["words"]).split())}
        return {"lines": _lines(loaded, [int(step) for step in wanted["steps"][:MOST]])}
    except HeadcountError as error:
        return {"problem": str(error)}


def _lines(loaded: Loaded, steps: list[int]) -> list[tuple[int, str]]:
    if not steps:
        return []
    records = shared.store().picked(loaded.experiment, loaded.run, steps)
    return [(record.seq, _cut(headline(record))) for record in records]


def _found(loaded: Loaded, words: list[str]) -> str:
    import numpy as np

    bits = np.zeros(loaded.count, dtype=bool)
    found = search.steps(shared.store(), loaded.experiment, loaded.run, words)
    bits[found[found < loaded.count]] = True
    return base64.b64encode(np.packbits(bits, bitorder="little").tobytes()).decode()


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
