"""Home: the question, three ways to start, the last answers."""

from __future__ import annotations

import streamlit as st

from experiments import words
from experiments.judging import answers
from experiments.judging.verdict import UNJUDGED
from traces.rows import ExperimentRow
from ui import inbox, opening, shared

SHOWN = 8

KINDS = {
    "one_is_enough": ("one is enough", "blue"),
    "team_worth_it": ("team worth it", "green"),
    "depends_on_case": ("depends on the case", "violet"),
    "not_enough_trials": ("open", "orange"),
    "nothing_measured": ("nothing measured", "red"),
    "runs_broke_off": ("no verdict", "red"),
}


def page() -> None:
    st.title("How many agents does this job need?")
    st.write(
        "Run the job with one agent and with teams of agents: the same cases, tools, knowledge, model and budget. "
        "See which succeeds more often, what it costs, and every message behind the answer."
    )
    _ways_to_start()
    inbox.notice()
    rows = shared.store().experiments()
    if not rows:
        shared.nothing_yet()
        return
    st.header("Last answers", anchor=False)
    for row in rows[:SHOWN]:
        _experiment(row)
    if len(rows) > SHOWN:
        st.caption(f"{SHOWN} of {len(rows):,} experiments shown; Compare has them all.")


def _ways_to_start() -> None:
    first, second, third = st.columns(3)
    with first, st.container(border=True, height="stretch"):
        st.header("Try the demo", anchor=False)
        st.write(
            "A billing agent's job: one agent against two teams, on a simulated model. Free, without a key, and "
            "done in about a minute."
        )
        if st.button("Run the demo", type="primary"):
            _demo()
    with second, st.container(border=True, height="stretch"):
        st.header("Use your own job", anchor=False)
        st.write("Cases, documents and tools of yours make a scenario: a folder that can be read and versioned.")
        if "own_job" in shared.PAGES:
            shared.link("own_job", "Make a scenario")
        shared.link("launch", "Launch a scenario that you have")
    with third, st.container(border=True, height="stretch"):
        st.header("Open a trace", anchor=False)
        st.write("Step through a run: who said what to whom, what each agent saw, and what it cost so far.")
        shared.link("replay", "Replay the newest run")
        st.caption("Or open a file that somebody sent, below.")
    opening.uploader()


def _demo() -> None:
    from experiments.plan import Plan
    from experiments.running import launch

    with st.spinner("Starting"):
        experiment = launch.start(Plan("billing_support", trials=10))
    shared.go("live", experiment=experiment)


def _experiment(row: ExperimentRow) -> None:
    under_way = row.state in shared.UNDER_WAY
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            shared.heading(row)
            st.caption(f"{row.done:,} of {row.total:,} runs · {words.ago(row.created)}", width="content")
        if row.message and not row.plan:
            st.error(shared.plain(row.message))
            return
        if under_way:
            st.progress(row.done / row.total if row.total else 0.0)
        else:
            _answer(row)
        with st.container(horizontal=True):
            if under_way:
                shared.link("live", "Watch", experiment=row.id)
            shared.link("compare", "Compare", experiment=row.id)
            shared.link("replay", "Replay", experiment=row.id)


def _answer(row: ExperimentRow) -> None:
    found = answers.answer(row, shared.store())
    with st.container(horizontal=True, vertical_alignment="center"):
        if found.kind in KINDS:
            word, colour = KINDS[found.kind]
            st.badge(word, color=colour)  # type: ignore[arg-type]
        if found.kind in UNJUDGED:
            st.error(shared.plain(" ".join(filter(None, (found.text, found.reason)))))
        else:
            st.text(found.text)
            if found.second:
                st.caption(shared.plain(found.second))
