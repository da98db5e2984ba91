"""How many trials show a difference: power of the comparison that the verdict makes, over clustered, paired trials.

The verdict tests the mean over cases of each case's mean paired difference (Student's t). With m cases and k trials of
each its variance is (between + within / k) / m: Snijders & Bosker 2012, "Multilevel Analysis", section 11.5, for two
levels. Power is that of the noncentral t distribution.

Few runs hardly tell the two parts apart, and a plan that takes its estimates for the truth asks for too few trials
(Browne 1995, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14). So power is the
expected one over all the spreads that the runs leave possible, each by its probability: assurance (O'Hagan, Stevens &
Campbell 2005, Pharmaceutical Statistics 4; for the spread, Kieser & Wassmer 1996, Biometrical Journal 38).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from msgspec import Struct

MOST = 10_000
"""More trials of a case, or cases, than this are not looked for."""
SURE = 0.9
"""From where this share of the possible spreads needs more to where this share has enough is the range that is told."""
GAIN = 0.9
"""Where no number of trials has the wanted power, this share of the power that the most have is asked for."""
RATIO = 0.25
"""How far cases' standard deviation may be expected to go, in a trial's, before anything has run: the scale of half a
Student's t with 4 degrees of freedom (Gelman 2006, "Prior distributions for variance parameters in hierarchical
models", Bayesian Analysis 1). Half of it lies below 0.19, a twentieth above 0.69."""


class Spread(Struct, frozen=True):
    """What runs show of how much a team's paired difference in success from one agent's (from -1 to 1) varies:
    `within` a case, from trial to trial, as a variance; and `means`, the variance of the cases' means of `trials` each
    (the harmonic mean of their numbers), which is about between + within / trials. `within` is None where no case was
    done more than once."""

    within: float | None
    means: float
    trials: float
    cases: int
    pairs: int

    @property
    def total(self) -> float:
        """That of a single trial's difference, over all cases."""
        return self.means + (self.within or 0.0) * (1 - 1 / self.trials)


class Likely(NamedTuple):
    """The variances that are possible, `within` a case and `between` cases, each pair with its probability."""

    within: np.ndarray
    between: np.ndarray
    weight: np.ndarray


class Advice(NamedTuple):
    """Trials of each case (None: no number is enough), and the power that they are expected to have (that of MOST where
    there is none). They would be as few as `least` if the spread is as small as the runs leave possible, and as many as
    `most` (None: no number is enough) if it is as large; either goes too far with the chance 1 - SURE."""

    trials: int | None
    least: int | None
    most: int | None
    power: float


def known(within: float, between: float) -> Likely:
    """Variances beyond doubt."""
    return Likely(np.array([within]), np.array([between]), np.ones(1))


def spread(differences: Iterable[Sequence[int]]) -> Spread | None:
    """From each case's paired differences, by the unweighted analysis of cases' means (Thomas & Hultquist 1978,
    "Interval estimation for the unbalanced case of the one-way random effects model", Annals of Statistics 6). None
    without any. Where nothing differed at all, the variance that three in as many pairs would make (the rule of three)
    stands in."""
    groups = [np.asarray(group, float) for group in differences if len(group)]
    if not groups:
        return None
    m, n = len(groups), sum(map(len, groups))
    trials = m / sum(1 / len(group) for group in groups)
    means = float(np.var([group.mean() for group in groups], ddof=1)) if m > 1 else 0.0
    if n == m:
        return Spread(None, means or _rule_of_three(n), trials, m, n)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (n - m)
    return Spread(within or _rule_of_three(n), means, trials, m, n)


def _rule_of_three(pairs: int) -> float:
    return min(1.0, 3 / pairs)


