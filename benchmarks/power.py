"""Whether a difference is seen as often as `headcount plan` promises.

python -m benchmarks.power [EXPERIMENTS [PILOT]]     (default 2,000 for each row, 400 runs; half an hour)

`trials`: of each case, as planned for 80 % power where it is known how much the difference varies; `seen`: the share of
so large experiments whose verdict is that the team is worth it. `none seen`: the share of those with a team that is no
better (and as different on single cases) whose verdict is that one agent is enough, with the difference as the margin.

After a pilot, which `plan` makes where nothing ran before, what is planned differs from pilot to pilot: the median of
the trials, and of the power that is promised; the share of the pilots whose range holds the trials that are needed; the
share that says no number of trials is enough (or more than MOST); and `seen` among the others, on the pilot's cases.
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
from experiments.design.power import Advice, Likely
from experiments.judging.answering import OVERALL
from experiments.judging.statistics import ALPHA, case_differences
from experiments.judging.verdict import judge
from experiments.outcome import Outcome

NAMES = ("trials", "promised", "seen", "none seen", "trials", "promised", "range holds", "no number", "seen")
WANTED = 0.8
MOST = 1000


class Asked(NamedTuple):
    """A difference that is asked about: `teams` are compared with one agent, and one of them is better."""

    world: World
    teams: int = 1

    def asked(self, difference: float) -> power.Asked:
        """At the level of the plan's: the strictest of Holm's steps."""
        return power.Asked(difference, OVERALL * ALPHA / self.teams)


ASKED = [
    Asked(World("24 cases, 15 points", 24, 0, 0.6, 0.2, 0.15, 0.1)),
    Asked(World("24 cases, 20 points, 3 teams", 24, 0, 0.6, 0.2, 0.2, 0.1), 3),
    Asked(World("12 cases, 30 points", 12, 0, 0.5, 0.2, 0.3, 0.15)),
    Asked(World("60 cases, 10 points", 60, 0, 0.7, 0.2, 0.1, 0.08)),
    Asked(World("100 cases, 5 points", 100, 0, 0.7, 0.25, 0.05, 0.05)),
    Asked(World("60 cases, 6 points, nearly right", 60, 0, 0.9, 0.05, 0.06, 0.02)),
    Asked(World("24 cases, 15 points, all alike", 24, 0, 0.6, 0.2, 0.15, 0.0)),
    Asked(World("40 cases, 25 points, far apart", 40, 0, 0.4, 0.2, 0.25, 0.3)),
    Asked(World("24 cases, 10 points, far apart", 24, 0, 0.5, 0.25, 0.1, 0.25)),
    Asked(World("100 cases, 5 points, far apart", 100, 0, 0.5, 0.25, 0.05, 0.2)),
]
"""The last two are beyond any number of trials."""


def main(experiments: int, pilot: int = PILOT_RUNS) -> None:
    few = max(200, experiments // 4)
    print(f"{experiments:,} experiments a row, {few:,} of the last columns; each with its 95 % interval\n")
    print(f"{'':69}{f'after a pilot of {pilot:,} runs':>47}")
    columns = "{:33}{:>7}{:>9}{:>10}{:>10}{:>7}{:>9}{:>12}{:>10}{:>9}"
    print(columns.format("", *NAMES))
    for asked in ASKED:
        difference, spread = _known(asked.world)
        trials = power.trials_needed(spread, asked.asked(difference), asked.world.cases, WANTED)
        row: tuple[str, ...] = ("no number", "", "", "")
        if trials is not None:
            promised = power.power(spread, asked.asked(difference), asked.world.cases, trials)
            row = (str(trials), f"{promised:.0%}", seen(asked, trials, experiments))
            row += (none_seen(asked, trials, difference, few),)
        after = after_pilots(asked, difference, trials, few, pilot)
        print(columns.format(asked.world.name, *row, *after), flush=True)


def _known(world: World) -> tuple[float, Likely]:
    """The team's true difference, and how much it varies."""
    solo, team = rates(world, np.random.default_rng(4), 400_000)
    within = float((solo * (1 - solo) + team * (1 - team)).mean())
    return float((team - solo).mean()), power.known(within, float((team - solo).var()))


def seen(asked: Asked, trials: int, experiments: int) -> str:
    rng = np.random.default_rng(5)
    return _share([_is_seen(asked, trials, rates(asked.world, rng), rng) for _ in range(experiments)])


def _is_seen(asked: Asked, trials: int, drawn: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> bool:
    """Whether the verdict is for the first team; the others are one agent by another name."""
    solo, team = drawn
    verdict = judge(list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng)))
    found = verdict.differences[0].like_these
    return found is not None and found.better


def none_seen(asked: Asked, trials: int, margin: float, experiments: int) -> str:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(experiments):
        solo, team = equal_rates(asked.world, rng)
        made = list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng))
        found.append(judge(made, margin=margin).answers["like_these"] == "one_is_enough")
    return _share(found)


def after_pilots(
    asked: Asked, difference: float, needed: int | None, experiments: int, runs: int
) -> tuple[str, str, str, str, str]:
    """The last columns, as the docstring above has them. `needed`: the trials that are."""
    rng = np.random.default_rng(7)
    planned: list[Advice] = []
    found: list[bool] = []
    held = 0
    for _ in range(experiments):
        drawn = rates(asked.world, rng)
        advice = _advice(asked, difference, drawn, rng, runs)
        held += _holds(advice, needed)
        if advice.trials is not None and advice.trials <= MOST:
            planned.append(advice)
            found.append(_is_seen(asked, advice.trials, drawn, rng))
    if not planned:
        return "", "", f"{held / experiments:.0%}", "100%", ""
    trials = statistics.median(advice.trials or 0 for advice in planned)
    promised = statistics.median(advice.power for advice in planned)
    missing = 1 - len(found) / experiments
    return f"{trials:.0f}", f"{promised:.0%}", f"{held / experiments:.0%}", f"{missing:.0%}", _share(found)


def _advice(
    asked: Asked, difference: float, drawn: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, runs: int
) -> Advice:
    """What `plan` says after a pilot."""
    solo, team = drawn
    trials = max(2, runs // (asked.world.cases * (asked.teams + 1)))
    pilot = list(outcomes(trials, [solo, team] + [solo] * (asked.teams - 1), rng))
    likely = [_likely(pilot, f"team-{number + 1}") for number in range(asked.teams)]
    return power.advice(likely, asked.asked(difference), asked.world.cases, WANTED)


def _likely(pilot: Sequence[Outcome], team: str) -> Likely:
    alone, together = ([o for o in pilot if o.team == name] for name in ("solo", team))
    spread = power.spread(case_differences(together, alone).values())
    assert spread is not None
    return power.likely(spread)


def _holds(advice: Advice, needed: int | None) -> bool:
    least, most = advice.least or math.inf, advice.most or math.inf
    return least <= (needed or math.inf) <= most


def _share(found: Sequence[bool]) -> str:
    """With the half of its 95 % interval."""
    share = sum(found) / len(found)
    return f"{share:.0%} ± {196 * math.sqrt(share * (1 - share) / len(found)):.0f}"


if __name__ == "__main__":
    main(*[int(number) for number in sys.argv[1:] or ["2000"]])
