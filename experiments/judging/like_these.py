"""For cases like these: what a sample of cases says about all cases of its kind, whatever those are like.

Each case's mean paired difference lies between -1 and 1, and a kind of case that was not drawn may lie at either end.
Bounded empirical likelihood allows for it: Owen's empirical likelihood in which the end of the range always may have a
weight, the "KLinf" of Honda & Takemura 2010 and of Cappé, Garivier, Maillard, Munos & Stoltz 2013, "Kullback-Leibler
upper confidence bounds for optimal sequential allocation", Annals of Statistics 41 (arXiv 1210.1136). Student's t and
the bootstrap do not, and call a team worth it too often where a few cases hold the harm, or one agent enough where a
few hold the help: `python -m benchmarks.statistics` has both.

No rule can be right in every world and have much power with few cases: with a mean gain g and m cases, at most
alpha (1 + g)^m (Bahadur & Savage 1956 is the general statement). So with few cases the answer is mostly open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from experiments.judging.flips import EXACT, sign_flip

EVIDENCE = 1.9207
"""Half of chi-square's 95 % quantile with one degree of freedom: from here on a value is outside the interval."""
RULED_OUT = math.log(20)
"""From here on "a team is better by the margin" is ruled out: at most 5 % by Ville's inequality at a fixed bet."""
FEWEST = 6
"""Fewer cases than this say nothing about others like them."""
_HALVINGS = 30


def evidence_above(means: Sequence[float], value: float) -> float:
    """How much speaks for the mean over all cases being above `value`, in nats: the largest mean log growth of a bet on
    it that cannot lose more than everything, times the number of cases. 0 where nothing does."""
    return _growth((np.asarray(means, float) - value) / (1 + value)) if value > -1 else math.inf


def evidence_below(means: Sequence[float], value: float) -> float:
    """The same for the mean being below `value`."""
    return evidence_above([-x for x in means], -value)


def interval(means: Sequence[float], evidence: float = EVIDENCE) -> tuple[float, float]:
    """The values of the mean over all cases that the sample leaves possible."""
    return -_upper([-x for x in means], evidence), _upper(means, evidence)


def p_value(means: Sequence[float]) -> float:
    """Two-sided, of a mean of 0: the larger of the likelihood's (chi-square with one degree of freedom) and of the
    permutation test of signs, which is exact where differences lie evenly around 0."""
    from scipy.special import chdtrc

    if not any(means):
        return 1.0
    found = max(evidence_above(means, 0.0), evidence_below(means, 0.0))
    return max(float(chdtrc(1, 2 * found)), sign_flip(np.asarray(means, float)))


def rules_out(means: Sequence[float], margin: float) -> bool:
    """Whether a team that is better by `margin` over all cases of the kind is ruled out."""
    return evidence_below(means, margin) >= RULED_OUT


def ruled_out_above(means: Sequence[float]) -> float:
    """The smallest margin that is ruled out; where no case shows any difference, by the exact rule of three,
    1 - .05^(1/m)."""
    return _upper(means, RULED_OUT)


def fewest_for_worth(teams: int, alpha: float = 0.05) -> int:
    """How many cases at least any verdict for a team takes: below, no outcome is improbable enough by the signs alone,
    2^(1 - m), with Holm's correction over so many teams."""
    return max(FEWEST, 1 + math.floor(math.log2(max(1, teams) / alpha)) + 1)


def fewest_for_enough(margin: float) -> int:
    """How many cases at least "no team is better by `margin`" takes, if none shows any difference."""
    return max(FEWEST, math.ceil(RULED_OUT / -math.log1p(-margin)))


def _upper(means: Sequence[float], evidence: float) -> float:
    """The value from which on so much speaks for the mean being below it."""
    low, high = float(np.mean(means)), 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if evidence_below(means, middle) > evidence else (middle, high)
    return high


def _growth(gains: np.ndarray) -> float:
    """max over stakes from 0 to 1 of the sum of log(1 + stake x gain), gains of at least -1: concave in the stake."""
    if gains.sum() <= 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        stake = (low + high) / 2
        low, high = (stake, high) if float((gains / (1 + stake * gains)).sum()) > 0 else (low, stake)
    return float(np.log1p(low * gains).sum())


def evidence_in_rows(means: np.ndarray, value: float) -> np.ndarray:
    """`evidence_above` for many samples at once, one in each row."""
    gains = (means - value) / (1 + value)
    low, high = np.zeros(len(gains)), np.ones(len(gains))
    for _ in range(_HALVINGS):
        stakes = (low + high) / 2
        rising = (gains / (1 + stakes[:, None] * gains)).sum(axis=1) > 0
        low, high = np.where(rising, stakes, low), np.where(rising, high, stakes)
    return np.asarray(np.where(gains.sum(axis=1) > 0, np.log1p(low[:, None] * gains).sum(axis=1), 0.0))


def worth_in_rows(means: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Whether a team with these cases' means is beyond doubt better at level `alpha`, for many samples at once. With
    more cases than can be flipped in full, the likelihood is the stricter of the two tests."""
    from scipy.special import chdtri

    found = evidence_in_rows(means, 0.0) >= float(chdtri(1, alpha)) / 2
    if means.shape[1] <= EXACT:
        signs = [bool(found[n]) and sign_flip(row) < alpha for n, row in enumerate(means)]
        return np.array(signs)
    return found


def rules_out_in_rows(means: np.ndarray, margin: float) -> np.ndarray:
    """`rules_out` for many samples at once."""
    return evidence_in_rows(-means, -margin) >= RULED_OUT
