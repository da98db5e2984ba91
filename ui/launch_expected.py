"""What the launch will cost, before the click."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from agents import table
from experiments import plan as plans
from experiments import words
from experiments.design import expecting, planning
from experiments.design.expecting import Expected
from experiments.plan import Plan
from experiments.terminal import planning_report
from tasks.scenario import Scenario
from traces import home
from ui import launch_about, shared

BASES = {
    "past": "mean of {runs:,} runs of this job and model that are over",
    "pilot": "a pilot of {runs} simulated cases",
}


def show(plan: Plan, scenario: Scenario, total: int) -> None:
    """Tokens, cost and time: in all, and for each team."""
    simulated = launch_about.card(plan.model, plan.api_base).simulated
    expected = _expected(plan, str(home.home()))
    each = total // max(1, len(plan.teams))
    costs = [one.cost_usd for one in expected]
    cost = None if None in costs else each * sum(c for c in costs if c is not None)
    st.header("What it will be", anchor=False)
    first, second, third = st.columns(3)
    first.metric("Runs", f"{total:,}", help=f"{len(plan.teams)} teams, {len(plan.engines)} engines, cases × trials.")
    second.metric("Tokens", words.count(each * sum(one.tokens for one in expected)))
    third.metric("Cost (simulated)" if simulated else "Cost", words.money(cost) if expected else "unknown")
    shared.table(
        [
            {
                "team": one.team,
                "tokens / run": f"{one.tokens:,.0f}",
                "cost / run": words.money(one.cost_usd),
                "latency / run": words.seconds(one.latency_s) if one.latency_s else "unknown",
                "known from": BASES[one.basis].format(runs=one.runs),
            }
            for one in expected
        ],
        caption="Expected of each run" + (" (simulated)" if simulated else ""),
    )
    if simulated:
        st.caption("Simulated dollars: nothing is paid.")
    _power(plan, scenario, expected, simulated)
    budget = plans.budget_of(plan, scenario)
    if budget.cost_usd is not None and not simulated:
        st.caption(shared.plain(f"At most {words.money(budget.cost_usd * total)}: the budget of each run holds."))


def _power(plan: Plan, scenario: Scenario, expected: list[Expected], simulated: bool) -> None:
    """How small a difference these trials show, and what `headcount plan` says of five points."""
    question = planning.Question()
    if question.baseline not in map(table.name_of, plan.teams) or len(plan.teams) < 2:
        return
    known = _spreads(replace(plan, trials=1), str(home.home()))
    found = planning.answer(plan, scenario, question, known, expected, simulated)
    st.markdown(shared.plain(planning_report.seen(found)))
    st.markdown(f"**{shared.plain(planning_report.answer(found))}**")
    said = (planning_report.no_better(found), planning_report.leeway(found), planning_report.cost(found))
    st.caption(shared.plain(" ".join(said)))


@st.cache_data(show_spinner="Working out how many trials it takes", ttl=300, max_entries=32)
def _spreads(plan: Plan, base: str) -> planning.Spreads:
    """`base`: the data folder that the past runs are in."""
    card = launch_about.card(plan.model, plan.api_base)
    return planning.spreads(plan, plans.check(plan), planning.Question().baseline, shared.store(), card)


@st.cache_data(show_spinner="Working out what it will cost", ttl=60, max_entries=32)
def _expected(plan: Plan, base: str) -> list[Expected]:
    """`base`: the data folder that the past runs are in."""
    scenario = plans.check(plan)
    return expecting.expect(plan, scenario, launch_about.card(plan.model, plan.api_base), shared.store())
