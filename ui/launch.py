"""Launch: pick a scenario, teams, a model and how often; see what it will be and cost; start it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from agents import table
from agents.models import table as models
from agents.models.model import Card
from experiments import plan as plans
from experiments.plan import Approver, Plan
from experiments.running import launch as launcher
from tasks import scenario as scenarios
from tasks.scenario import Scenario
from tools import approvals
from traces import home, paths
from traces.errors import HeadcountError
from traces.kernel import Budget
from ui import launch_about, launch_expected, preferences, probing, shared

OWN = "a folder of mine"
OTHER = "another model"
EMPTY = "Empty: what the scenario says. A run that has used it up hands in the best answer that it has."
APPROVERS: dict[Approver, str] = {
    "simulated": "the scenario's simulated approver",
    "person": "a person, on the page Approvals",
    "deny": "nobody: what the rules leave open is refused",
}


def page() -> None:
    st.title("Launch")
    left, right = st.columns([3, 2], gap="large")
    with left:
        plan, scenario = _form()
    with right:
        if scenario:
            launch_about.scenario(scenario)
        st.header("Who talks to whom", anchor=False)
        launch_about.teams(list(plan.teams), scenario)
    with left:
        _start(plan)


def _form() -> tuple[Plan, Scenario | None]:
    preferred = preferences.read()
    st.header("1 · The job", anchor=False)
    name, scenario = _scenario()
    st.header("2 · Who does it", anchor=False)
    teams, engines = _teams()
    st.header("3 · On which model", anchor=False)
    model, api_base = _model(preferred)
    card = _card(model, api_base)
    st.header("4 · How often, and with what budget", anchor=False)
    trials, cases, seed, exhaustive = _size(preferred, scenario)
    budget = _budget(preferred, scenario, card)
    st.header("5 · Who approves", anchor=False)
    approver, wait_s = _approver(models.simulated(model))
    plan = Plan(
        scenario=name,
        teams=tuple(teams),
        engines=tuple(engines),
        model=model,
        api_base=api_base,
        cases=cases,
        exhaustive=exhaustive,
        trials=trials,
        seed=seed,
        budget=budget,
        approver=approver,
        approver_wait_s=wait_s,
    )
    return plan, scenario


def _scenario() -> tuple[str, Scenario | None]:
    names = [*scenarios.shipped(), *kept(), OWN]
    asked = st.query_params.get("scenario", "")
    start = names.index(asked) if asked in names else (names.index(OWN) if asked else 0)
    picked = st.selectbox("Scenario", names, index=start, key="scenario_picked", format_func=_called)
    if picked == OWN:
        folder = st.text_input(
            "Path of the scenario's folder", "" if asked in names else asked, placeholder="/home/me/my_scenario"
        )
        picked = str(folder).strip()
        if not picked:
            st.caption("A scenario is a folder with scenario.yaml and cases/ (docs/scenarios.md).")
            return "", None
    try:
        return str(picked), scenarios.load(str(picked))
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return str(picked), None


def kept() -> list[str]:
    """Folders of scenarios of the reader's own: those in the data folder, and those that experiments here were of."""
    used = (row.plan.get("plan", {}).get("scenario", "") for row in shared.store().experiments())
    found = [*sorted((home.home() / "scenarios").glob("*")), *(Path(name) for name in used if Path(name).is_absolute())]
    return list(dict.fromkeys(str(folder) for folder in found if paths.is_file(folder / "scenario.yaml")))


def _called(scenario: str) -> str:
    return f"{Path(scenario).name} (yours, in {Path(scenario).parent})" if Path(scenario).is_absolute() else scenario


def _teams() -> tuple[list[str], list[str]]:
    offered = [*table.TEAMS, *table.ELSEWHERE]
    teams = list(st.multiselect("Teams", offered, default=offered[:3], key="teams"))
    own = st.text_input(
        "Your own teams", placeholder="my_team.yaml, my_teams:pair", key="own_teams", help="See docs/teams.md."
    )
    teams += [name.strip() for name in str(own).split(",") if name.strip()]
    known: list[str] = []
    for name in teams:
        try:
            table.team(name)
            known.append(name)
        except HeadcountError as error:
            st.error(shared.sentence(error))
    if not teams:
        st.error("Pick at least one team.")
    engines = st.multiselect(
        "Engines",
        list(table.ENGINES),
        default=["native"],
        key="engines",
        help="The same teams on another framework, to see what the framework costs.",
    )
    if not engines:
        st.error("Pick at least one engine.")
    for engine in engines:
        for name in known:
            why = table.engine(engine)().offers(name)
            if why:
                st.error(shared.plain(f"{name} on {engine}: {why}"))
    return teams, list(engines)


