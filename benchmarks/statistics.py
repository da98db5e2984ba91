"""How often the intervals hold the truth, and how often a team is called worth it that is not.

python -m benchmarks.statistics [EXPERIMENTS]     (default 2,000 for each row; about an hour and a half)

Every experiment is made up with a known difference (benchmarks/worlds.py). Then the verdict at its edges
(benchmarks/edges.py), and whether differences are seen as often as `headcount plan` promises (benchmarks/power.py):
each runs alone too.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats

from benchmarks import edges, power
from benchmarks.worlds import World, outcomes, rates
from experiments.judging.betting import wealth_above
from experiments.judging.comparing import on_like_these, on_these
from experiments.judging.statistics import success_interval
from experiments.judging.verdict import judge

WORLDS = [
    World("one trial a case", 60, 1, 0.7, 0.25),
    World("24 cases by 5", 24, 5, 0.7, 0.25, 0.1, 0.1),
    World("24 cases by 20", 24, 20, 0.7, 0.25, 0.1, 0.15),
    World("12 cases by 10", 12, 10, 0.6, 0.2, -0.1, 0.1),
    World("100 cases by 3", 100, 3, 0.8, 0.2, 0.05, 0.1),
    World("all alike, 40 by 5", 40, 5, 0.5, 0.0, 0.0, 0.0),
    World("nearly always right, 40 by 5", 40, 5, 0.95, 0.05),
]


def coverage(world: World, experiments: int) -> tuple[float, ...]:
    """The share of experiments whose intervals hold (one agent's success, the difference on these cases, and on cases
    like these)."""
    rng = np.random.default_rng(1)
    solo, team = rates(world, rng, 400_000)
    success, difference = float(solo.mean()), float((team - solo).mean())
    held = np.zeros(3)
    for _ in range(experiments):
        drawn = rates(world, rng)
        made = list(outcomes(world.trials, drawn, rng))
        alone, together = ([o for o in made if (o.team == "solo") is own] for own in (True, False))
        found = success_interval(alone)
        these, like = on_these(together, alone), on_like_these(together, alone)
        assert these is not None
        assert like is not None
        own = float((drawn[1] - drawn[0]).mean())
        held += (
            found.low <= success <= found.high,
            these.low <= own <= these.high,
            like.low <= difference <= like.high,
        )
    return tuple(held / experiments)


def false_verdicts(world: World, experiments: int, teams: int) -> float:
    """The share of experiments without any difference whose verdict is for a team, overall or for a class of cases."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(experiments):
        solo, _ = rates(world, rng)
        made = list(outcomes(world.trials, [solo] * (1 + teams), rng))
        wrong += judge(made).kind in ("team_worth_it", "depends_on_case")
    return wrong / experiments


def false_stops(world: World, experiments: int) -> float:
    """The same with a look after every case, and stopping at the first that is for the team."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(experiments):
        solo, _ = rates(world, rng)
        a, b = (rng.binomial(world.trials, solo) / world.trials for _ in range(2))
        wrong += any(wealth_above((a[:n] - b[:n]).tolist(), 0.0) >= 20 for n in range(1, world.cases + 1))
    return wrong / experiments


def main(experiments: int) -> None:
    low, high = stats.binom.ppf([0.025, 0.975], experiments, 0.95) / experiments
    print(f"{experiments:,} experiments a row; a true 95 % would show {low:.1%} to {high:.1%}\n")
    names = ("success", "these", "like these", "false, 1 team", "3 teams", "stopping early")
    print(f"{'':32}" + "".join(f"{name:>{max(10, len(name) + 2)}}" for name in names))
    for world in WORLDS:
        held = coverage(world, experiments)
        false = (false_verdicts(world, max(200, experiments // 4), teams) for teams in (1, 3))
        shown = zip(names, (*held, *false, false_stops(world, experiments)), strict=True)
        print(f"{world.name:32}" + "".join(f"{rate:>{max(10, len(name) + 2)}.1%}" for name, rate in shown), flush=True)
    print()
    edges.main(max(200, experiments // 2))
    print()
    power.main(experiments)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
