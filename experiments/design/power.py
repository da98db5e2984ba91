"""How many trials show a difference: power of the comparison that the verdict makes, over clustered, paired trials.

The verdict tests the mean over cases of each case's mean paired difference (Student's t). With m cases and k trials of
each its variance is (between + within / k) / m: Snijders & Bosker 2012, "Multilevel Analysis", section 11.5, for two
levels. Power is that of the noncentral t distribution (statsmodels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec import Struct

MOST = 10_000
"""More trials of a case, or cases, than this are not looked for."""


class Spread(Struct, frozen=True):
    """Variances of a team's paired difference in success from one agent's (each from -1 to 1): `within` a case, from
    trial to trial, and `between` cases. `known`: whether trials of a case were done more than once; else all of it
    counts as between cases, and more trials of a case are not expected to help."""

    within: float
    between: float
    cases: int
    pairs: int
    known: bool = True


def spread(differences: Iterable[Sequence[int]]) -> Spread | None:
    """From each case's paired differences, by the one-way analysis of variance with cases as the groups (Searle,
    Casella & McCulloch 1992, section 3.6). None without any. Where nothing differed at all, the discordance that three
    in as many pairs would be (the rule of three) stands in."""
    groups = [np.asarray(group, float) for group in differences if len(group)]
    if not groups:
        return None
    m, n = len(groups), sum(map(len, groups))
    if n == m:
        total = float(np.var([group[0] for group in groups], ddof=1)) if m > 1 else 0.0
        return Spread(0.0, total or _rule_of_three(n), m, n, known=False)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (n - m)
    between = _between(groups, within, n) if m > 1 else 0.0
    if within + between == 0:
        within = _rule_of_three(n)
    return Spread(within, between, m, n)


def _between(groups: list[np.ndarray], within: float, n: int) -> float:
    m = len(groups)
    middle = sum(group.sum() for group in groups) / n
    mean_square = sum(len(group) * (group.mean() - middle) ** 2 for group in groups) / (m - 1)
    size = (n - sum(len(group) ** 2 for group in groups) / n) / (m - 1)
    return max(0.0, float(mean_square - within) / size)


def _rule_of_three(pairs: int) -> float:
    return min(1.0, 3 / pairs)


def power(of: Spread, difference: float, cases: int, trials: int, alpha: float) -> float:
    """The chance that a true difference of this size is found at level `alpha` (two-sided). With a single case its
    trials are the units, as in the verdict."""
    from statsmodels.stats.power import TTestPower

    units, deviation = _units(of, cases, trials)
    if units < 2:
        return 0.0
    found = float(TTestPower().power(difference / deviation, units, alpha, df=units - 1, alternative="two-sided"))
    return 1.0 if math.isnan(found) else found  # the noncentral t has no number where it is as good as 1


def detectable(of: Spread, cases: int, trials: int, alpha: float, wanted: float) -> float | None:
    """The smallest true difference that is found with power `wanted`; None where not even a whole one (1) is."""
    low, high = 0.0, 1.0
    if power(of, high, cases, trials, alpha) < wanted:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(of, middle, cases, trials, alpha) >= wanted else (middle, high)
    return high


def trials_needed(of: Spread, difference: float, cases: int, alpha: float, wanted: float) -> int | None:
    """The fewest trials of each case that find it with power `wanted`; None where no number does: then the cases
    differ too much among themselves, and more cases are needed."""
    return _fewest(lambda k: power(of, difference, cases, k, alpha) >= wanted)


def cases_needed(of: Spread, difference: float, trials: int, alpha: float, wanted: float) -> int | None:
    return _fewest(lambda m: power(of, difference, m, trials, alpha) >= wanted, start=2)


def _fewest(enough: Callable[[int], bool], start: int = 1) -> int | None:
    """The smallest number that is enough, by doubling and halving: what is enough stays so."""
    high = start
    while not enough(high):
        if high >= MOST:
            return None
        high = min(MOST, 2 * high)
    low = high // 2 if high > start else start - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _units(of: Spread, cases: int, trials: int) -> tuple[int, float]:
    """What is independent of what, how many there are, and their standard deviation."""
    if cases == 1:
        return trials, math.sqrt(of.within or of.between)
    return cases, math.sqrt(of.between + of.within / trials)
