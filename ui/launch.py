"""Launch: pick a scenario, teams, a model and how often; see what it will be; start it."""

from __future__ import annotations

import streamlit as st

from agents import table
from agents.models import table as models
from experiments import launch as launcher
from experiments import plan as plans
from experiments.plan import Plan
from tasks import scenario as scenarios
from tasks.case import Case
from tasks.scenario import Scenario
from traces.errors import HeadcountError, InputError
from traces.kernel import Budget
from ui import shared

OWN = "a folder of mine"
OTHER = "another model"


def page() -> None:
    st.title("Launch")
    left, right = st.columns([3, 2], gap="large")
    with left:
        plan = _form()
    with right:
        _about(plan.scenario)
    st.divider()
    _start(plan)


def _form() -> Plan:
    scenario = _scenario()
    offered = [*table.TEAMS, *table.ELSEWHERE]
    teams = st.multiselect("Teams", offered, default=offered[:3], key="teams")
    own = st.text_input(
        "Your own teams", placeholder="my_team.yaml, my_teams:pair", key="own_teams", help="See docs/teams.md."
    )
    teams += [name.strip() for name in own.split(",") if name.strip()]
    for name in teams:
        st.caption(f"{table.name_of(name)}: {_about_team(name)}")
    engines = st.multiselect(
        "Engines",
        list(table.ENGINES),
        default=["native"],
        key="engines",
        help="The same teams on another framework, to see what the framework costs.",
    )
    model, api_base = _model()
    trials, cases, seed = st.columns(3)
    with trials:
        often = st.number_input("Trials of each case", 1, 10_000, 3, help="How often each team does each case.")
    with cases:
        many = st.number_input("Cases", 0, 10_000, 0, help="The first so many; 0 is all.")
    with seed:
        seeded = st.number_input("Seed", 0, 2**31, 1, help="Equal seeds give equal simulated runs.")
    return Plan(
        scenario=scenario,
        teams=tuple(teams),
        engines=tuple(engines),
        model=model,
        api_base=api_base,
        cases=int(many) or None,
        trials=int(often),
        seed=int(seeded),
        budget=_budget(),
    )


def _scenario() -> str:
    names = [*scenarios.shipped(), OWN]
    asked = st.query_params.get("scenario", "")
    picked = st.selectbox("Scenario", names, index=names.index(asked) if asked in names else 0, key="scenario_picked")
    if picked != OWN:
        return str(picked)
    return str(st.text_input("Path of the scenario's folder", placeholder="/home/me/my_scenario", key="folder"))


def _model() -> tuple[str, str | None]:
    offered = models.offered()
    names = [models.DEFAULT, *(name for name in offered if name != models.DEFAULT), OTHER]
    picked = st.selectbox("Model", names, key="model_picked", format_func=lambda name: _label(name, offered))
    if picked != OTHER:
        return str(picked), None
    name = st.text_input(
        "LiteLLM name",
        placeholder="openai/gpt-4o-mini, hosted_vllm/NAME or sim:params=8e9,tokens=15e12",
        key="model_name",
    )
    base = st.text_input("Base address (own servers only)", placeholder="http://localhost:8000/v1", key="api_base")
    return str(name), str(base) or None


def _label(name: str, offered: dict[str, str]) -> str:
    return f"{name}: {offered[name]}" if name in offered else name


def _budget() -> Budget:
    with st.expander("Budget of each run (the scenario's, unless given here)"):
        tokens = st.number_input("Tokens", 0, 10_000_000, 0, step=1000, help="0 keeps the scenario's.")
        dollars = st.number_input("Dollars", 0.0, 1000.0, 0.0, step=0.01, format="%.4f", help="0 keeps the scenario's.")
        return Budget(tokens=int(tokens) or None, cost_usd=float(dollars) or None)


def _about_team(team: str) -> str:
    try:
        return table.team(team).settings.about or "a team of your own"
    except InputError as error:
        return str(error)


def _about(name: str) -> None:
    """What the scenario is, and a case to read."""
    if not name:
        return
    try:
        scenario = scenarios.load(name)
    except HeadcountError:
        return
    st.subheader(scenario.file.title)
    st.text(scenario.file.story.strip())
    ids = [case.id for case in scenario.cases]
    picked = st.selectbox(
        f"Its {len(ids)} cases", ids, format_func=lambda i: _case_label(scenario, i), key="case_shown"
    )
    case = scenario.case(str(picked))
    st.text(case.request.strip())
    st.graphviz_chart(_graph(case))


def _case_label(scenario: Scenario, case_id: str) -> str:
    case = scenario.case(case_id)
    return f"{case.title} ({case.difficulty})"


def _graph(case: Case) -> str:
    """The case's task graph, in Graphviz's words."""
    nodes = [f'"{task.id}" [label="{task.id}\\n{task.role}"]' for task in case.plan]
    edges = [f'"{need}" -> "{task.id}"' for task in case.plan for need in task.needs]
    style = 'bgcolor="transparent"; rankdir=LR; node [shape=box, style="rounded,filled", fillcolor="#56B4E9", '
    style += 'color="#0072B2", fontname="sans-serif"]; edge [color="#7F7F7F"]; '
    return f"digraph {{ {style} {'; '.join(nodes + edges)} }}"


def _start(plan: Plan) -> None:
    try:
        scenario = plans.check(plan)
    except HeadcountError as error:
        st.warning(str(error))
        return
    total = len(plans.trials(plan, scenario))
    st.caption(f"{total:,} runs. The same from a terminal:")
    st.code(plans.command_line(plan), language="bash")
    if st.button(f"Start {total:,} runs", type="primary"):
        with st.spinner("Starting"):
            experiment = launcher.start(plan)
        st.switch_page(shared.PAGES["live"], query_params={"experiment": experiment})
