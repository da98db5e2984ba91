"""Where a run comes from and what was forked from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import streamlit as st

from traces.rows import ExperimentRow, RunRow
from ui import replay_diff, shared

SHORT = 60
MANY = 6


def show(row: RunRow, experiments: Iterable[ExperimentRow]) -> None:
    """The run's parent, and the experiments of forks that were made of it; nothing for a run that has neither."""
    if row.parent_experiment is not None and row.parent_run is not None:
        _parent(row)
    children = [one for one in experiments if _is_of(row, _fork(one))]
    if not children:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Forks of this run: {len(children):,}", width="content")
        for child in children[:MANY]:
            step = _fork(child).get("step")
            shared.link(
                "replay", f"at step {step}: {_changed(_fork(child).get('changes'))}", experiment=child.id, run=0
            )
        if len(children) > MANY:
            st.caption(f"{MANY} of {len(children):,} shown", width="content")


def _parent(row: RunRow) -> None:
    parent, run, step = str(row.parent_experiment), int(row.parent_run or 0), int(row.parent_step or 0)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("fork", color="violet", help="Up to the step where it was forked, it is its parent's past.")
        st.caption(f"changed at step {step}: {shared.plain(_changed(row.changes))}", width="content")
        shared.link("replay", f"Run {run} of {parent}, step {step}", experiment=parent, run=run, step=step)
        replay_diff.button("Compare with it", row.experiment, row.run, step, f"{parent}:{run}")


def _fork(row: ExperimentRow) -> dict[str, Any]:
    plan = row.plan.get("plan")
    return (plan.get("fork") if isinstance(plan, dict) else None) or {}


def _is_of(row: RunRow, fork: dict[str, Any]) -> bool:
    return fork.get("experiment") == row.experiment and fork.get("run") == row.run


def _changed(changes: Any) -> str:
    """Names and values of what was changed, cut short."""
    known = json.loads(changes) if isinstance(changes, str) else changes
    if not known:
        return "nothing but the draws"
    words = ", ".join(f"{name} = {' '.join(str(value).split())}" for name, value in known.items())
    return words if len(words) <= SHORT else f"{words[: SHORT - 1]}…"
