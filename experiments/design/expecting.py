"""What an experiment will use, before it starts: from runs of the same job and model that are over, else from a pilot
on a simulated model."""

from __future__ import annotations

import time
from typing import Literal

from msgspec import Struct

from agents import table
from agents.models import table as models
from agents.models.model import Card
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running.trial import Bench, run_trial
from tasks.scenario import Scenario
from traces import clock
from traces.kernel import RunFinished, Usage
from traces.recorder import Recorder
from traces.store import Store

PILOT_CASES = 3
STAND_IN = models.DEFAULT


class Expected(Struct, frozen=True):
    """One run of a team, on the mean: tokens, USD (None: the price is unknown), seconds on the run's clock, and
    seconds of this machine (`wall_s`, 0 where it was not measured). `basis`: `past` runs of the same scenario and
    model, or a `pilot` on a simulated model; `runs` is how many."""

    team: str
    tokens: float
    cost_usd: float | None
    latency_s: float
    wall_s: float
    basis: Literal["past", "pilot"]
    runs: int


def expect(plan: Plan, scenario: Scenario, card: Card, store: Store) -> list[Expected]:
    """What each team's run will use on the mean, in the plan's order. Runs a few simulated trials where no team of this
    plan has ever run; that takes a few seconds at most."""
    past = _past(scenario.name, card.name, plan.engines[0], store)
    found = []
    pilot: dict[str, Expected] = {}
    for name in plan.teams:
        team = table.name_of(name)
        if team not in past and not pilot:
            pilot = _pilot(plan, card)
        if team in past or team in pilot:
            found.append(past.get(team) or pilot[team])
    return found


def _past(scenario: str, model: str, engine: str, store: Store) -> dict[str, Expected]:
    """Forks are left out: they are of runs that somebody picked, and begin in the middle."""
    rows = store.sql(
        "SELECT team, count(*) AS runs, avg(input_tokens + output_tokens) AS tokens, "
        "CASE WHEN count(*) = count(cost_nano_usd) THEN avg(cost_nano_usd) / 1e9 END AS cost, "
        "avg(latency_s) AS latency "
        f"FROM runs WHERE scenario = {_quoted(scenario)} AND model = {_quoted(model)} AND engine = {_quoted(engine)} "
        "AND status IN ('completed', 'limited') AND parent_experiment IS NULL GROUP BY team"
    )
    return {
        row["team"]: Expected(row["team"], row["tokens"], row["cost"], row["latency"], 0.0, "past", row["runs"])
        for row in rows
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pilot(plan: Plan, card: Card) -> dict[str, Expected]:
    """A few cases on a simulated model; for a real one its tokens at the real one's price. Its time stays unknown."""
    small = Plan(
        plan.scenario,
        plan.teams,
        plan.engines[:1],
        model=plan.model if card.simulated else STAND_IN,
        cases=plan.cases if isinstance(plan.cases, tuple) else min(plan.cases or PILOT_CASES, PILOT_CASES),
        trials=1,
        seed=plan.seed,
    )
    bench = Bench(small)
    done: dict[str, list[tuple[Usage, float, float]]] = {}
    for trial in plans.trials(small, bench.scenario)[: PILOT_CASES * len(plan.teams)]:
        started = time.perf_counter()
        finished = clock.run(_one(trial, bench), virtual=True)
        wall = time.perf_counter() - started
        done.setdefault(bench.teams[trial.team].name, []).append((finished.usage, finished.latency_s, wall))
    return {team: _mean(team, runs, card) for team, runs in done.items()}


async def _one(trial: plans.Trial, bench: Bench) -> RunFinished:
    recorder = Recorder(trial.run, keep=True)
    await run_trial(trial, bench, recorder)
    last = recorder.records[-1].event
    assert isinstance(last, RunFinished)
    return last


def _mean(team: str, runs: list[tuple[Usage, float, float]], card: Card) -> Expected:
    n = len(runs)
    total = sum((usage for usage, _, _ in runs), Usage())
    cost = total.cost_usd if card.simulated else _priced(total, card)
    latency = sum(seconds for _, seconds, _ in runs) / n if card.simulated else 0.0
    wall = min(wall for _, _, wall in runs) if card.simulated else 0.0
    return Expected(team, total.tokens / n, None if cost is None else cost / n, latency, wall, "pilot", n)


def _priced(usage: Usage, card: Card) -> float | None:
    if card.price.input is None or card.price.output is None:
        return None
    return (usage.input_tokens * card.price.input + usage.output_tokens * card.price.output) / 1e6
