"""This run beside another: where they part, and what came out of each. The address names the other (`&against=`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from experiments import words
from experiments.forks import diff
from experiments.forks.diff import Aligned, Change, Row, Side
from experiments.outcome import named
from traces.errors import HeadcountError
from traces.home import home
from traces.kernel import Record
from traces.rows import RunRow
from ui import shared

AGAINST = "against"
WINDOW = 100
BEFORE = 3
ALIGNED = 1500
OTHERS = 500
MARKS = {"same": "", "changed": "≠", "left": "only this run", "right": "only the other"}
NAMES = {"case_id": "case", "ended_by": "ended by", "cost_usd": "cost", "latency_s": "time", "calls": "model calls"}


def button(text: str, experiment: str, run: int, step: int, against: str) -> None:
    """Opens a run beside another, `experiment:run`. (A link from a page to itself leaves the old address standing.)"""
    if st.button(text, type="tertiary", key=f"diff-{experiment}-{run}-{against}"):
        query = {"experiment": experiment, "run": str(run), "step": str(step), "panel": "Diff", AGAINST: against}
        st.query_params.from_dict(query)
        st.rerun()


def panel(row: RunRow) -> None:
    """The choice of the other run, what differs in figures, and both step by step."""
    offered = _others(row)
    asked = st.query_params.get(AGAINST, "")
    if asked and asked not in offered:
        offered = {asked: f"run {asked.replace(':', ', ')}", **offered}
    if not offered:
        st.info("There is no other run here to compare with. Fork this one, or run another team.")
        return
    key = f"against-{asked}-{row.experiment}-{row.run}"
    names = list(offered)
    other = st.selectbox(
        "Compare with",
        names,
        index=names.index(asked) if asked else 0,
        format_func=offered.__getitem__,
        key=key,
        on_change=shared.follow,
        args=[AGAINST, key],
        help="Its parent, or another run on the same case; an address may name any run: &against=EXPERIMENT:RUN.",
    )
    try:
        found = _compared(str(home()), Side(row.experiment, row.run), _side(str(other)), row.events)
    except HeadcountError as error:
        st.warning(shared.sentence(error))
        return
    _figures(found.changes)
    _steps(found.aligned)


def _side(address: str) -> Side:
    experiment, _, run = address.rpartition(":")
    return Side(experiment, int(run) if run.isdecimal() else -1)


def _others(row: RunRow) -> dict[str, str]:
    """Runs worth a look beside this one: its parent, then those on the same case."""
    found: dict[str, str] = {}
    if row.parent_experiment is not None and row.parent_run is not None:
        parent = Side(row.parent_experiment, row.parent_run)
        found[str(parent)] = f"its parent: run {parent.run} of {parent.experiment}"
    for other in shared.store().runs(row.experiment, case=row.case_id, limit=OTHERS):
        if other.run != row.run:
            team = named(other.team, other.engine)
            side = Side(other.experiment, other.run)
            found[str(side)] = f"{team}, trial {other.trial}: {shared.outcome(other)} (run {other.run})"
    return found


class Compared(NamedTuple):
    """Two runs aligned, and what differs in their figures."""

    aligned: Aligned
    changes: Sequence[Change]


@st.cache_resource(max_entries=8, show_spinner="Aligning the two runs")
def _compared(base: str, left: Side, right: Side, events: int) -> Compared:
    """`base` and `events` make it be done anew when a run has changed."""
    store = shared.store()
    changes = diff.changes(*(store.run(*side) for side in (left, right)))
    return Compared(diff.windowed(store, left, right, ALIGNED), changes)


def _figures(changes: Sequence[Change]) -> None:
    rows = [
        {
            "": NAMES.get(change.name, change.name),
            "this run": _figure(change.name, change.left),
            "the other": _figure(change.name, change.right),
            "difference": _difference(change),
        }
        for change in changes
        if change.name in ("success", "score", "tokens", "cost_usd", "latency_s", "calls", "messages", "events")
        or change.left != change.right
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="What came out of each run, and what it took")


def _figure(name: str, value: Any) -> str:
    if name == "cost_usd":
        return words.money(value)
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "not graded"}[value]
    if name == "latency_s":
        return words.seconds(value)
    if name == "score":
        return f"{value:.2f}"
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _difference(change: Change) -> str:
    """How much more the other is."""
    numbers = [value for value in (change.left, change.right) if isinstance(value, int | float)]
    if len(numbers) < 2 or change.name == "success":
        return "" if change.left == change.right else "differs"
    by = numbers[1] - numbers[0]
    share = f" ({by / numbers[0]:+.0%})" if numbers[0] and change.name != "score" else ""
    sign = "−" if by < 0 else "+"
    return "" if not by else f"{sign}{_figure(change.name, abs(by))}{share}"


def _steps(found: Aligned) -> None:
    first = found.first
    if first is None:
        st.success("The two runs did the same, step by step.")
    only = st.toggle("only what differs", key="diff_only", value=False)
    numbers = found.numbers(only)
    if not numbers:
        return
    start = 0 if only or first is None else max(0, first - BEFORE)
    if len(numbers) > WINDOW:
        name = f"diff_from_{only}_{first}_{len(numbers)}"
        start = int(st.number_input("From row", 0, len(numbers) - 1, start, WINDOW, key=name))
    shown = numbers[start : start + WINDOW]
    if first is not None:
        st.markdown(f"They part where the mark ▶ is (row {first:,}).", width="content")
    rows = zip(shown, found.rows(shared.store(), shown), strict=True)
    st.dataframe(
        [_line(number, row, first) for number, row in rows],
        hide_index=True,
        alt="The steps of both runs, side by side",
        column_config={
            "": st.column_config.TextColumn(width=40),
            "what": st.column_config.TextColumn(width=110),
            "this run": st.column_config.TextColumn(width="large"),
            "the other": st.column_config.TextColumn(width="large"),
        },
    )
    note = f"{len(shown):,} of {len(numbers):,} rows shown"
    st.caption(note + (f"; {found.cut:,} events far behind the difference are not aligned" if found.cut else "") + ".")


def _line(number: int, row: Row, first: int | None) -> dict[str, Any]:
    return {
        "": "▶" if number == first else "",
        "what": MARKS[row.mark],
        "this run": _step(row.left),
        "the other": _step(row.right),
    }


def _step(record: Record | None) -> str:
    return "" if record is None else f"{record.seq}  {diff.line(record)}"
