"""Stopping early without cheating: intervals and p values that hold whenever one stops, however often one has looked.

The anytime-valid t test. The observations are cases, in a random order drawn beforehand: for each the mean difference
of its trials, so that trials of one case may depend on one another as they like. Betting against a mean with the Bayes
factor of the t test (Gönen et al. 2005, "The Bayesian two-sample t test", The American Statistician 59, equation 2, for
one sample; effect sizes from a normal distribution with variance G) is a martingale under it, whatever the standard
deviation: Pérez-Ortiz et al. 2024, "E-statistics, group invariance and anytime-valid testing", Annals of Statistics 52.
By Ville's inequality it reaches 1 / alpha with probability alpha at most, ever. Exact for normal case means; for real
ones `python -m benchmarks.statistics` measures it.

It holds for looks after whole cases. An experiment with `--stop-early` goes case by case and looks then; any other goes
trial by trial over all cases, and a look while it runs is not covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

G = 1.0  # unit information: effects as large as the cases' own spread are expected


def confidence_sequence(differences: Sequence[float], trials: float, level: float = 0.95) -> tuple[float, float]:
    """The interval for the mean of cases' differences (each from -1 to 1) after these. `trials`: of each case, by which
    differences that none of them showed are not ruled out. (-1, 1) while there are too few."""
    n = len(differences)
    ratio = (math.sqrt(1 + n * G) / (1 - level)) ** (2 / n) if n > 1 else math.inf
    shrunk = 1 + n * G
    if ratio >= shrunk:
        return -1.0, 1.0
    t = math.sqrt((n - 1) * (ratio - 1) / (1 - ratio / shrunk))
    mean, half = float(np.mean(differences)), t * _deviation(differences, trials) / math.sqrt(n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def p_value(differences: Sequence[float], trials: float) -> float:
    """That of no difference, after these: one over what betting against it has won."""
    n = len(differences)
    if n < 2:
        return 1.0
    shrunk = 1 + n * G
    u = n * float(np.mean(differences)) ** 2 / _deviation(differences, trials) ** 2 / (n - 1)
    won = n / 2 * (math.log1p(u) - math.log1p(u / shrunk)) - math.log(shrunk) / 2
    return math.exp(-max(0.0, won))


def _deviation(differences: Sequence[float], trials: float) -> float:
    """The standard deviation over cases, not below what it would be if as many trials had differed as the rule of three
    allows for (Hanley & Lippman-Hand 1983): cases that all came out alike do not prove that all will."""
    floor = 3 / (len(differences) * trials**2)
    return math.sqrt(max(float(np.var(differences, ddof=1)), floor))
