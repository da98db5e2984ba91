"""Live: how far an experiment is, and what came out so far."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from experiments import launch, words
from experiments.outcome import Outcome
from traces.rows import ExperimentRow, RunRow
from ui import shared

ABREAST = 5
NEWEST = 8
OVER = {
    "finished": "Finished.",
    "stopped": "Stopped by request. What was done until then is kept.",
    "failed": "Failed. What was done until then is kept.",
    "interrupted": "Worker lost: its process ended without a word. What it recorded until then is kept.",
}


def page() -> None:
    st.title("Live")
    row = shared.choose_experiment()
    if row is None:
        return
    running = row.state in ("running", "pending")
    st.fragment(_watch, run_every=1.0 if running else None)(row.id)


def _watch(experiment: str) -> None:
    """One look. While the experiment runs it is repeated every second, without touching the rest of the page."""
    row = shared.store().experiment(experiment)
    running = row.state in ("running", "pending")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{row.scenario}** on {shared.model_of(row)}")
        shared.badge(shared.is_simulated(row))
    if not running:
        (st.success if row.state == "finished" else st.error)(_ended(row))
    st.progress(row.done / row.total if row.total else 0.0, text=_progress(row, running))
    rows = shared.store().live_rows(experiment)
    _teams(rows)
    _newest(experiment, rows)
    _actions(row, running)


def _ended(row: ExperimentRow) -> str:
    return f"{OVER.get(row.state, row.state)} {row.message}".strip()


def _progress(row: ExperimentRow, running: bool) -> str:
    passed = (time.time() if running else row.updated or row.created) - row.created
    left = ""
    if running and row.done:
        left = f", about {words.seconds(passed / row.done * (row.total - row.done))} left"
    return f"{row.done:,} of {row.total:,} runs in {words.seconds(passed)}{left}"


def _teams(rows: list[RunRow]) -> None:
    teams: dict[str, list[Outcome]] = {}
    for outcome in filter(None, map(Outcome.of_row, rows)):
        teams.setdefault(outcome.name, []).append(outcome)
    if not teams:
        st.caption("No run is finished yet.")
        return
    ordered = sorted(teams.items())
    for start in range(0, len(ordered), ABREAST):
        row = ordered[start : start + ABREAST]
        for column, (team, outcomes) in zip(st.columns(max(len(row), 3)), row, strict=False):
            with column:
                _team(team, outcomes)


def _team(team: str, outcomes: list[Outcome]) -> None:
    won = sum(o.success for o in outcomes)
    costs = [o.cost_usd for o in outcomes]
    spent = None if None in costs else sum(c for c in costs if c is not None)
    st.metric(team, f"{won / len(outcomes):.0%}", f"{won:,} of {len(outcomes):,} runs", delta_color="off")
    st.caption(f"{sum(o.tokens for o in outcomes):,} tokens · {words.money(spent)}")


def _newest(experiment: str, rows: list[RunRow]) -> None:
    newest = sorted(rows, key=lambda r: r.run)[-NEWEST:][::-1]
    if newest:
        table = [
            {
                "run": r.run,
                "team": r.team,
                "case": r.case_id,
                "outcome": "success" if r.success else "failure",
                "tokens": r.tokens,
                "replay": f"/replay?experiment={experiment}&run={r.run}",
            }
            for r in newest
        ]
        st.caption(f"Newest {len(newest)} of {len(rows):,} finished runs")
        config = {"replay": st.column_config.LinkColumn("replay", display_text="open")}
        st.dataframe(pd.DataFrame(table), hide_index=True, column_config=config)


def _actions(row: ExperimentRow, running: bool) -> None:
    with st.container(horizontal=True):
        if running and st.button("Stop", key="stop"):
            launch.stop(row.id)
            st.toast("Asked to stop.")
        shared.link("compare", "Compare", experiment=row.id)
        shared.link("replay", "Replay", experiment=row.id)
    if not running and st.session_state.get("watched") == row.id:
        st.session_state.pop("watched")
        st.rerun()
    if running:
        st.session_state["watched"] = row.id
