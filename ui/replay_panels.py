"""What a reader can do at a step, beside looking at it: one panel at a time, above the step's content."""

from __future__ import annotations

import streamlit as st

from traces.rows import RunRow
from ui import replay_diff, replay_fork, replay_labels, replay_market

FORK, DIFF, LABELS, MARKET = "Fork from here", "Diff", "Labels", "Market"
PANELS = [FORK, DIFF, LABELS]
KEY = "replay_panel"


def show(row: RunRow, step: int, market: bool) -> None:
    """The choice of a panel, and the one that is chosen; the address may name one (`&panel=`). `market`: whether
    the run has one."""
    offered = [*PANELS, MARKET] if market else PANELS
    _follow_address(offered)
    picked = st.pills("At this step", offered, key=KEY, on_change=_note, label_visibility="collapsed")
    if picked is None:
        return
    with st.container(border=True):
        if picked == FORK:
            replay_fork.panel(row, step)
        elif picked == DIFF:
            replay_diff.panel(row)
        elif picked == MARKET:
            replay_market.panel(row, step)
        else:
            replay_labels.panel(row, step)


def _follow_address(offered: list[str]) -> None:
    """Open the panel that the address names, once for each address that a link made. (Streamlit's own binding does not
    follow a link from the page to itself.)"""
    if st.session_state.get(KEY) not in offered:
        st.session_state[KEY] = None  # a panel of the run before
    asked = tuple(st.query_params.get(name, "") for name in ("experiment", "run", "panel", replay_diff.AGAINST))
    if asked == st.session_state.get(f"{KEY}_followed"):
        return
    st.session_state[f"{KEY}_followed"] = asked
    if asked[2] in offered:
        st.session_state[KEY] = asked[2]


def _note() -> None:
    """Put the panel that the reader picked into the address."""
    picked = st.session_state[KEY]
    if picked is None:
        st.query_params.pop("panel", None)
    else:
        st.query_params["panel"] = picked
