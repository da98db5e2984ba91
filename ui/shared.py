"""What pages share: errors in words, badges, links, the choice of an experiment, what to do where nothing is yet."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import streamlit as st

from experiments import words
from traces import home
from traces.errors import HeadcountError
from traces.rows import ANSWERED, ExperimentRow, RunRow
from traces.store import Store

# The menu's pages by their address; app.py fills it.
PAGES: dict[str, Any] = {}

UNDER_WAY = ("running", "pending")

P = ParamSpec("P")

log = logging.getLogger("headcount.app")


def opened(name: str) -> Callable[[], None]:
    """The page of ui/<name>.py, which is imported when the page is first opened."""

    def page() -> None:
        importlib.import_module(f"ui.{name}").page()

    page.__name__ = name
    return guarded(page)


def guarded(page: Callable[P, None]) -> Callable[P, None]:
    """A page, or a part of one, in which an error is a sentence, never a traceback."""

    @wraps(page)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            page(*args, **kwargs)
        except HeadcountError as error:
            st.error(sentence(error))
        except Exception as error:  # the reader is told, the log has the rest
            log.exception("page %s", page.__name__)
            st.error(f"This page failed: {type(error).__name__}. The log of the app (where it was started) says more.")
            if st.button("Try again", key=f"try_again_{page.__module__}_{page.__name__}"):
                st.rerun()

    return run


def fragment(part: Callable[P, None], run_every: float | None = None) -> Callable[P, None]:
    """A part of a page that is drawn anew without the rest: by what is chosen in it, or every so many seconds."""
    return st.fragment(guarded(part), run_every=run_every)


def store() -> Store:
    """The store over the data folder, the same one for every visitor: it goes on reading where it left off."""
    return _store(home.home())


@st.cache_resource(show_spinner=False, max_entries=4)
def _store(base: Path) -> Store:
    return Store(base)


# --- words ------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Words of somebody else's as they are: nothing in them is read as Markdown (an image in it would be fetched)."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|~$:^=" else sign for sign in text)


def sentence(error: Exception | str) -> str:
    """An error as a whole sentence, plain. The library's errors begin in lower case, to stand after a name and a colon;
    where nothing stands before them, a word begins with a capital, a name (of a file, an option) as it is written."""
    text = str(error).strip()
    first = text.partition(" ")[0]
    if first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return plain(text if text.endswith((".", "?", "!")) or "\n" in text else f"{text}.")


def badge(simulated: bool) -> None:
    """Whether what is shown was simulated or measured."""
    if simulated:
        st.badge("simulated", color="orange", help="Answers, tokens, cost and latency come from a simulated model.")
    else:
        st.badge("measured", color="blue", help="These are calls to a real model.")


STATES = {
    "pending": ("starting", "gray"),
    "running": ("running", "blue"),
    "finished": ("finished", "green"),
    "stopped": ("stopped", "orange"),
    "failed": ("failed", "red"),
    "interrupted": ("worker lost", "red"),
}


def state_badge(state: str) -> None:
    words, colour = STATES.get(state, (state, "gray"))
    st.badge(words, color=colour)  # type: ignore[arg-type]


def facts(values: dict[str, str]) -> None:
    """Names and values side by side; those without a value are left out."""
    with st.container(horizontal=True, gap="medium"):
        for name, value in values.items():
            if value:
                with st.container(width="content", gap=None):
                    st.caption(name, width="content")
                    st.text(value, width="content")


def table(rows: list[dict[str, Any]], caption: str = "") -> None:
    """Rows of plain values; a column `replay` or `open` holds addresses of the app. A column that no row fills is left
    out."""
    if caption:
        st.caption(caption)
    links = {name: st.column_config.LinkColumn(name, display_text="open") for name in ("replay", "open")}
    filled = {name for row in rows for name, value in row.items() if value not in ("", None)}
    told = [{name: value for name, value in row.items() if name in filled} for row in rows]
    st.dataframe(told, hide_index=True, column_config=links, placeholder="", alt=caption or None)


# A run's status in words; "failed" alone would be taken for an answer that was wrong.
STATUS = {"limited": "ended by a limit", "failed": "broke off", "interrupted": "cut off"}


def status(name: str) -> str:
    """How a run ended, in words."""
    return STATUS.get(name, name)


def outcome(row: RunRow) -> str:
    """How a run came out; where it gave no answer, or is not graded, how it ended or how far it is."""
    unknown = "not graded" if row.status in ANSWERED else status(row.status)
    return {True: "success", False: "failure", None: unknown}[row.success]


# --- experiments ------------------------------------------------------------------------------------------------


def is_simulated(row: ExperimentRow) -> bool:
    return bool(row.plan.get("simulated", row.plan.get("kind") == "market"))


def model_of(row: ExperimentRow) -> str:
    return words.model(row.plan)


def label(row: ExperimentRow) -> str:
    return f"{row.scenario} · {model_of(row)} · {row.id}"


def choose_experiment() -> ExperimentRow | None:
    """The experiment that the address names (`?experiment=`), else the newest, with a box to pick another. None, with
    a hint, where there is none yet."""
    by_id = {row.id: row for row in store().experiments()}
    if not by_id:
        nothing_yet()
        return None
    asked = st.query_params.get("experiment")
    if asked and asked not in by_id:
        st.warning(f"There is no experiment {plain(asked)} here. These are there:")
    names = list(by_id)
    picked = st.selectbox(
        "Experiment",
        names,
        index=names.index(asked) if asked in by_id else 0,
        format_func=lambda name: label(by_id[name]),
        key=f"experiment_{asked}",
        on_change=follow,
        args=["experiment", f"experiment_{asked}"],
    )
    return by_id[picked] if picked else None


def choose_ended(what: str) -> ExperimentRow | None:
    """The experiment, with what it is in a line, once it is over; None, with a hint, while it runs and where there is
    none. `what` can be read when it is over."""
    row = choose_experiment()
    if row is None:
        return None
    heading(row)
    if row.state in UNDER_WAY:
        st.info(f"It still runs. {what} can be read when it is over.")
        link("live", "Watch it", experiment=row.id)
        return None
    return row


def follow(name: str, key: str) -> None:
    """Put what the reader picked in the widget `key` into the address, as `name`; nothing picked goes out of it.
    (Streamlit's own binding takes a value that is the default out of the address: a link to the newest experiment
    would come to mean another one.)"""
    picked = st.session_state[key]
    if picked is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(picked)


def heading(row: ExperimentRow) -> None:
    """What the experiment is, in one line."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(row.scenario)}** on {plain(model_of(row))}", width="content")
        badge(is_simulated(row))
        state_badge(row.state)


# --- going on ---------------------------------------------------------------------------------------------------


def link(page: str, text: str, **query: str | int) -> None:
    """A link to another page of the app; nothing where the app has no such page."""
    params = {name: str(value) for name, value in query.items()}
    if page in PAGES:
        st.page_link(PAGES[page], label=text, query_params=params)


def go(page: str, **query: str | int) -> NoReturn:
    """Go to another page of the app now."""
    st.switch_page(PAGES[page], query_params={name: str(value) for name, value in query.items()})
    raise AssertionError("unreachable")


def nothing_yet() -> None:
    st.info("No experiment here yet. Launch one, or run `make demo` in a terminal.")
    link("launch", "Launch an experiment")
