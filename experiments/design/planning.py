"""How many trials an experiment needs to see the difference that matters, and what they cost, before any is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import msgspec
from msgspec import Struct

from agents import table
from agents.models import table as models
from agents.models.model import Card
from experiments import plan as plans
from experiments import words
from experiments.design import expecting
from experiments.design import power as powers
from experiments.design.expecting import STAND_IN, Expected
from experiments.design.power import Advice, Asked, Spread
from experiments.judging import answering, like_these
from experiments.judging.statistics import ALPHA, case_differences
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.running.trial import Bench, run_trial
from tasks.scenario import Scenario
from traces import clock
from traces.errors import InputError
from traces.recorder import Recorder
from traces.store import Store

PILOT_RUNS = 400  # simulated runs of a pilot, about
LOOKED_AT = 12  # past experiments of the job and model, the newest first
Basis = Literal["past", "other team", "pilot"]
Spreads = dict[str, tuple[Spread, Basis]]
"""Team → how much its difference from one agent's varies, and where that is known from."""


class Question(Struct, frozen=True):
    """The difference in success that matters (0.05 is 5 points), and how surely it is to be seen."""

    difference: float = 0.05
    power: float = 0.8
    baseline: str = "solo"


class Need(Struct, frozen=True):
    """What one team's comparison with one agent needs. `trials`: of each of the plan's cases; None where no number of
    trials of these cases does; `least` and `most`: its range (experiments/design/power.py, Advice). `cases`: how many
    with the plan's trials. `detectable`: the smallest difference that the plan as it stands shows that surely; `power`:
    how surely it shows the one that was asked for. `basis`: where the spread is known from: `past` runs of this team on
    this job and model, those of an `other team`, or a `pilot` on a simulated model."""

    team: str
    spread: Spread
    basis: Basis
    trials: int | None
    least: int | None
    most: int | None
    cases: int | None
    detectable: float | None
    power: float


class Design(Struct, frozen=True):
    """`groups` are compared, one agent among them, on `cases`, each at level `alpha`: the share of the 5 % that is for
    teams overall, over the comparisons' number (the strictest of Holm's steps). `about`: the question that is asked.
    `trials` is what every comparison has enough with (None: none is), `least` and `most` its range, `power` what is
    expected of so many, which is less than `wanted` where no number of trials is sure to have that; `enough`: how
    surely a team that is no better is then shown not to be so much better. `cases_needed` with the plan's trials would
    have it too, by `cases_runs` in all; `least_for_worth`, `least_for_enough`: fewer cases say nothing, whatever comes
    out. Sums are over all runs with `trials`, with the plan's where there is no such number: `cost_usd` None where a
    price is unknown, `latency_s` on the runs' own clock, one after the other."""

    scenario: str
    model: str
    simulated: bool
    groups: int
    cases: int
    planned: int
    difference: float
    wanted: float
    alpha: float
    needs: tuple[Need, ...]
    trials: int | None
    least: int | None
    most: int | None
    power: float
    cases_needed: int | None
    cases_runs: int | None
    runs: int
    tokens: float | None
    cost_usd: float | None
    latency_s: float | None
    command: str
    about: answering.Question = "like_these"
    enough: float = 0.0
    least_for_worth: int = 1
    least_for_enough: int = 1


def design(plan: Plan, question: Question, store: Store, pilot: int = PILOT_RUNS) -> Design:
    """`pilot`: about how many simulated runs to make where nothing is known (400 take a second or two). Raises
    InputError for a wrong plan or question."""
    scenario = plans.check(plan)
    _check(plan, question, pilot)
    card = models.resolve(plan.model, plan.api_base)(scenario.cases[0], plan.seed, 0).card
    known = spreads(plan, scenario, question.baseline, store, card, pilot)
    return answer(plan, scenario, question, known, expecting.expect(plan, scenario, card, store), card.simulated)


def answer(
    plan: Plan, scenario: Scenario, question: Question, known: Spreads, expected: Sequence[Expected], simulated: bool
) -> Design:
    """The same from what is known about the teams already."""
    cases, asked = len(plans.case_ids(plan, scenario)), _asked(plan, question)
    likely = [powers.likely(found) for found, _ in known.values()]
    each = [powers.alone(one, asked, cases, question.power) for one in likely]
    advice = powers.together(likely, each, asked, cases)
    final = msgspec.structs.replace(plan, trials=advice.trials or plan.trials)
    runs = len(plans.trials(final, scenario))
    needs = tuple(
        _need(plan, question, asked, cases, team, *of, needed)
        for (team, of), needed in zip(known.items(), each, strict=True)
    )
    more, groups = powers.most([need.cases for need in needs]), len(plan.teams) * len(plan.engines)
    return Design(
        scenario.name,
        plan.model,
        simulated,
        groups,
        cases,
        plan.trials,
        question.difference,
        question.power,
        asked.alpha,
        needs,
        *advice,
        more,
        None if more is None else more * plan.trials * groups,
        runs,
        *_sums(expected, runs, len(plan.teams)),
        plans.command_line(final),
        asked.about,
        min(powers.power_of_enough(one, asked, cases, final.trials) for one in likely),
        *_least_cases(asked),
    )


