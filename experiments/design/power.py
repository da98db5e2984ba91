"""How many trials show a difference: power of the comparison that the verdict makes, over clustered, paired trials.

With m cases and k trials of each, the mean over cases of each case's mean paired difference varies by
(between + within / k) / m: Snijders & Bosker 2012, "Multilevel Analysis", section 11.5, for two levels. What the
verdict asks decides how much of that counts:

- these cases: only the trials are random, the error is sqrt(within / (m k)) with its floor (judging/these_cases.py),
  and power that of the noncentral t distribution.
- cases like these: the cases are random too. The verdict's bounded likelihood (judging/like_these.py) is reckoned from
  the mean and the standard deviation that the cases will show, as they are distributed for normal case means: to the
  second order, max over stakes of m (log(1 + stake mean) - (stake sd / (1 + stake mean))^2 / 2).

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

from experiments.judging import like_these, these_cases
from experiments.judging.answering import Question

MOST = 10_000
"""More trials of a case, or cases, than this are not looked for."""
SURE = 0.9
"""From where this share of the possible spreads needs more to where this share has enough is the range that is told."""
_PARTS = 12
_STAKES = (np.arange(24) + 1) / 24
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


class Asked(NamedTuple):
    """The difference that is to be seen (0.05 is 5 points), at which level (two-sided), and on which question."""

    difference: float
    alpha: float
    about: Question = "like_these"


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


def power(of: Likely, asked: Asked, cases: int, trials: int) -> float:
    """The chance that a team that is truly so much better is found worth it."""
    return float(of.weight @ _powers(of, asked, cases, trials))


def power_of_enough(of: Likely, asked: Asked, cases: int, trials: int) -> float:
    """The chance that a team that is no better is ruled out to be so much better: "one agent is enough" with the
    difference as the margin."""
    if asked.about == "these":
        return float(of.weight @ _on_these(of, asked._replace(alpha=0.05), cases, trials))
    if cases < like_these.fewest_for_enough(asked.difference):
        return 0.0
    means, deviations = _seen(of, 0.0, cases, trials)
    left = 1 - asked.difference
    found = _evidence((asked.difference - means) / left, deviations / left, cases) >= like_these.RULED_OUT
    return float(of.weight @ found.mean(axis=1))


def _powers(of: Likely, asked: Asked, cases: int, trials: int) -> np.ndarray:
    """`power` for each of the possible spreads."""
    return (_on_these if asked.about == "these" else _on_like_these)(of, asked, cases, trials)


def _on_these(of: Likely, asked: Asked, cases: int, trials: int) -> np.ndarray:
    from scipy.special import nctdtr, stdtrit

    if cases * trials < 2:
        return np.zeros(len(of.weight))
    freedom = 2 * cases * (trials - 1) if trials > 1 else cases - 1
    variance = of.within if trials > 1 else of.within + of.between
    errors = np.sqrt(np.maximum(cases * variance / trials, these_cases.FLOOR / trials**2)) / cases
    missed = nctdtr(freedom, asked.difference / errors, stdtrit(freedom, 1 - asked.alpha / 2))
    return np.asarray(1 - np.nan_to_num(missed))  # not a number where it is as good as 0


def _on_like_these(of: Likely, asked: Asked, cases: int, trials: int) -> np.ndarray:
    from scipy.special import chdtri, stdtrit

    if cases < like_these.fewest_for_worth(1, asked.alpha):
        return np.zeros(len(of.weight))
    means, deviations = _seen(of, asked.difference, cases, trials)
    found = _evidence(means, deviations, cases) >= float(chdtri(1, asked.alpha)) / 2
    flips = means * np.sqrt(cases) >= deviations * stdtrit(cases - 1, 1 - asked.alpha / 2)  # as good as Student's
    return np.asarray((found & flips).mean(axis=1))


def _seen(of: Likely, difference: float, cases: int, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation that the cases show: a row for each possible spread, with the middles of
    equal parts of what may be drawn."""
    from scipy.special import chdtri, ndtri

    shares = (np.arange(_PARTS) + 0.5) / _PARTS
    normal, squares = (one.ravel() for one in np.meshgrid(ndtri(shares), chdtri(cases - 1, shares) / (cases - 1)))
    spread = np.sqrt(of.between + of.within / trials)[:, None]
    return difference + spread / np.sqrt(cases) * normal, spread * np.sqrt(squares)


def _evidence(means: np.ndarray, deviations: np.ndarray, cases: int) -> np.ndarray:
    """What speaks for a mean above 0, in nats."""
    best = np.zeros_like(means)
    for stake in _STAKES:
        grown = np.maximum(1e-9, 1 + stake * means)
        best = np.maximum(best, np.log(grown) - (stake * deviations / grown) ** 2 / 2)
    return cases * best


def detectable(of: Likely, asked: Asked, cases: int, trials: int, wanted: float) -> float | None:
    """The smallest true difference that is found with power `wanted`; None where not even a whole one (1) is."""
    low, high = 0.0, 1.0
    if power(of, asked._replace(difference=high), cases, trials) < wanted:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        enough = power(of, asked._replace(difference=middle), cases, trials) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def trials_needed(of: Likely, asked: Asked, cases: int, wanted: float) -> int | None:
    """The fewest trials of each case that find it with power `wanted`, or with GAIN of the power that MOST trials have
    where that is less. None where no number of trials would do, as sure as SURE: then the cases are too few, or differ
    too much among themselves, and more cases are needed."""
    least = fewest_trials(of, asked, cases, wanted, 1 - SURE)
    if least is None:
        return None
    goal = min(wanted, GAIN * power(of, asked, cases, MOST))
    return _fewest(lambda k: power(of, asked, cases, k) >= goal, start=least)


def fewest_trials(of: Likely, asked: Asked, cases: int, wanted: float, share: float) -> int | None:
    """The fewest trials that find it with power `wanted` under so large a share of the possible spreads, the smallest
    of them; None where no number does."""
    return _fewest(lambda k: float(of.weight @ (_powers(of, asked, cases, k) >= wanted)) >= share)


def advice(of: Sequence[Likely], asked: Asked, cases: int, wanted: float) -> Advice:
    """What all comparisons of an experiment together need, each with its spread."""
    return together(of, [alone(one, asked, cases, wanted) for one in of], asked, cases)


def alone(of: Likely, asked: Asked, cases: int, wanted: float) -> Advice:
    """What one comparison needs."""
    trials = trials_needed(of, asked, cases, wanted)
    least, greatest = (fewest_trials(of, asked, cases, wanted, share) for share in (1 - SURE, SURE))
    return Advice(trials, least, greatest, power(of, asked, cases, trials or MOST))


def together(of: Sequence[Likely], each: Sequence[Advice], asked: Asked, cases: int) -> Advice:
    """What comparisons together need, of which it is known what each needs."""
    trials, least, greatest = (most(needed) for needed in zip(*(one[:3] for one in each), strict=True))
    promised = min(power(one, asked, cases, trials or MOST) for one in of)
    return Advice(trials, least, greatest, promised)


def most(needed: Sequence[int | None]) -> int | None:
    """What is enough for all; None where nothing is for one of them."""
    return None if None in needed else max(n for n in needed if n is not None)


def cases_needed(of: Likely, asked: Asked, trials: int, wanted: float) -> int | None:
    """How many cases in all, with so many trials of each; None where MOST are not enough."""
    return _fewest(lambda m: power(of, asked, m, trials) >= wanted, start=2)


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
