"""Layers: one experiment, or one run, from the hardware up to the product."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from agents.models.model import Card
from agents.settings import Settings
from experiments import plan as plans
from experiments.reading import layer_facts, layers
from experiments.reading.layers import Layer, Stack
from tasks import scenario as scenarios
from tasks.scenario import Scenario
from traces import home
from traces.errors import HeadcountError
from traces.rows import ExperimentRow
from ui import launch_about, shared


def page() -> None:
    st.title("Layers")
    st.write(
        "The same work, seen at each layer of the stack: what happened there, what it cost, and what could be changed "
        "there. From the trace, the scenario and the model's card; what none of them says is “unknown”."
    )
    row = shared.choose_ended("Its layers")
    if row is None:
        return
    run = _run(row)
    stack = _stack(row, run)
    if not stack.runs.get("runs"):
        st.info("No run of it is recorded." if run is None else f"Run {run} is not recorded. Empty the box to see all.")
        return
    for number, layer in enumerate(layers.layers(stack), 1):
        _layer(number, layer, row)


def _run(row: ExperimentRow) -> int | None:
    """The run that the address names (`?run=`), or that is given; None is the whole experiment."""
    asked = st.query_params.get("run", "")
    there = asked.isdecimal() and int(asked) < row.total
    if asked and not there:
        st.warning(f"There is no run {shared.plain(asked)} in this experiment. This is all of it:")
    key = f"layers_run_{row.id}_{asked}"
    given = st.number_input(
        "Run",
        0,
        max(0, row.total - 1),
        int(asked) if there else None,
        key=key,
        on_change=shared.follow,
        args=["run", key],
        placeholder="all: the whole experiment",
        width=280,
    )
    return None if given is None else int(given)


def _stack(row: ExperimentRow, run: int | None) -> Stack:
    plan = plans.recorded_in(row.plan)
    facts = _facts(str(home.home()), row.id, run, row.updated)
    return Stack(
        facts,
        _card(plan.model, plan.api_base) if plan else None,
        _scenario(plan.scenario) if plan else None,
        _teams(row, plan.teams, run) if plan else {},
        shared.is_simulated(row),
    )


@st.cache_resource(show_spinner="Reading the trace", max_entries=32)
def _facts(base: str, experiment: str, run: int | None, updated: float | None) -> layer_facts.Facts:
    """`base` and `updated` make it be read anew when it has changed."""
    return layer_facts.gather(shared.store(), experiment, run)


def _card(model: str, api_base: str | None) -> Card | None:
    try:
        return launch_about.card(model, api_base)
    except HeadcountError:
        return None


def _scenario(folder: str) -> Scenario | None:
    try:
        return scenarios.load(folder)
    except HeadcountError:
        return None


def _teams(row: ExperimentRow, names: Iterable[str], run: int | None) -> dict[str, Settings]:
    """The settings of the teams that ran, as far as they can still be read."""
    wanted = shared.store().run(row.id, run).team if run is not None and run < row.total else None
    return {team.name: team.settings for team in launch_about.known(names) if wanted in (None, team.name)}


def _layer(number: int, layer: Layer, row: ExperimentRow) -> None:
    with st.container(border=True):
        st.header(f"{number} · {layer.name.capitalize()}", anchor=False)
        st.caption(layer.asks)
        shared.facts(layer.happened)
        st.markdown(f"**What it cost:** {shared.plain(layer.cost)}")
        with st.expander("What to change here"):
            for change in layer.change:
                st.markdown(f"- {change}")
        if layer.steps:
            with st.container(horizontal=True):
                for step in layer.steps:
                    shared.link("replay", f"See {step.words}", experiment=row.id, run=step.run, step=step.seq)