def _least_cases(asked: Asked) -> tuple[int, int]:
    """How many cases any answer takes, for a team and for one agent; 1 for these cases alone."""
    if asked.about == "these":
        return 1, 1
    return like_these.fewest_for_worth(1, asked.alpha), like_these.fewest_for_enough(asked.difference)


def _need(
    plan: Plan,
    question: Question,
    asked: Asked,
    cases: int,
    team: str,
    spread: Spread,
    basis: Basis,
    needed: Advice,
) -> Need:
    likely = powers.likely(spread)
    return Need(
        team,
        spread,
        basis,
        needed.trials,
        needed.least,
        needed.most,
        powers.cases_needed(likely, asked, plan.trials, question.power),
        powers.detectable(likely, asked, cases, plan.trials, question.power),
        powers.power(likely, asked, cases, plan.trials),
    )


def _check(plan: Plan, question: Question, pilot: int) -> None:
    if not 0 < question.difference < 1:
        raise InputError(f"--difference: {question.difference:g} should be between 0 and 1, such as 0.05 for 5 points")
    if not 0.5 <= question.power < 1:
        raise InputError(f"--power: {question.power:g} should be from 0.5 to below 1, such as 0.8")
    if pilot < 1:
        raise InputError(f"--pilot: {pilot} should be 1 run or more, such as {PILOT_RUNS}")
    names = [table.name_of(team) for team in plan.teams]
    if question.baseline not in names or len(names) < 2:
        raise InputError(f"--teams: give {question.baseline} and at least one other, to be compared with it")


def _asked(plan: Plan, question: Question) -> Asked:
    """At the strictest of Holm's steps."""
    alpha = answering.OVERALL * ALPHA / max(1, len(plan.teams) * len(plan.engines) - 1)
    return Asked(question.difference, alpha, "these" if plan.exhaustive else "like_these")


def _sums(expected: Sequence[Expected], runs: int, teams: int) -> tuple[float | None, float | None, float | None]:
    """Tokens, USD and seconds of all runs; None where a team is not known about."""
    if len(expected) < teams:
        return None, None, None
    each = runs / teams
    costs = [one.cost_usd for one in expected]
    cost = None if None in costs else each * sum(c for c in costs if c is not None)
    latency = None if any(not one.latency_s for one in expected) else each * sum(one.latency_s for one in expected)
    return each * sum(one.tokens for one in expected), cost, latency


# --- where the spread is known from -------------------------------------------------------------------------------


def spreads(
    plan: Plan, scenario: Scenario, baseline: str, store: Store, card: Card, pilot: int = PILOT_RUNS
) -> Spreads:
    """How much each team's difference from one agent's varies, whatever the number of trials of the plan."""
    past = _past(scenario.name, plan.model, baseline, store)
    names = [name for name in map(table.name_of, plan.teams) if name != baseline]
    missing = [name for name in names if name not in past]
    widest = max(past.values(), key=lambda one: one.total, default=None)
    simulated = _pilot(plan, scenario, baseline, pilot) if missing and widest is None else {}
    found: Spreads = {}
    for name in names:
        if name in past:
            found[name] = past[name], "past"
        elif name in simulated:
            found[name] = simulated[name], "pilot"
        elif widest is not None:
            found[name] = widest, "other team"
    return found


def _past(scenario: str, model: str, baseline: str, store: Store) -> dict[str, Spread]:
    """Team → its spread in the experiment that has most pairs of it and the baseline."""
    found: dict[str, Spread] = {}
    alike = (row for row in store.experiments() if row.scenario == scenario and _like(row.plan, model))
    for row in islice(alike, LOOKED_AT):
        outcomes = list(map(Outcome.of_row, store.team_rows(row.id)))
        for team, one in _between_teams(outcomes, baseline).items():
            if team not in found or one.pairs > found[team].pairs:
                found[team] = one
    return found


def _like(written: Mapping[str, Any], model: str) -> bool:
    return (written.get("plan") or {}).get("fork") is None and words.model(written) == model


def _between_teams(outcomes: Sequence[Outcome], baseline: str) -> dict[str, Spread]:
    by_team: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.engine == outcomes[0].engine and not outcome.lost:
            by_team.setdefault(outcome.team, []).append(outcome)
    base = by_team.pop(baseline, [])
    spreads = {team: powers.spread(case_differences(group, base).values()) for team, group in by_team.items()}
    return {team: one for team, one in spreads.items() if one is not None}


def _pilot(plan: Plan, scenario: Scenario, baseline: str, runs: int) -> dict[str, Spread]:
    """The plan's cases with a simulated model: its own where it is one, else the default stands in."""
    cases = plans.case_ids(plan, scenario)
    small = Plan(
        plan.scenario,
        plan.teams,
        plan.engines[:1],
        model=plan.model if models.simulated(plan.model) else STAND_IN,
        cases=tuple(cases),
        trials=max(2, runs // (len(cases) * len(plan.teams))),
        seed=plan.seed,
    )
    bench = Bench(small)
    todo = plans.trials(small, bench.scenario)
    outcomes = [clock.run(run_trial(trial, bench, Recorder(trial.run)), virtual=True) for trial in todo]
    return _between_teams(outcomes, baseline)
