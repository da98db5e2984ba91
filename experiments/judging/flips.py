"""The permutation test of signs over cases."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RESAMPLES = 20_000
EXACT = 14
"""Up to so many cases all flips are looked at."""


def sign_flip(values: np.ndarray) -> float:
    """Two-sided, exact up to EXACT values, else from RESAMPLES seeded flips, with itself counted among them (Phipson &
    Smyth 2010). What scipy.stats.permutation_test does, with flips that are drawn once for each number of values."""
    flips = _flips(len(values))
    found, seen = np.abs(flips @ values), abs(float(values.sum()))
    extreme = int((found >= seen - 1e-9).sum())
    exact = len(flips) == 2 ** len(values)
    return extreme / len(flips) if exact else (extreme + 1) / (len(flips) + 1)


@lru_cache(maxsize=8)
def _flips(count: int) -> np.ndarray:
    """A row of signs for each flip: all that there are, or a seeded sample."""
    if count <= EXACT:
        numbers = np.arange(2**count)[:, None] >> np.arange(count)
        return np.where(numbers & 1, 1.0, -1.0)
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(RESAMPLES, count))
