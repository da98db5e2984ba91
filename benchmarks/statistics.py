"""How often the intervals hold the truth, and how often a team is called worth it that is not.

python -m benchmarks.statistics [EXPERIMENTS]     (default 2,000 for each row; about forty minutes)

Every experiment is made up with a known difference (benchmarks/worlds.py). At the end, whether differences are seen as
often as `headcount plan` promises: benchmarks/power.py, which runs alone too.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats

from benchmarks import power
from benchmarks.worlds import World, outcomes, rates
from experiments.judging.sequential import confidence_sequence
from experiments.judging.statistics import difference_interval, success_interval
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


def coverage(world: World, experiments: int) -> tuple[float, float]:
    """The share of experiments whose intervals hold (one agent's success, the difference)."""
    rng = np.random.default_rng(1)
    solo, team = rates(world, rng, 400_000)
    success, difference = float(solo.mean()), float((team - solo).mean())
    held = [0, 0]
    for _ in range(experiments):
        made = list(outcomes(world.trials, rates(world, rng), rng))
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
    print()
    power.main(experiments)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
