"""Replay: one run, step by step."""

from __future__ import annotations

import logging

import streamlit as st

from experiments import words
from traces.errors import InputError
from traces.home import home
from traces.rows import ExperimentRow, RunRow
from ui import (
    replay_autopsy,
    replay_component,
    replay_detail,
    replay_lineage,
    replay_lines,
    replay_load,
    replay_panels,
    replay_pick,
    shared,
)
from ui.replay_load import Loaded

log = logging.getLogger("headcount.app")


@shared.guarded
def page() -> None:
    st.title("Replay")
    experiments = {row.id: row for row in shared.store().experiments()}
    if not experiments:
        shared.nothing_yet()
        return
    try:
        picked = replay_pick.choose(experiments)
    except InputError as error:
        st.error(shared.sentence(error))
        shared.link("replay", "Show the newest run")
        return
    if picked is not None:
        _summary(experiments[picked.experiment], picked)
        replay_lineage.show(picked, experiments.values())
        replay_autopsy.note(picked)
        _run(picked)


def _run(row: RunRow) -> None:
    loaded = _load(str(home()), row.experiment, row.run, row.events, row.status, row)
    if not loaded.count:
        st.info("Nothing of this run is recorded yet.")
        return
    if st.session_state.get("replay_simple", False) or not _browser_part(loaded):
        shared.fragment(_simple)(loaded, row)
        return
    shared.fragment(_stepper)(loaded, row)
    replay_lines.show(loaded)


@st.cache_resource(max_entries=4, show_spinner="Reading the run")
def _load(base: str, experiment: str, run: int, events: int, status: str, _row: RunRow) -> Loaded:
    """All but `_row` make a run be read anew when it has changed."""
    return replay_load.load(shared.store(), _row)


def _browser_part(loaded: Loaded) -> bool:
    """Hand the run to the browser, to be stepped through there; False where that cannot be."""
    try:
        with st.container(key="replay_run"):
            replay_component.run()(key="replay-run", data=loaded.packed)
    except (AttributeError, OSError, st.errors.StreamlitAPIException):
        log.exception("the replay component cannot be loaded")
        st.warning("The graph and timeline cannot be loaded; this is the plain replay.")
        return False
    return True


def _summary(experiment: ExperimentRow, row: RunRow) -> None:
    outcome = shared.outcome(row)
    broke_off = row.status in ("failed", "interrupted")
    colour = {True: "green", False: "red", None: "red" if broke_off else "gray"}[row.success]
    with st.container(horizontal=True, vertical_alignment="center"):
        shared.badge(row.simulated)
        st.badge(outcome, color=colour)  # type: ignore[arg-type]
        st.caption(
            f"run {row.run} · {shared.status(row.status)} · {words.tokens(row.tokens, row.tokens_origin)} tokens · "
            f"{_escaped(_cost(row))} · {words.seconds(row.latency_s)} · {row.messages:,} messages · "
            f"{row.events:,} events"
        )
        if row.status == "running":
            st.button("Read on", help="The run goes on; show what has been recorded since.")
        shared.link("compare", "Compare", experiment=experiment.id)
    if row.status in ("failed", "interrupted") and row.error:
        st.error("It broke off, so it says nothing about its team: " + shared.plain(row.error))


def _cost(row: RunRow) -> str:
    return "cost unknown" if row.cost_usd is None else words.money(row.cost_usd)


def _escaped(words: str) -> str:
    return words.replace("$", "\\$")


def _stepper(loaded: Loaded, row: RunRow) -> None:
    start = replay_pick.start(loaded.name, "stepper", loaded.count)
    found = replay_component.stepper()(
        key=f"replay-{loaded.name}",
        data={"name": loaded.name, "start": start, "error": replay_autopsy.mark(row)},
        default={"step": start},
        on_step_change=lambda: None,
    )
    _detail(loaded, row, int(found.step))


def _simple(loaded: Loaded, row: RunRow) -> None:
    """Without graph and timeline."""
    last = loaded.count - 1
    start = replay_pick.start(loaded.name, "slider", loaded.count)
    step = st.slider("Step", 0, last, start, key=f"slider-{loaded.name}") if last else 0
    _detail(loaded, row, step)


def _detail(loaded: Loaded, row: RunRow, step: int) -> None:
    step = max(0, min(step, loaded.count - 1))
    replay_pick.remember(loaded.name, step)
    replay_panels.show(row, step, loaded.market)
    moment = shared.store().moment(loaded.experiment, loaded.run, step)
    replay_detail.show(moment, row.clock == "virtual")
