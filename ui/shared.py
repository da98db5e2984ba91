"""What pages share: errors in words, badges, numbers, links, the choice of an experiment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from traces.errors import HeadcountError
from traces.rows import ExperimentRow
from traces.store import Store

# The menu's pages by their address; app.py fills it.
PAGES: dict[str, Any] = {}

log = logging.getLogger("headcount.app")

# Okabe & Ito's colours: told apart by the colour-blind, and visible on light and dark.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B8860B", "#7F7F7F"]


def guarded(page: Callable[[], None]) -> Callable[[], None]:
    """A page on which an error is a sentence, never a traceback."""

    @wraps(page)
    def run() -> None:
        try:
            page()
        except HeadcountError as error:
            st.error(str(error))
        except Exception as error:  # the reader is told, the log has the rest
            log.exception("page %s", page.__module__)
            st.error(f"This page failed: {type(error).__name__}. The app's log has the details.")

    return run


def badge(simulated: bool) -> None:
    """Whether what is shown was simulated or measured."""
    if simulated:
        st.badge("simulated", color="orange", help="Answers, tokens, cost and latency come from a simulated model.")
    else:
        st.badge("measured", color="blue", help="These are calls to a real model.")


def is_simulated(row: ExperimentRow) -> bool:
    return bool(row.plan.get("simulated", False))


def model_of(row: ExperimentRow) -> str:
    return str(row.plan.get("plan", {}).get("model", "sim:medium"))


def label(row: ExperimentRow) -> str:
    return f"{row.scenario} · {model_of(row)} · {row.id}"


def link(page: str, text: str, **query: str | int) -> None:
    """A link to another page of the app."""
    params = {name: str(value) for name, value in query.items()}
    if page in PAGES:
        st.page_link(PAGES[page], label=text, query_params=params)
    else:
        st.caption(f"{text}: /{page}?{urlencode(params)}")


def choose_experiment() -> ExperimentRow | None:
    """The experiment that the address names (`?experiment=`), else the newest, with a box to pick another. None, with
    a hint, where there is none yet."""
    by_id = {row.id: row for row in Store().experiments()}
    if not by_id:
        nothing_yet()
        return None
    asked = st.query_params.get("experiment")
    if asked and asked not in by_id:
        st.warning(f"There is no experiment {asked} here. These are there:")
    names = list(by_id)
    picked = st.selectbox(
        "Experiment",
        names,
        index=names.index(asked) if asked in by_id else 0,
        format_func=lambda name: label(by_id[name]),
        key=f"experiment_{asked}",
        on_change=_follow,
        args=[f"experiment_{asked}"],
    )
    return by_id[picked] if picked else None


def _follow(key: str) -> None:
    """Put the experiment that the reader picked into the address. (Streamlit's own binding takes a value that is the
    default out of the address: a link to the newest experiment would come to mean another one.)"""
    st.query_params["experiment"] = st.session_state[key]


def nothing_yet() -> None:
    st.info("No experiment here yet. Launch one, or run `make demo` in a terminal.")
    link("launch", "Launch an experiment")
