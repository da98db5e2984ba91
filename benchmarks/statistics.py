"""How often the intervals hold the truth, and how often a team is called worth it that is not.

python -m benchmarks.statistics [EXPERIMENTS]     (default 2,000 for each row; about ten minutes)

Every experiment is made up with a known difference: cases differ in difficulty (beta-distributed success rates), the
team differs from one agent case by case, and trials of a case depend on one another through it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.outcome import Outcome
from experiments.sequential import confidence_sequence
from experiments.statistics import difference_interval, success_interval
from experiments.verdict import judge


@dataclass(frozen=True)
class World:
    """`rate` and `spread`: mean and standard deviation of one agent's success over cases; `effect` and `varies`: those
    of the team's difference over cases."""

    name: str
    cases: int
    trials: int
    rate: float
    spread: float
    effect: float = 0.0
    varies: float = 0.0


WORLDS = [
    World("one trial a case", 60, 1, 0.7, 0.25),
    World("24 cases by 5", 24, 5, 0.7, 0.25, 0.1, 0.1),
    World("24 cases by 20", 24, 20, 0.7, 0.25, 0.1, 0.15),
    World("12 cases by 10", 12, 10, 0.6, 0.2, -0.1, 0.1),
    World("100 cases by 3", 100, 3, 0.8, 0.2, 0.05, 0.1),
    World("all alike, 40 by 5", 40, 5, 0.5, 0.0, 0.0, 0.0),
    World("nearly always right, 40 by 5", 40, 5, 0.95, 0.05),
]


def rates(world: World, rng: np.random.Generator, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(one agent's, the team's) success rate on each case."""
    n = count or world.cases
    solo = _beta(world.rate, world.spread, n, rng)
    team = np.clip(solo + world.effect + world.varies * rng.standard_normal(n), 0, 1)
    return solo, team


def _beta(mean: float, spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    if spread == 0:
        return np.full(n, mean)
    scale = mean * (1 - mean) / spread**2 - 1
    return rng.beta(mean * scale, (1 - mean) * scale, n)


def outcomes(world: World, rng: np.random.Generator, teams: int = 1) -> Iterator[Outcome]:
    """An experiment's: `solo`, and the team (or several that are no better)."""
    solo, team = rates(world, rng)
    for number, rate in enumerate([solo] + [team] * teams):
        won = rng.random((world.cases, world.trials)) < rate[:, None]
        name = "solo" if number == 0 else f"team-{number}"
        for case in range(world.cases):
            level = ("easy", "medium", "hard")[case % 3]
            for trial in range(world.trials):
                yield _outcome(name, case, trial, bool(won[case, trial]), level)


def _outcome(team: str, case: int, trial: int, success: bool, level: str) -> Outcome:
    fixed = {"engine": "native", "model": "made up", "tokens": 100, "cost_nano_usd": 1000, "latency_s": 1.0}
    return Outcome(
        run=trial * 1000 + case, team=team, case=f"c{case}", trial=trial, success=success, score=float(success),
        messages=0, calls=1, status="completed", difficulty=level, **fixed,  # type: ignore[arg-type]
    )  # fmt: skip


def coverage(world: World, experiments: int) -> tuple[float, float]:
    """The share of experiments whose intervals hold (one agent's success, the difference)."""
    rng = np.random.default_rng(1)
    solo, team = rates(world, rng, 400_000)
    success, difference = float(solo.mean()), float((team - solo).mean())
    held = [0, 0]
    for _ in range(experiments):
        made = list(outcomes(world, rng))
        alone, together = ([o for o in made if (o.team == "solo") is own] for own in (True, False))
        found = success_interval(alone)
        paired = difference_interval(together, alone)
        assert paired is not None
        held[0] += found.low <= success <= found.high
        held[1] += paired.low <= difference <= paired.high
    return held[0] / experiments, held[1] / experiments


def false_verdicts(world: World, experiments: int, teams: int) -> float:
    """The share of experiments without any difference whose verdict is for a team, overall or for a class of cases."""
    rng = np.random.default_rng(2)
    same = World(world.name, world.cases, world.trials, world.rate, world.spread)
    wrong = 0
    for _ in range(experiments):
        wrong += judge(list(outcomes(same, rng, teams))).kind in ("team_worth_it", "depends_on_case")
    return wrong / experiments


def false_stops(world: World, experiments: int) -> float:
    """The same with a look after every case, and stopping at the first that is for the team."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(experiments):
        solo, _ = rates(world, rng)
        a, b = (rng.binomial(world.trials, solo) / world.trials for _ in range(2))
        looks = (confidence_sequence((a[:n] - b[:n]).tolist(), world.trials) for n in range(2, world.cases + 1))
        wrong += any(low > 0 for low, _ in looks)
    return wrong / experiments


def main(experiments: int) -> None:
    low, high = stats.binom.ppf([0.025, 0.975], experiments, 0.95) / experiments
    print(f"{experiments:,} experiments a row; a true 95 % would show {low:.1%} to {high:.1%}\n")
    print(f"{'':32}{'success':>10}{'difference':>12}{'false, 1 team':>15}{'3 teams':>9}{'stopping early':>16}")
    for world in WORLDS:
        success, difference = coverage(world, experiments)
        one, three = (false_verdicts(world, max(200, experiments // 4), teams) for teams in (1, 3))
        early = false_stops(world, experiments)
        print(f"{world.name:32}{success:>10.1%}{difference:>12.1%}{one:>15.1%}{three:>9.1%}{early:>16.1%}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
