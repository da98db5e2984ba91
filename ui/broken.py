"""Runs without a result: which, why, and a button that does them again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from experiments import plan as plans
from experiments.judging import missing
from experiments.judging.missing import Lost
from experiments.running import launch
from traces.errors import HeadcountError
from traces.rows import ExperimentRow
from ui import shared


def offer(row: ExperimentRow, lost: Sequence[Lost]) -> None:
    """What has no result of an experiment that is over, and the button; nothing where all runs have one."""
    number = missing.in_total(lost)
    if not number or row.state in shared.UNDER_WAY:
        return
    with st.container(border=True):
        st.markdown(f":red[**{shared.plain(number)}**]: no failures of their team, since they have no result.")
        for line in missing.by_team(lost):
            st.write(shared.plain(line))
        plan = plans.recorded_in(row.plan)
        if plan is None or row.plan.get("imported") or all(one.lost == one.unfinished for one in lost):
            return
        helped = "Runs with a result stay as they are. What a run had recorded before it broke off is not paid again."
        if st.button("Do these runs again", key="retry-broken", type="primary", help=helped):
            _again(row.id)
        st.code(missing.once_more(row.id, lost), language=None, wrap_lines=True)


def _again(experiment: str) -> None:
    try:
        with st.spinner("Starting again"):
            launch.resume(experiment, retry_broken=True)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    shared.go("live", experiment=experiment)
