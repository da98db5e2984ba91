"""Stopping early without cheating: intervals that hold at every moment, however often they are looked at.

A confidence sequence for a mean of bounded observations by betting: Waudby-Smith & Ramdas 2024, "Estimating means of
bounded random variables by betting", JRSS-B 86(1), section 4.2 (hedged capital, predictable plug-in bets, eq. 24-26).
The observations are cases, in a random order fixed beforehand: for each the mean difference of its trials. So trials of
one case may depend on one another as they like. It holds for looks after whole cases: a
case counts once all its trials are done. Headcount runs trial by trial over all cases, so a look while an experiment
runs is not covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

GRID = 801  # candidate means from -1 to 1, 0.0025 apart
TRUNCATION = 0.5  # a bet risks at most this share of what it could lose


def confidence_sequence(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The interval for the mean of observations from -1 to 1 after these, in their order. It holds the mean at all
    times together with probability `level`; (-1, 1) before the first."""
    alpha = 1 - level
    x = (np.asarray(differences, float) + 1) / 2
    if len(x) == 0:
        return -1.0, 1.0
    means = np.linspace(0, 1, GRID)
    bets = _bets(x, alpha)
    up = np.minimum(bets[:, None], TRUNCATION / np.maximum(means, 1e-12))
    down = np.minimum(bets[:, None], TRUNCATION / np.maximum(1 - means, 1e-12))
    gain = x[:, None] - means
    capital_up = np.cumsum(np.log1p(up * gain), axis=0)
    capital_down = np.cumsum(np.log1p(-down * gain), axis=0)
    capital = np.logaddexp(capital_up, capital_down) - math.log(2)
    alive = (capital < math.log(1 / alpha)).all(axis=0)
    if not alive.any():  # the observations contradict every mean of the grid: it lies between two of its points
        nearest = float(means[np.argmin(capital.max(axis=0))])
        return 2 * nearest - 1, 2 * nearest - 1
    kept = means[alive]
    return float(2 * kept[0] - 1), float(2 * kept[-1] - 1)


def _bets(x: np.ndarray, alpha: float) -> np.ndarray:
    """The bet before each observation, from those before it: sqrt(2 log(2/alpha) / (variance t log(t + 1)))."""
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log(t + 1)))
