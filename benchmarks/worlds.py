"""Experiments that are made up, so that the truth is known: cases differ in difficulty (beta-distributed success
rates), the team differs from one agent case by case, and trials of a case depend on one another through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.outcome import Outcome


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


def rates(world: World, rng: np.random.Generator, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(one agent's, the team's) success rate on each case."""
    n = count or world.cases
    solo = _beta(world.rate, world.spread, n, rng)
    team = np.clip(solo + world.effect + world.varies * rng.standard_normal(n), 0, 1)
    return solo, team


def equal_rates(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same where the team is better on some cases and worse on others, and no better on the whole."""
    middle = _beta(world.rate, world.spread, world.cases, rng)
    one, other = (np.clip(middle + world.varies / 2**0.5 * rng.standard_normal(world.cases), 0, 1) for _ in range(2))
    return one, other


def _beta(mean: float, spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    if spread == 0:
        return np.full(n, mean)
    scale = mean * (1 - mean) / spread**2 - 1
    return rng.beta(mean * scale, (1 - mean) * scale, n)


def outcomes(trials: int, rates: Sequence[np.ndarray], rng: np.random.Generator) -> Iterator[Outcome]:
    """An experiment's, with the success rates on each case of `solo` and of each team."""
    for number, rate in enumerate(rates):
        won = rng.random((len(rate), trials)) < rate[:, None]
        name = "solo" if number == 0 else f"team-{number}"
        for case in range(len(rate)):
            level = ("easy", "medium", "hard")[case % 3]
            for trial in range(trials):
                yield _outcome(name, case, trial, bool(won[case, trial]), level)


def _outcome(team: str, case: int, trial: int, success: bool, level: str) -> Outcome:
    fixed = {"engine": "native", "model": "made up", "tokens": 100, "cost_nano_usd": 1000, "latency_s": 1.0}
    return Outcome(
        run=trial * 1000 + case, team=team, case=f"c{case}", trial=trial, success=success, score=float(success),
        messages=0, calls=1, status="completed", difficulty=level, **fixed,  # type: ignore[arg-type]
    )  # fmt: skip
