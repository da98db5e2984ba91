"""Fork from here: what is to be other at a step, and the start of runs that go on from there."""

from __future__ import annotations

import time

import streamlit as st

from experiments.forks import fork as forks
from experiments.forks.fork import ForkPlan
from traces import home
from traces.errors import HeadcountError
from traces.rows import RunRow
from ui import replay_diff, shared

TEAM = "team.FIELD"
LONG = ("prompt", "instructions", "reply", "arguments", "result", "message")
WORDS = {
    "prompt": "Prompt: its last message",
    "instructions": "Instructions: its first message",
    "reply": "Reply of the model",
    "arguments": "Arguments of the tool call",
    "result": "Result of the tool",
    "message": "Message",
    "approved": "Approval",
    "model": "Model from here on",
    "budget.tokens": "Budget: tokens",
    "budget.cost_usd": "Budget: dollars",
    "budget.seconds": "Budget: seconds",
    "budget.calls": "Budget: model calls",
    TEAM: "Team: a field of its file",
}


def panel(row: RunRow, step: int) -> None:
    """The edits, the command that does the same, and the button."""
    if step < 1:
        st.info("A run can be forked from step 1 on. Step forward, then fork.")
        return
    try:
        offered = _offered(row.experiment, row.run, step, row.events)
    except HeadcountError as error:
        st.warning(shared.plain(f"It cannot be forked here: {error}"))
        return
    place = f"{row.experiment}-{row.run}-{step}"
    st.caption(f"Up to step {step} the fork is this run's past. From there it runs on, with what you change here.")
    left, right = st.columns([3, 1])
    with left:
        picked = st.multiselect(
            "Change here",
            list(offered),
            default=_first(offered),
            format_func=lambda name: WORDS.get(name, name),
            key=f"fork-what-{place}",
            placeholder="Nothing: only the draws differ",
        )
    trials = right.number_input(
        "Forks", 1, 1000, 1, key=f"fork-trials-{place}", help="One alone draws as this run did; many draw anew each."
    )
    changes = dict(pair for name in picked if (pair := _edited(name, offered[name], place)) is not None)
    if warning := forks.caveat(home.find_experiment(row.experiment), picked):
        st.info(warning)
    plan = ForkPlan(row.experiment, row.run, step, changes, int(trials))
    st.caption("The same from a terminal:")
    st.code(forks.command_line(plan), language=None, wrap_lines=True)
    _start(plan, place)


@st.cache_data(max_entries=32, show_spinner="Looking what can be changed here")
def _offered(experiment: str, run: int, step: int, events: int) -> dict[str, str]:
    """`events` makes it be looked at anew when the run has grown."""
    return forks.changeable(experiment, run, step)


def _first(offered: dict[str, str]) -> list[str]:
    return [name for name in offered if name in LONG][:1]


def _edited(name: str, now: str, place: str) -> tuple[str, str] | None:
    """The name and the value that the reader gave; None where it is as it was."""
    key = f"fork-{name}-{place}"
    if name == TEAM:
        return _team_field(key)
    if name in LONG:
        value = st.text_area(WORDS[name], now, key=key, height="content")
    elif name == "approved":
        value = st.radio(WORDS[name], ["yes", "no"], ["yes", "no"].index(now), key=key, horizontal=True)
    else:
        value = st.text_input(WORDS.get(name, name), now, key=key)
    return None if value is None or value == now else (name, value)


def _team_field(key: str) -> tuple[str, str] | None:
    left, right = st.columns(2)
    name = left.text_input("Field of the team's file", key=f"{key}-name", placeholder="stop.max_rounds")
    value = right.text_input("Its value", key=f"{key}-value", placeholder="3")
    return (f"team.{name.strip().removeprefix('team.')}", value.strip()) if name.strip() and value.strip() else None


def _start(plan: ForkPlan, place: str) -> None:
    what = "Start the fork" if plan.trials == 1 else f"Start {plan.trials:,} forks"
    if st.button(what, type="primary", key=f"fork-start-{place}"):
        try:
            with st.spinner("Starting"):
                st.session_state[f"fork-made-{place}"] = forks.start(plan)
        except HeadcountError as error:
            st.error(shared.sentence(error))
            return
    made = st.session_state.get(f"fork-made-{place}")
    if made is None:
        return
    shared.fragment(_made, 1.0 if _state(made) in shared.UNDER_WAY else None)(plan, made)


def _state(experiment: str) -> str:
    return home.state(home.find_experiment(experiment), time.time())


def _made(plan: ForkPlan, made: str) -> None:
    """How the forks are getting on, and what came of them."""
    state = _state(made)
    with st.container(horizontal=True, vertical_alignment="center"):
        shared.state_badge(state)
        shared.link("live", "Watch it live", experiment=made)
        if state in shared.UNDER_WAY:
            return
        rows = shared.store().runs(made)
        won = sum(row.success is True for row in rows)
        st.caption(f"{won:,} of {len(rows):,} succeeded", width="content")
        if rows:
            shared.link("replay", "Replay the fork", experiment=made, run=0, step=plan.step)
            parent = f"{plan.experiment}:{plan.run}"
            replay_diff.button("Compare with this run", made, 0, plan.step, parent)
