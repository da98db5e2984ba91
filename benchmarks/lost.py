"""What a verdict comes to where a team's runs are lost, by how they are counted.

python -m benchmarks.lost [EXPERIMENTS]     (default 300 for each row; about fifteen minutes)

24 cases by 10 with a team that is 12 points better, and 60 cases by 10 with one that is alike; any of the team's runs
is lost with the same chance. The verdict as it is given (both bounds, and none above a tenth), with the lost runs
counted as failures, and with them left out: how often the team is worth it, and how often one agent is enough. The
margin is 10 points, so that in the first world "enough" is false.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks.worlds import outcomes
from experiments.judging.missing import answered, filled
from experiments.judging.verdict import judge
from experiments.outcome import Outcome

MARGIN = 0.10
WORLDS = [("+12, 24 cases by 10", 24, 0.12), ("alike, 60 cases by 10", 60, 0.0)]
SHARES = [0.0, 0.02, 0.05, 0.08, 0.1, 0.3]
WAYS = ("as given", "as failures", "left out")


def experiment(cases: int, effect: float, share: float, rng: np.random.Generator) -> list[Outcome]:
    solo = rng.beta(2.8, 1.2, cases) * (1 - effect)
    made = outcomes(10, (solo, solo + effect), rng)
    return [_lost(one) if one.team != "solo" and rng.random() < share else one for one in made]


def _lost(one: Outcome) -> Outcome:
    return msgspec.structs.replace(one, status="failed", error="the server did not answer", success=False)


def kinds(cases: int, effect: float, share: float, experiments: int) -> list[Counter[str]]:
    """How often each kind of verdict comes out, for each way of counting."""
    rng = np.random.default_rng(7)
    found: list[Counter[str]] = [Counter() for _ in WAYS]
    for _ in range(experiments):
        made = experiment(cases, effect, share, rng)
        for count, some in zip(found, _ways(made), strict=True):
            count[judge(some, margin=MARGIN).kind] += 1
    return found


def _ways(made: list[Outcome]) -> Sequence[list[Outcome]]:
    return made, filled(made, False), answered(made)


def main(experiments: int) -> None:
    print(f"{experiments:,} experiments a row, margin {100 * MARGIN:g} points\n")
    print(f"{'':32}" + "".join(f"{way:^24}" for way in WAYS))
    print(f"{'':24}{'lost':>8}" + f"{'worth':>8}{'enough':>8}{'none':>8}" * len(WAYS))
    for name, cases, effect in WORLDS:
        for share in SHARES:
            shown = ""
            for count in kinds(cases, effect, share, experiments):
                three = ("team_worth_it", "one_is_enough", "runs_broke_off")
                shown += "".join(f"{count[kind] / experiments:>8.0%}" for kind in three)
            print(f"{name:24}{share:>8.0%}{shown}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
