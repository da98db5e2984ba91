"""Stopping early without cheating: evidence that holds whenever one stops, however often one has looked.

The observations are cases in a random order that was drawn beforehand: for each the mean difference of its trials, from
-1 to 1. A bettor who starts with 1 and never can go below 0 bets on each next case; against a fair game its wealth is a
non-negative supermartingale for every distribution, so by Ville's inequality it ever reaches 20 with probability 5 % at
most. Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86; the mixture over
stakes is Ryu & Bhatt (arXiv 2207.12382).

It holds for looks after whole cases, and says something of cases like these alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

ENOUGH_STAKES = ((0.25, 0.1), (0.5, 0.1), (0.75, 0.1), (0.999, 0.7))
"""Stakes on "not better by the margin", with the share of the wealth that each gets."""
_STAKES = (np.arange(40) + 0.5) / 40
_HALVINGS = 26


def wealth_above(differences: Sequence[float], value: float) -> float:
    """What betting on a mean above `value` has made of 1 after these cases."""
    return math.exp(min(700.0, _log_wealth(differences, value)[-1])) if len(differences) else 1.0


def best_above(differences: Sequence[float], value: float) -> float:
    """The most that it ever was after one of these cases."""
    return math.exp(min(700.0, max(0.0, float(_log_wealth(differences, value).max(initial=0.0)))))


def wealth_against_margin(differences: Sequence[float], margin: float) -> float:
    """What betting on "not better by the margin" has made of 1."""
    gains = (margin - np.asarray(differences, float)) / (1 - margin)
    logs = [math.log(share) + float(np.log1p(stake * gains).sum()) for stake, share in ENOUGH_STAKES]
    return math.exp(min(700.0, float(np.logaddexp.reduce(logs))))


def p_value(differences: Sequence[float]) -> float:
    """Of no difference, at any time: one over the most that betting on the side of the mean has made of 1. One-sided,
    as what is claimed is."""
    sign = -1 if sum(differences) < 0 else 1
    return min(1.0, 1 / best_above([sign * x for x in differences], 0.0))


def confidence_sequence(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The values of the mean that betting against them has never refuted. Either end is right at every look, with
    probability `level`."""
    if not len(differences):
        return -1.0, 1.0
    limit = 1 / (1 - level)
    return -_upper([-x for x in differences], limit), _upper(differences, limit)


def ruled_out_above(differences: Sequence[float], level: float = 0.95) -> float:
    """The smallest margin for which betting on "not better by it" has made 1 / (1 - level) of 1; 1 for none."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = wealth_against_margin(differences, middle) >= 1 / (1 - level)
        low, high = (low, middle) if refuted else (middle, high)
    return high


def _upper(differences: Sequence[float], limit: float) -> float:
    low, high = float(np.mean(differences)), 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = best_above([-x for x in differences], -middle) >= limit
        low, high = (low, middle) if refuted else (middle, high)
    return high


def _log_wealth(differences: Sequence[float], value: float) -> np.ndarray:
    """The logarithm of the wealth after each case, spread evenly over stakes from 0 to 1."""
    if value <= -1:
        return np.full(len(differences), np.inf)
    gains = (np.asarray(differences, float) - value) / (1 + value)
    return np.asarray(np.logaddexp.reduce(np.cumsum(np.log1p(np.outer(_STAKES, gains)), axis=1), axis=0)) - math.log(
        len(_STAKES)
    )
