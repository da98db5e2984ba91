"""For these cases: what would come out if exactly they were done again and again. Only the trials are random.

The stratified t interval, with the cases as strata (Cochran 1977, "Sampling Techniques", section 5.4). Its variance has
a floor, the rule of three over trials (Hanley & Lippman-Hand 1983): where nothing ever differed, something still might.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from experiments.judging.paired import Case

FLOOR = 2.34
"""(3 / 1.96)^2: with this variance the interval's end is where the rule of three has it."""


class Estimate(Struct, frozen=True):
    """The mean difference over these cases, its standard error and the degrees of freedom of Student's t."""

    value: float
    error: float
    freedom: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        half = self.error * student(self.freedom, (1 + level) / 2)
        return max(-1.0, self.value - half), min(1.0, self.value + half)

    @property
    def p(self) -> float:
        """Two-sided, of no difference."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))


def estimate(cases: Sequence[Case]) -> Estimate | None:
    """From each case's trials. With one trial of each, the spread over the cases stands in for that of the trials, and
    is more. None without any case, or with one trial in all."""
    m, trials = len(cases), [len(case.team) for case in cases]
    if m == 0 or sum(trials) < 2:
        return None
    value = float(np.mean([case.mean for case in cases]))
    floor = FLOOR / float(np.mean(trials)) ** 2
    if max(trials) == 1:
        variance = m * float(np.var([case.mean for case in cases], ddof=1))
        return Estimate(value, math.sqrt(max(variance, floor)) / m, m - 1)
    pooled = float(np.mean([_within(case) for case in cases if len(case.team) > 1]))
    each = [(_within(case) if len(case.team) > 1 else pooled) / len(case.team) for case in cases]
    freedom = 2 * sum(n - 1 for n in trials)
    return Estimate(value, math.sqrt(max(sum(each), floor)) / m, freedom)


def error_with(variance: float, cases: int, trials: float) -> float:
    """The standard error with so many trials of each case, whose variances of one trial's difference add up to
    `variance`."""
    return math.sqrt(max(variance / trials, FLOOR / trials**2)) / cases


def _within(case: Case) -> float:
    """The variance of one trial's difference: that of the two rates, where the pairs do not depend on one another."""
    k = len(case.team)
    rates = [sum(won) / k for won in (case.team, case.base)]
    return sum(rate * (1 - rate) for rate in rates) * k / (k - 1)


def student(freedom: int, share: float) -> float:
    """The quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))