@lru_cache(maxsize=64)
def likely(of: Spread) -> Likely:
    """The posterior after these runs, of normal differences: nothing is taken to be known of the variance within cases
    (its prior is 1 / within), RATIO says what is of the rest."""
    from scipy.special import chdtri

    ratio = np.geomspace(0.01, 10, 60)
    within, inside, over = of.within or of.means, of.pairs - of.cases, max(of.cases - 1, of.pairs == 1)
    scaled = ratio**2 + 1 / of.trials
    squares = inside * within + over * of.means / scaled
    density = -2.5 * np.log1p((ratio / RATIO) ** 2 / 4) + np.log(ratio)
    density -= over / 2 * np.log(scaled) + (inside + over) / 2 * np.log(squares)
    weight = np.exp(density - density.max())
    shares = (np.arange(7) + 0.5) / 7
    variances = squares[:, None] / chdtri(inside + over, shares)
    weights = np.repeat(weight / weight.sum() / len(shares), len(shares))
    found = weights > 1e-4
    between = variances * ratio[:, None] ** 2
    return Likely(variances.ravel()[found], between.ravel()[found], weights[found] / weights[found].sum())


def power(of: Likely, difference: float, cases: int, trials: int, alpha: float) -> float:
    """The chance that a true difference of this size is found, with its sign, at level `alpha` (two-sided). With a
    single case its trials are the units, as in the verdict."""
    return float(of.weight @ _powers(of, difference, cases, trials, alpha))


def _powers(of: Likely, difference: float, cases: int, trials: int, alpha: float) -> np.ndarray:
    """The same for each of the possible spreads."""
    from scipy.special import nctdtr, stdtrit

    units, variance = (trials, of.within) if cases == 1 else (cases, of.between + of.within / trials)
    if units < 2:
        return np.zeros(len(of.weight))
    missed = nctdtr(units - 1, difference * np.sqrt(units / variance), stdtrit(units - 1, 1 - alpha / 2))
    return np.asarray(1 - np.nan_to_num(missed))  # not a number where it is as good as 0


def detectable(of: Likely, cases: int, trials: int, alpha: float, wanted: float) -> float | None:
    """The smallest true difference that is found with power `wanted`; None where not even a whole one (1) is."""
    low, high = 0.0, 1.0
    if power(of, high, cases, trials, alpha) < wanted:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(of, middle, cases, trials, alpha) >= wanted else (middle, high)
    return high


def trials_needed(of: Likely, difference: float, cases: int, alpha: float, wanted: float) -> int | None:
    """The fewest trials of each case that find it with power `wanted`, or with GAIN of the power that MOST trials have
    where that is less. None where no number of trials would do, as sure as SURE: then the cases differ too much among
    themselves, and more cases are needed."""
    least = fewest_trials(of, difference, cases, alpha, wanted, 1 - SURE)
    if least is None:
        return None
    goal = min(wanted, GAIN * power(of, difference, cases, MOST, alpha))
    return _fewest(lambda k: power(of, difference, cases, k, alpha) >= goal, start=least)


def fewest_trials(of: Likely, difference: float, cases: int, alpha: float, wanted: float, share: float) -> int | None:
    """The fewest trials that find it with power `wanted` under so large a share of the possible spreads, the smallest
    of them; None where no number does."""
    return _fewest(lambda k: float(of.weight @ (_powers(of, difference, cases, k, alpha) >= wanted)) >= share)


def advice(of: Sequence[Likely], difference: float, cases: int, alpha: float, wanted: float) -> Advice:
    """What all comparisons of an experiment together need, each with its spread."""
    return together(of, [alone(one, difference, cases, alpha, wanted) for one in of], difference, cases, alpha)


def alone(of: Likely, difference: float, cases: int, alpha: float, wanted: float) -> Advice:
    """What one comparison needs."""
    trials = trials_needed(of, difference, cases, alpha, wanted)
    least, greatest = (fewest_trials(of, difference, cases, alpha, wanted, share) for share in (1 - SURE, SURE))
    return Advice(trials, least, greatest, power(of, difference, cases, trials or MOST, alpha))


def together(of: Sequence[Likely], each: Sequence[Advice], difference: float, cases: int, alpha: float) -> Advice:
    """What comparisons together need, of which it is known what each needs."""
    trials, least, greatest = (most(needed) for needed in zip(*(one[:3] for one in each), strict=True))
    promised = min(power(one, difference, cases, trials or MOST, alpha) for one in of)
    return Advice(trials, least, greatest, promised)


def most(needed: Sequence[int | None]) -> int | None:
    """What is enough for all; None where nothing is for one of them."""
    return None if None in needed else max(n for n in needed if n is not None)


def cases_needed(of: Likely, difference: float, trials: int, alpha: float, wanted: float) -> int | None:
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
