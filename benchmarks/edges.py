"""The verdict at its edges: worlds in which help or harm lives in few cases, cases are few, or runs are lost.

python -m benchmarks.edges [EXPERIMENTS]     (default 1,000 for each row; about forty minutes)

How often a team is called worth it that is not, and one agent enough where the team is better by the margin, on each of
the verdict's two questions, by the whole verdict with its classes of cases: for cases like these, judged by the truth
over all cases; for these cases, by the truth of those that were drawn. `holds`: how often the interval holds the truth.
`early`: false answers of either kind with a look after every case and a stop at the first that decides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from benchmarks.worlds import outcomes
from experiments.judging.answering import QUESTIONS, Question
from experiments.judging.betting import ruled_out_above, wealth_above
from experiments.judging.verdict import Verdict, judge
from experiments.outcome import Outcome

MARGIN = 0.05
Rates = tuple[np.ndarray, np.ndarray]
Draw = Callable[[np.random.Generator, int], Rates]


@dataclass(frozen=True)
class Edge:
    """A world: `draw` gives one agent's and the team's success rate on so many cases. `lost`: the share of the team's
    runs that break off. `fewer`: trials that one agent did less of each case."""

    name: str
    cases: int
    trials: int
    draw: Draw
    lost: float = 0.0
    fewer: int = 0


def same(rate: float, effect: float = 0.0) -> Draw:
    """Cases of smoothly varying difficulty; the team is better by `effect` in each."""

    def draw(rng: np.random.Generator, n: int) -> Rates:
        solo = rng.beta(4 * rate, 4 * (1 - rate), n) * (1 - effect)
        return solo, solo + effect

    return draw


def tied(rate: float) -> Draw:
    """Cases that both solve always or never."""

    def draw(rng: np.random.Generator, n: int) -> Rates:
        solo = (rng.random(n) < rate).astype(float)
        return solo, solo

    return draw


def concentrated(share: float, elsewhere: float) -> Draw:
    """A share of the cases that only the team can solve; elsewhere both are alike."""

    def draw(rng: np.random.Generator, n: int) -> Rates:
        only = rng.random(n) < share
        return np.where(only, 0.0, elsewhere), np.where(only, 1.0, elsewhere)

    return draw


def skewed(share: float, gain: float, harm: float, rate: float) -> Draw:
    """The team is better by `gain` in most cases and worse by `harm` in a share of them."""

    def draw(rng: np.random.Generator, n: int) -> Rates:
        worse = rng.random(n) < share
        solo = np.full(n, rate)
        return solo, np.clip(np.where(worse, solo - harm, solo + gain), 0, 1)

    return draw


def coin_flips(reach: float) -> Draw:
    """Better by `reach` in half of the cases and worse in the others."""

    def draw(rng: np.random.Generator, n: int) -> Rates:
        sign = rng.choice([-1.0, 1.0], n)
        return 0.5 - sign * reach / 2, 0.5 + sign * reach / 2

    return draw


EDGES = [
    Edge("one case by 20, no difference", 1, 20, same(0.7)),
    Edge("4 cases by 20, no difference", 4, 20, same(0.7)),
    Edge("12 cases by 20, no difference", 12, 20, same(0.7)),
    Edge("24 cases by 5, no difference", 24, 5, same(0.7)),
    Edge("60 cases by 1, no difference", 60, 1, same(0.7)),
    Edge("24 cases by 20, +-30 by case", 24, 20, coin_flips(0.3)),
    Edge("24 cases by 5, tied", 24, 5, tied(0.8)),
    Edge("6 cases by 20, help in 6.25 %", 6, 20, concentrated(0.0625, 0.98)),
    Edge("12 cases by 20, help in 6.25 %", 12, 20, concentrated(0.0625, 0.98)),
    Edge("24 cases by 20, help in 6.25 %", 24, 20, concentrated(0.0625, 0.98)),
    Edge("60 cases by 5, help in 6.25 %", 60, 5, concentrated(0.0625, 0.98)),
    Edge("100 cases by 5, help in 5 %", 100, 5, concentrated(0.051, 0.9)),
    Edge("12 cases by 20, +6/-54 around 70 %", 12, 20, skewed(0.1, 0.06, 0.54, 0.7)),
    Edge("24 cases by 20, +6/-54 around 90 %", 24, 20, skewed(0.1, 0.06, 0.54, 0.9)),
    Edge("60 cases by 5, +3/-57 around 90 %", 60, 5, skewed(0.05, 0.03, 0.57, 0.9)),
    Edge("40 cases by 20, -90 on 5 %", 40, 20, skewed(0.05, 0.0474, 0.9, 0.9)),
    Edge("100 cases by 5, +6 everywhere", 100, 5, same(0.7, 0.06)),
    Edge("24 cases by 10, 8 % of the team's lost", 24, 10, same(0.7), lost=0.08),
    Edge("60 cases by 10, +6, 5 % lost", 60, 10, same(0.7, 0.06), lost=0.05),
    Edge("24 cases by 20, one agent 5", 24, 20, same(0.7), fewer=15),
]


class Counts:
    """What came out of so many experiments, on one question."""

    def __init__(self) -> None:
        self.asked = self.worth = self.enough = self.held = 0

    def add(self, verdict: Verdict, question: Question, truth: float) -> None:
        (compared,) = verdict.differences
        found = compared.on(question)
        if found is None:
            return
        kind = verdict.answers.get(question)  # none where too many runs are lost
        self.asked += 1
        self.worth += kind == "team_worth_it" and truth <= 1e-9
        self.enough += kind == "one_is_enough" and truth >= MARGIN
        self.held += found.low - 1e-9 <= truth <= found.high + 1e-9

    def shown(self) -> str:
        if not self.asked:
            return f"{'-':>8}{'-':>8}{'-':>8}"
        return "".join(f"{n / self.asked:>8.1%}" for n in (self.worth, self.enough, self.held))


def measured(edge: Edge, experiments: int) -> tuple[dict[Question, Counts], float]:
    rng = np.random.default_rng(11)
    solo, team = edge.draw(np.random.default_rng(4), 1_000_000)
    truth = float((team - solo).mean())
    truth = 0.0 if abs(truth) < 0.002 else truth  # a mean of zero, to the error of the draw
    counts: dict[Question, Counts] = {question: Counts() for question in QUESTIONS}
    early = 0
    for _ in range(experiments):
        drawn = edge.draw(rng, edge.cases)
        verdict = judge(list(_made(edge, drawn, rng)), margin=MARGIN)
        for question in QUESTIONS:
            counts[question].add(
                verdict, question, truth if question == "like_these" else float((drawn[1] - drawn[0]).mean())
            )
        early += _stopped_wrongly(edge, drawn, truth, rng)
    return counts, early / experiments


def _made(edge: Edge, drawn: Rates, rng: np.random.Generator) -> Iterator[Outcome]:
    for one in outcomes(edge.trials, drawn, rng):
        if one.team == "solo" and one.trial >= edge.trials - edge.fewer:
            continue
        if one.team != "solo" and edge.lost and rng.random() < edge.lost:
            yield msgspec.structs.replace(one, status="failed", error="the server did not answer", success=False)
        else:
            yield one


def _stopped_wrongly(edge: Edge, drawn: Rates, truth: float, rng: np.random.Generator) -> bool:
    a, b = (rng.binomial(edge.trials, rates) / edge.trials for rates in drawn)
    seen = (b - a).tolist()
    for n in range(1, edge.cases + 1):
        if wealth_above(seen[:n], 0.0) >= 20:
            return truth <= 1e-9
        if ruled_out_above(seen[:n]) < MARGIN:
            return truth >= MARGIN
    return False


def main(experiments: int) -> None:
    print(
        f"{experiments:,} experiments a row, margin {100 * MARGIN:g} points; false answers, and intervals that hold\n"
    )
    print(f"{'':40}{'cases like these':>24}{'these cases':>24}")
    names = ("worth", "enough", "holds")
    print(f"{'':40}" + "".join(f"{name:>8}" for name in (*names, *names, "early")))
    for edge in EDGES:
        counts, early = measured(edge, experiments)
        print(f"{edge.name:40}{counts['like_these'].shown()}{counts['these'].shown()}{early:>8.1%}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