def _model(preferred: preferences.Preferences) -> tuple[str, str | None]:
    offered = models.offered()
    names = [*offered, OTHER]
    first = preferred.model if preferred.model in offered else OTHER
    picked = st.selectbox(
        "Model",
        names,
        index=names.index(first),
        key="model_picked",
        format_func=lambda name: f"{name}: {offered[name]}" if name in offered else name,
    )
    if picked != OTHER:
        return str(picked), None
    kept = preferred.model if first == OTHER else ""
    hint = "openai/gpt-4o-mini, hosted_vllm/NAME or sim:params=8e9,tokens=15e12"
    name = st.text_input("LiteLLM name", kept, placeholder=hint, key="model_name")
    base = st.text_input(
        "Base address (own servers only)", preferred.api_base, placeholder="http://localhost:8000/v1", key="api_base"
    )
    return str(name).strip(), str(base).strip() or None


def _card(model: str, api_base: str | None) -> Card | None:
    if not model:
        st.caption("Give the model's name.")
        return None
    try:
        card = launch_about.card(model, api_base)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return None
    launch_about.model(card)
    probing.hint(model, api_base)
    return card


def _size(preferred: preferences.Preferences, scenario: Scenario | None) -> tuple[int, int | None, int, bool]:
    first, second, third = st.columns(3)
    every = f"all {len(scenario.cases)}" if scenario else "all"
    trials = first.number_input("Trials of each case", 1, 10_000, preferred.trials, help="Each with another seed.")
    cases = second.number_input("Cases", 1, 10_000, None, placeholder=every, help="The first so many; empty is all.")
    seed = third.number_input("Seed", 0, 2**31, 1, help="Equal seeds give equal simulated runs.")
    exhaustive = st.checkbox(
        "These cases are all there are",
        help="The verdict is then about them alone. Else it is asked for others like them too, which takes more.",
    )
    return int(trials), int(cases) if cases else None, int(seed), exhaustive


def _budget(preferred: preferences.Preferences, scenario: Scenario | None, card: Card | None) -> Budget:
    own = scenario.file.budget if scenario else None
    first, second = st.columns(2)
    said = f"{own.tokens:,}, the scenario's" if own and own.tokens else "no limit"
    tokens = first.number_input(
        "Tokens per run", 1, 10_000_000, preferred.tokens or None, 1000, placeholder=said, help=EMPTY
    )
    said = f"{own.cost_usd:g}, the scenario's" if own and own.cost_usd else "no limit"
    dollars = second.number_input(
        "Dollars per run", 0.0001, 1000.0, preferred.cost_usd or None, 0.01, "%.4f", placeholder=said, help=EMPTY
    )
    if dollars and card is not None and not card.price.known:
        second.error("The price of this model is unknown, so a dollar budget cannot be held. Give tokens.")
    return Budget(tokens=int(tokens) if tokens else None, cost_usd=float(dollars) if dollars else None)


def _approver(simulated: bool) -> tuple[Approver, float]:
    picked = st.selectbox(
        "Outside effects that the rules leave open are decided by", list(APPROVERS), format_func=APPROVERS.__getitem__
    )
    if picked != "person":
        return picked, approvals.WAIT_S
    if simulated:
        st.error("A simulated model runs in simulated time, which cannot wait for a person. Pick another approver.")
    minutes = st.number_input("Minutes that a person has; then it is a no", 0.5, 1440.0, approvals.WAIT_S / 60, 1.0)
    return "person", 60 * float(minutes)


def _start(plan: Plan) -> None:
    st.divider()
    try:
        scenario = plans.check(plan)
    except HeadcountError as error:
        st.warning("Not ready to start: " + shared.plain(str(error)))
        return
    total = len(plans.trials(plan, scenario))
    launch_expected.show(plan, scenario, total)
    st.caption("The same from a terminal:")
    st.code(plans.command_line(plan), language=None, wrap_lines=True)
    if st.button(f"Start {total:,} runs", type="primary"):
        with st.spinner("Starting"):
            experiment = launcher.start(plan)
        shared.go("live", experiment=experiment)
