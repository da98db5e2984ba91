"""Home: the question, the last answers, three ways to start."""

from __future__ import annotations

import streamlit as st

from experiments import words
from experiments.outcome import Outcome
from experiments.verdict import judge
from traces.rows import ExperimentRow
from ui import shared

SHOWN = 8


def page() -> None:
    st.title("How many agents does this job need?")
    st.write(
        "Run the job with one agent and with teams of agents: the same cases, tools, knowledge, model and budget. "
        "See which succeeds more often, what it costs, and every message behind the answer."
    )
    _ways_to_start()
    rows = shared.store().experiments()
    if not rows:
        shared.nothing_yet()
        return
    st.subheader("Last answers")
    for row in rows[:SHOWN]:
        _experiment(row)
    if len(rows) > SHOWN:
        st.caption(f"{SHOWN} of {len(rows)} experiments shown; `headcount list` shows all.")


def _ways_to_start() -> None:
    first, second, third = st.columns(3)
    with first, st.container(border=True):
        st.markdown("**Try the demo**")
        st.caption("A billing agent's job, one agent against two teams, on a simulated model. Free, under a minute.")
        shared.link("launch", "Launch billing_support", scenario="billing_support")
    with second, st.container(border=True):
        st.markdown("**Use your own job**")
        st.caption("A folder with cases, documents and tools. Give its path on the Launch page.")
        shared.link("launch", "Launch your scenario")
    with third, st.container(border=True):
        st.markdown("**Open a trace**")
        st.caption("Step through a run: who said what to whom, what it saw, what it cost.")
        shared.link("replay", "Replay a run")


def _experiment(row: ExperimentRow) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{row.scenario}** on {shared.model_of(row)}")
            shared.badge(shared.is_simulated(row))
            st.caption(f"{row.state} · {row.done:,} of {row.total:,} runs · {words.ago(row.created)}")
        st.text(_answer(row.id, row.state, row.done))
        with st.container(horizontal=True):
            if row.state in ("running", "pending"):
                shared.link("live", "Watch", experiment=row.id)
            shared.link("compare", "Compare", experiment=row.id)
            shared.link("replay", "Replay", experiment=row.id)


@st.cache_data(show_spinner=False, max_entries=200)
def _answer(experiment: str, state: str, done: int) -> str:
    """The verdict in words. `state` and `done` make it be worked out anew when they change."""
    if state in ("running", "pending"):
        return "Still running."
    outcomes = [o for o in map(Outcome.of_row, shared.store().team_rows(experiment)) if o is not None]
    return judge(outcomes).text if outcomes else "No run was finished."
