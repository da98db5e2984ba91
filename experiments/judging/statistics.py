"""Intervals and tests that know that trials of one case are not independent: the cases are the clusters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from experiments.judging.missing import answered, bounded, filled
from experiments.outcome import Outcome

LEVEL = 0.95
ALPHA = 0.05


class Interval(Struct, frozen=True):
    """An estimate with its interval at LEVEL."""

    value: float
    low: float
    high: float


class Difference(Struct, frozen=True):
    """How much more often A succeeds than B on the same cases and seeds (A minus B, from -1 to 1). `p` is that of no
    difference, `p_adjusted` Holm's where it is one of several; `at_most`: the smallest margin by which A is ruled out
    to be better; `cases` and `pairs` are what it rests on, `rates` the success of A and of B over those pairs.

    Where `lost` of the trials gave no answer (missing.py), `low`, `high`, `at_most` and `p` hold whatever they would
    have been; `value` and `rates` are of the `pairs` that both answered."""

    value: float
    low: float
    high: float
    p: float
    cases: int
    pairs: int
    lost: int = 0
    at_most: float = 1.0
    p_adjusted: float | None = None
    rates: tuple[float, float] | None = None

    @property
    def better(self) -> bool:
        """Whether A is better beyond doubt, whatever the lost runs would have been."""
        return self.low > 0 and (self.p if self.p_adjusted is None else self.p_adjusted) < ALPHA


def success_interval(outcomes: Sequence[Outcome]) -> Interval:
    """The success rate of the runs that gave an answer, of which there must be one, with a Wilson interval for the
    effective number of trials.

    With several trials of each case that number is n / design effect, adjusted for few clusters by
    (z / t)² with (cases - 1) degrees of freedom: Korn & Graubard 1998, "Confidence intervals for proportions with
    small expected number of positive counts estimated from survey data", Survey Methodology 24, with Wilson's interval
    as Dean & Pagano 2015 recommend. Where all trials agree, the cases count, not the trials.
    """
    outcomes = answered(outcomes)
    cases = _by_case(outcomes)
    n, m = len(outcomes), len(cases)
    rate = sum(o.success for o in outcomes) / n
    low, high = wilson(rate, _effective(cases, rate, n) if n > m > 1 else float(m if n > m else n))
    return Interval(rate, min(low, rate), max(high, rate))


def _effective(cases: dict[str, list[bool]], rate: float, n: int) -> float:
    m = len(cases)
    if rate in (0.0, 1.0):
        return float(m)
    means = np.array([np.mean(won) for won in cases.values()])
    variance = float(np.var(means, ddof=1)) / m
    effective = n if variance == 0 else min(float(n), rate * (1 - rate) / variance)
    z, t = _normal((1 + LEVEL) / 2), _student(m - 1, (1 + LEVEL) / 2)
    return max(1.0, effective * (z / t) ** 2)


def wilson(rate: float, n: float) -> tuple[float, float]:
    """Wilson 1927, for a number of trials that need not be whole."""
    z = _normal((1 + LEVEL) / 2)
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def success_bounds(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The ends of the success rate's interval, whatever the runs that gave no answer would have been."""
    return success_interval(filled(outcomes, False)).low, success_interval(filled(outcomes, True)).high


def case_differences(a: Sequence[Outcome], b: Sequence[Outcome]) -> dict[str, list[int]]:
    """Case → the differences of its trials that both answered, in order."""
    return {name: case.differences for name, case in bounded(a, b).answered.items()}


def mcnemar(a: Sequence[Outcome], b: Sequence[Outcome]) -> float | None:
    """The p value of McNemar's exact test (McNemar 1947): of the trials in which only one of the two succeeded, is it
    as often one as the other? For one trial of each case; with more, trials of a case depend on one another and
    `paired_difference` has the test. None where no trial was done by both."""
    from statsmodels.stats.contingency_tables import mcnemar as exact

    flat = [d for diffs in case_differences(a, b).values() for d in diffs]
    if not flat:
        return None
    only_a, only_b = flat.count(1), flat.count(-1)
    return float(exact([[len(flat) - only_a - only_b, only_a], [only_b, 0]], exact=True).pvalue)


def pass_hat_k(outcomes: Sequence[Outcome], k: int) -> float | None:
    """pass^k: the chance that k trials of a case all succeed, the mean over cases of C(c, k) / C(n, k) with c
    successes in n trials that gave an answer (Yao et al. 2024, tau-bench, section 4). None where a case has fewer than
    k of them."""
    cases = _by_case(answered(outcomes)).values()
    if not cases or any(len(won) < k for won in cases):
        return None
    return float(np.mean([math.comb(sum(won), k) / math.comb(len(won), k) for won in cases]))


def holm(p_values: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p values, in the order given (Holm 1979; with weights, which add up to 1, its weighted form: section 4).
    Without, all count alike."""
    weights = weights or [1 / max(1, len(p_values))] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda n: p_values[n] / weights[n])
    adjusted, worst, left = [0.0] * len(p_values), 0.0, sum(weights)
    for index in order:
        worst = max(worst, min(1.0, p_values[index] * left / weights[index]))
        adjusted[index] = worst
        left -= weights[index]
    return adjusted


def _normal(share: float) -> float:
    """The standard normal quantile. (scipy.special, and not scipy.stats, which takes a second to import.)"""
    from scipy.special import ndtri

    return float(ndtri(share))


def _student(freedom: int, share: float) -> float:
    """The quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _by_case(outcomes: Sequence[Outcome]) -> dict[str, list[bool]]:
    cases: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        cases[outcome.case].append(outcome.success)
    return cases
