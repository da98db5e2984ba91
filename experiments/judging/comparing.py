"""A team against one agent: on these cases, on cases like these, and at every look at a growing number of them.

The two questions are told apart because no rule can answer the second in every world *and* have much power with few
cases (like_these.py). Where trials are lost, what is said holds whatever they would have been (missing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from experiments.judging import betting, like_these, paired, these_cases
from experiments.judging.missing import Bounds, bounded
from experiments.judging.paired import Paired
from experiments.judging.statistics import LEVEL, Difference
from experiments.outcome import Outcome

Rule = Callable[[Paired], "Difference | None"]


def on_these(a: Sequence[Outcome], b: Sequence[Outcome]) -> Difference | None:
    """A's success minus B's over the trials that both began, about these cases alone (these_cases.py). None where there
    are none, or a single one."""
    return between_bounds(bounded(a, b), _these)


def on_like_these(a: Sequence[Outcome], b: Sequence[Outcome]) -> Difference | None:
    """The same about all cases like these, of which these are a random sample (like_these.py). None with fewer than
    like_these.FEWEST."""
    return between_bounds(bounded(a, b), _like_these)


def at_every_look(a: Sequence[Outcome], b: Sequence[Outcome], order: Sequence[str]) -> Difference | None:
    """The same for an experiment that was looked at after each case of `order`: it holds whenever it stopped
    (betting.py). None where no case was done by both."""
    return between_bounds(bounded(a, b), lambda cases: _at_every_look(cases, order))


def equivalent(a: Sequence[Outcome], b: Sequence[Outcome], margin: float) -> bool:
    """Whether the two are as good as each other on these cases up to `margin`, by two one-sided tests (Schuirmann
    1987): the interval at 1 - 2 alpha lies within it, whatever lost runs would have been."""
    found = bounded(a, b)
    low, high = (these_cases.estimate(list(cases.values())) for cases in (found.low, found.high))
    if low is None or high is None:
        return False
    level = 2 * LEVEL - 1
    return -margin < low.interval(level)[0] and high.interval(level)[1] < margin


def between_bounds(found: Bounds, rule: Rule) -> Difference | None:
    """What any `rule` over paired trials comes to where some are lost: its interval over both ends of what can be, and
    the larger p of the two (1 where no difference lies between them). None where the rule says nothing of so few."""
    low = rule(found.low)
    if not found.lost or low is None:
        return low
    high = rule(found.high)
    assert high is not None, "both ends have the same trials"
    p = max(low.p, high.p) if low.value > 0 or high.value < 0 else 1.0
    least, most, at_most = min(low.low, high.low), max(low.high, high.high), max(low.at_most, high.at_most)
    rates = paired.rates(found.answered) if found.answered else None
    value = rates[0] - rates[1] if rates else (low.value + high.value) / 2
    value = min(max(value, least), most)  # pairs of which one half is known say something too
    known = paired.pairs(found.answered)
    return Difference(value, least, most, p, low.cases, known, found.lost, at_most, rates=rates)


def _these(cases: Paired) -> Difference | None:
    found = these_cases.estimate(list(cases.values()))
    if found is None:
        return None
    low, high = found.interval(LEVEL)
    return _difference(cases, found.value, low, high, found.p, high)


def _like_these(cases: Paired) -> Difference | None:
    if len(cases) < like_these.FEWEST:
        return None
    means = [case.mean for case in cases.values()]
    low, high = like_these.interval(means)
    at_most = like_these.ruled_out_above(means)
    return _difference(cases, float(np.mean(means)), low, high, like_these.p_value(means), at_most)


def _at_every_look(cases: Paired, order: Sequence[str]) -> Difference | None:
    means = [cases[name].mean for name in order if name in cases]
    if not means:
        return None
    low, high = betting.confidence_sequence(means, LEVEL)
    at_most = betting.ruled_out_above(means, LEVEL)
    return _difference(cases, float(np.mean(means)), low, high, betting.p_value(means), at_most)


def _difference(cases: Paired, value: float, low: float, high: float, p: float, at_most: float) -> Difference:
    low, high = min(low, value), max(high, value)  # a value at the end of the range, to the last bit
    count = paired.pairs(cases)
    return Difference(value, low, high, min(1.0, p), len(cases), count, at_most=at_most, rates=paired.rates(cases))
