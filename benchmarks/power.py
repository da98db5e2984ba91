"""Whether a difference is seen as often as `headcount plan` promises.

python -m benchmarks.power [EXPERIMENTS]     (default 2,000 for each row; about ten minutes)

`trials`: of each case, as planned for 80 % power where it is known how much the difference varies; `seen`: the share of
so large experiments whose verdict is that the team is worth it. `none seen`: the share of those with a team that is no
better (and as different on single cases) whose verdict is that one agent is enough, with the difference as the margin.

After a pilot of 400 runs, which `plan` makes where nothing ran before, what is planned differs from pilot to pilot: its
median; the share that says no number of trials is enough (or more than MOST); and `seen` among the others, on the
pilot's own cases.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.worlds import World, equal_rates, outcomes, rates
from experiments.design import power
from experiments.design.planning import PILOT_RUNS
from experiments.design.power import Spread
from experiments.judging.statistics import LEVEL, case_differences
from experiments.judging.verdict import judge
from experiments.outcome import Outcome

WANTED = 0.8
MOST = 300


class Asked(NamedTuple):
    """A difference that is asked about: `teams` are compared with one agent, and one of them is better."""

    world: World
    teams: int = 1

    @property
    def alpha(self) -> float:
        return (1 - LEVEL) / self.teams


ASKED = [
    Asked(World("24 cases, 5 points", 24, 0, 0.7, 0.25, 0.05, 0.05)),
    Asked(World("24 cases, 10 points", 24, 0, 0.7, 0.25, 0.1, 0.1)),
    Asked(World("24 cases, 10 points, 3 teams", 24, 0, 0.7, 0.25, 0.1, 0.1), 3),
    Asked(World("12 cases, 20 points", 12, 0, 0.5, 0.2, 0.2, 0.15)),
    Asked(World("60 cases, 5 points", 60, 0, 0.7, 0.25, 0.05, 0.08)),
    Asked(World("100 cases, 10 points", 100, 0, 0.7, 0.25, 0.1, 0.1)),
    Asked(World("40 cases, 3 points, nearly right", 40, 0, 0.93, 0.05, 0.03, 0.02)),
]


def main(experiments: int) -> None:
    few = max(200, experiments // 4)
    print(f"{experiments:,} experiments a row, {few:,} of the last columns; each with its 95 % interval\n")
    print(f"{'':34}{'':36}{'after a pilot of 400 runs':>40}")
    names = ("", "trials", "promised", "seen", "none seen", "trials", "no number", "seen")
    print("{:34}{:>8}{:>10}{:>16}{:>16}{:>8}{:>12}{:>16}".format(*names))
    for asked in ASKED:
        difference, spread = _known(asked.world)
        trials = power.trials_needed(spread, difference, asked.world.cases, asked.alpha, WANTED)
        assert trials is not None
        promised = power.power(spread, difference, asked.world.cases, trials, asked.alpha)
        row = f"{asked.world.name:34}{trials:>8}{promised:>10.1%}{seen(asked, trials, experiments):>16}"
        row += f"{none_seen(asked, trials, difference, few):>16}"
        print(row + "{:>8}{:>12.0%}{:>16}".format(*after_pilots(asked, difference, few)), flush=True)


def _known(world: World) -> tuple[float, Spread]:
    """The team's true difference, and how much it varies."""
    solo, team = rates(world, np.random.default_rng(4), 400_000)
    within = float((solo * (1 - solo) + team * (1 - team)).mean())
    return float((team - solo).mean()), Spread(within, float((team - solo).var()), world.cases, 0)


def seen(asked: Asked, trials: int, experiments: int) -> str:
    rng = np.random.default_rng(5)
    return _share([_is_seen(asked, trials, rates(asked.world, rng), rng) for _ in range(experiments)])


def _is_seen(asked: Asked, trials: int, drawn: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> bool:
    """Whether the verdict is for the first team; the others are one agent by another name."""
    solo, team = drawn
    verdict = judge(list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng)))
    return verdict.kind == "team_worth_it" and verdict.differences[0].p_adjusted < 1 - LEVEL


def none_seen(asked: Asked, trials: int, margin: float, experiments: int) -> str:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(experiments):
        solo, team = equal_rates(asked.world, rng)
        made = list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng))
        found.append(judge(made, margin=margin).kind == "one_is_enough")
    return _share(found)


def after_pilots(asked: Asked, difference: float, experiments: int) -> tuple[str, float, str]:
    """The median of the planned trials, the share without a number, and how many of the others see the difference."""
    rng = np.random.default_rng(7)
    planned: list[int] = []
    found: list[bool] = []
    for _ in range(experiments):
        drawn = rates(asked.world, rng)
        trials = _planned(asked, difference, drawn, rng)
        if trials is not None and trials <= MOST:
            planned.append(trials)
            found.append(_is_seen(asked, trials, drawn, rng))
    return f"{statistics.median(planned):.0f}", 1 - len(found) / experiments, _share(found)


def _planned(
    asked: Asked, difference: float, drawn: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> int | None:
    """What `plan` says after a pilot: enough for each of the comparisons."""
    solo, team = drawn
    trials = max(2, PILOT_RUNS // (asked.world.cases * (asked.teams + 1)))
    pilot = list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng))
    needed = [_needed(asked, difference, pilot, f"team-{number + 1}") for number in range(asked.teams)]
    return None if None in needed else max(n for n in needed if n is not None)


def _needed(asked: Asked, difference: float, pilot: Sequence[Outcome], team: str) -> int | None:
    alone, together = ([o for o in pilot if o.team == name] for name in ("solo", team))
    spread = power.spread(case_differences(together, alone).values())
    assert spread is not None
    return power.trials_needed(spread, difference, asked.world.cases, asked.alpha, WANTED)


def _share(found: Sequence[bool]) -> str:
    """With the half of its 95 % interval."""
    share = sum(found) / len(found)
    return f"{share:.1%} ± {196 * math.sqrt(share * (1 - share) / len(found)):.1f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
