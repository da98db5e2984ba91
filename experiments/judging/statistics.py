"""Intervals and tests that know that trials of one case are not independent: the cases are the clusters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct

from experiments.judging.missing import Bounds, answered, bounded, filled
from experiments.outcome import Outcome

LEVEL = 0.95
RESAMPLES = 20_000
Diffs = dict[str, list[int]]


class Interval(Struct, frozen=True):
    """An estimate with its interval at LEVEL."""

    value: float
    low: float
    high: float


class Difference(Struct, frozen=True):
    """How much more often A succeeds than B on the same cases and seeds (A minus B, from -1 to 1). `p` is that of no
    difference; `cases` and `pairs` are what it rests on.

    Where `lost` of the trials gave no answer (missing.py), `low`, `high` and `p` hold whatever they would have been;
    `value` is of the `pairs` that both answered."""

    value: float
    low: float
    high: float
    p: float
    cases: int
    pairs: int
    lost: int = 0


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


def paired_difference(a: Sequence[Outcome], b: Sequence[Outcome], level: float = LEVEL) -> Difference | None:
    """A's success minus B's over the trials that both did (same case, same trial). None where there are none.

    The interval is Student's over the cases' mean differences; where no case shows any difference it is the rule of
    three over the cases (Hanley & Lippman-Hand 1983). `p` is that of the sign-flip permutation test over cases.
    """
    return between_bounds(bounded(a, b), lambda diffs: _tested(diffs, level))


def _tested(diffs: Diffs, level: float) -> Difference:
    interval, units = _mean(diffs, level)
    p = (1.0 if interval.value == 0 else 2.0 ** (1 - len(units))) if float(np.ptp(units)) == 0 else _sign_flip(units)
    return Difference(
        interval.value, interval.low, interval.high, min(1.0, p), len(diffs), sum(map(len, diffs.values()))
    )


def between_bounds(found: Bounds, rule: Callable[[Diffs], Difference]) -> Difference | None:
    """What any `rule` over cases' differences comes to where trials are lost: its interval from the low end of what can
    be to the high end, and its p at the end that is nearer to no difference (1 where that lies between them). None
    where no trial was begun by both."""
    if not found.lost:
        return rule(found.answered) if found.answered else None
    low, high = rule(found.low), rule(found.high)
    p = low.p if low.value > 0 else high.p if high.value < 0 else 1.0
    pairs = sum(map(len, found.answered.values()))
    value = rule(found.answered).value if pairs else (low.value + high.value) / 2
    value = min(max(value, low.low), high.high)  # pairs of which one half is known say something too
    return Difference(value, low.low, high.high, p, low.cases, pairs, found.lost)


def difference_interval(a: Sequence[Outcome], b: Sequence[Outcome], level: float = LEVEL) -> Interval | None:
    """The interval of `paired_difference` alone, which takes no permutations."""
    found = bounded(a, b)
    if not found.low:
        return None
    (low, _), (high, _) = _mean(found.low, level), _mean(found.high, level)
    value = _mean(found.answered, level)[0].value if found.answered else (low.value + high.value) / 2
    return Interval(value, low.low, high.high)


def _mean(diffs: Diffs, level: float) -> tuple[Interval, np.ndarray]:
    """The mean over cases with its interval, and what it rests on: the cases' means, or a single case's trials."""
    units = np.array([np.mean(d) for d in diffs.values()])
    value = float(units.mean())
    if len(units) == 1:
        units = np.array(next(iter(diffs.values())), dtype=float)
    m = len(units)
    if float(np.ptp(units)) == 0:
        half = min(1.0, 3 / m)
    else:
        half = _student(m - 1, (1 + level) / 2) * float(units.std(ddof=1)) / math.sqrt(m)
    return Interval(value, max(-1.0, value - half), min(1.0, value + half)), units


def difference_at_any_time(
    a: Sequence[Outcome], b: Sequence[Outcome], order: Sequence[str], level: float = LEVEL
) -> Difference | None:
    """A's success minus B's for an experiment that was looked at after each case of `order`: interval and `p` hold
    whenever it stopped (experiments/judging/sequential.py). None where no case was done by both."""
    return between_bounds(bounded(a, b), lambda diffs: _at_any_time(diffs, order, level))


def _at_any_time(diffs: Diffs, order: Sequence[str], level: float) -> Difference:
    from experiments.judging.sequential import confidence_sequence, p_value

    means = [sum(diffs[case]) / len(diffs[case]) for case in order if case in diffs]
    pairs = sum(map(len, diffs.values()))
    trials = pairs / len(means)
    low, high = confidence_sequence(means, trials, level)
    return Difference(sum(means) / len(means), low, high, p_value(means, trials), len(means), pairs)


def case_differences(a: Sequence[Outcome], b: Sequence[Outcome]) -> Diffs:
    """Case → the differences of its trials that both answered, in order."""
    return bounded(a, b).answered


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


def equivalent(difference: Difference, margin: float, alpha: float = 1 - LEVEL) -> bool:
    """Whether the two are as good as each other up to `margin`, by two one-sided tests (Schuirmann 1987): the interval
    at 1 - 2 alpha lies within it. Uses the interval's own scale, Student's with (cases - 1) degrees of freedom; where
    trials are lost, the interval between the bounds as it is."""
    if difference.lost:
        return -margin < difference.low and difference.high < margin
    m = difference.cases if difference.cases > 1 else difference.pairs
    if m < 2:
        return False
    half = (difference.high - difference.low) / 2
    ratio = _student(m - 1, 1 - alpha) / _student(m - 1, 1 - alpha / 2)
    return abs(difference.value) + half * ratio < margin


def pass_hat_k(outcomes: Sequence[Outcome], k: int) -> float | None:
    """pass^k: the chance that k trials of a case all succeed, the mean over cases of C(c, k) / C(n, k) with c
    successes in n trials that gave an answer (Yao et al. 2024, tau-bench, section 4). None where a case has fewer than
    k of them."""
    cases = _by_case(answered(outcomes)).values()
    if not cases or any(len(won) < k for won in cases):
        return None
    return float(np.mean([math.comb(sum(won), k) / math.comb(len(won), k) for won in cases]))


def _sign_flip(values: np.ndarray) -> float:
    """Two-sided, exact up to 14 values, else from RESAMPLES seeded flips, with itself counted among them (Phipson &
    Smyth 2010). What scipy.stats.permutation_test does, with flips that are drawn once for each number of values."""
    flips = _flips(len(values))
    found, seen = np.abs(flips @ values), abs(float(values.sum()))
    extreme = int((found >= seen - 1e-9).sum())
    exact = len(flips) == 2 ** len(values)
    return extreme / len(flips) if exact else (extreme + 1) / (len(flips) + 1)


@lru_cache(maxsize=8)
def _flips(count: int) -> np.ndarray:
    """A row of signs for each flip: all that there are, or a seeded sample."""
    if count <= 14:
        numbers = np.arange(2**count)[:, None] >> np.arange(count)
        return np.where(numbers & 1, 1.0, -1.0)
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(RESAMPLES, count))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = worst
    return adjusted


def cases_needed(difference: Difference, margin: float) -> int | None:
    """About how many cases in all would shrink the interval so that it no longer holds both 0 and `margin`; None
    where the difference shows no spread to go by. The half width falls with the square root of the cases."""
    half = (difference.high - difference.low) / 2
    distance = max(abs(difference.value), abs(margin - difference.value), margin / 2)
    if half <= 0 or distance <= 0:
        return None
    return math.ceil(difference.cases * (half / distance) ** 2)


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
