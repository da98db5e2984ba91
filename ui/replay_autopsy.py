"""Why a failed run failed, for the stepper: its decisive error, and who had to do with it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from experiments.failures import autopsy
from traces import home
from traces.errors import HeadcountError
from traces.rows import RunRow
from ui import shared

MOST = 20_000  # events: the rules read all of a run
PARTS = {
    "introduced": "made it",
    "passed_on": "passed it on",
    "saw": "saw it",
    "let_through": "let it through",
    "caught": "caught it",
}


def mark(row: RunRow) -> dict[str, Any] | None:
    """For the stepper; None where the run did not fail, where the rules find no error, or where it is too long
    for them."""
    if row.success is not False or row.status == "running" or row.events > MOST:
        return None
    return _mark(str(home.home()), row.experiment, row.run, row.events)


def note(row: RunRow) -> None:
    """What to do for a failed run that is too long for `mark`."""
    if row.success is False and row.status != "running" and row.events > MOST:
        command = f"headcount autopsy {row.experiment} {row.run}"
        st.caption(f"Its decisive error is not looked for here: it has more than {MOST:,} events. `{command}` does it.")


@st.cache_data(max_entries=64, show_spinner="Looking for the decisive error")
def _mark(base: str, experiment: str, run: int, events: int) -> dict[str, Any] | None:
    """`base` and `events` make it be looked for anew when the run has changed."""
    try:
        found = autopsy.of_run(home.find_experiment(experiment), run, shared.store())
    except HeadcountError:
        return None  # its scenario is not here
    if found is None or found.decisive is None:
        return None
    chain = [{"seq": link.seq, "agent": link.agent, "part": PARTS[link.part]} for link in found.chain]
    label = autopsy.title(found.label)
    return {"seq": found.decisive.seq, "label": label, "detail": found.decisive.detail, "chain": chain}
