"""How hard a case and its steps are for a model: what its clones, retries, voters and reviewers share.

    logit P(step j of case i goes wrong) = C_i + D_ij - b        C ~ N(0, case * s^2),  D ~ N(0, (1 - case) * s^2)

C and D are drawn for (seed, case, step, model), never for an agent, a trial or a message, so that whoever asks the same
model has the same blind spots; in part they are drawn for the model's family and for every model. b is solved so that
the error rate over all cases is the profile's: E[P] = e. Random effects on the logit scale: McCulloch & Searle 2001,
"Generalized, Linear, and Mixed Models".
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from traces.streams import stream

if TYPE_CHECKING:
    from agents.models.simulated.profile import Profile

NOISE = math.pi**2 / 3
"""The variance of the logistic distribution: what is drawn anew at each try."""
_ALL = ("all models",)


class Difficulty:
    """That of a case's steps for a profile's model. Any text names a step: "plan" is the planning of the case."""

    def __init__(self, profile: Profile, seed: int, case: str) -> None:
        shared = profile.correlation
        self.spread = spread(shared.clones)
        self._case, self._step = math.sqrt(shared.case), math.sqrt(1 - shared.case)
        self._parts = (
            (_ALL, math.sqrt(shared.others)),
            (("family", profile.family or profile.weights), math.sqrt(shared.family - shared.others)),
            (("model", profile.weights), math.sqrt(1 - shared.family)),
        )
        self._seed, self._name = seed, case
        self._known: dict[str, float] = {}

    def at(self, step: str) -> float:
        """In logits; 0 is the middle, 1 makes the odds of an error e times as high."""
        found = self._known.get(step)
        if found is None:
            found = self._case * self._drawn("case") + self._step * self._drawn("step", step)
            found = self._known[step] = self.spread * found
        return found

    def error(self, rate: float, step: str) -> float:
        """The probability of an error here, of one that has the probability `rate` over all cases."""
        if self.spread == 0 or not 0 < rate < 1:
            return rate
        return _logistic(self.at(step) - _level(self.spread, rate))

    def notices(self, chance: float, step: str, rate: float) -> float:
        """The probability that it sees an error at this step. Over all such errors of its clones, which err with `rate`
        and most where the step is hard, it is `chance`; where the step is hard for it, it is less."""
        if self.spread == 0 or not (0 < chance < 1 and 0 < rate < 1):
            return chance
        tilt = round(_level(self.spread, rate), 1)
        return _logistic(_level(self.spread, 1 - chance, tilt) - self.at(step))

    def _drawn(self, *what: str) -> float:
        """A standard normal number, in part the same for other models."""
        return sum(weight * _normal(self._seed, self._name, *what, *whose) for whose, weight in self._parts if weight)


def spread(correlation: float) -> float:
    """The standard deviation in logits with which two tries have this correlation on the logit scale: s^2 / (s^2 +
    pi^2 / 3), the intraclass correlation of a logistic model with random effects (Snijders & Bosker 2012)."""
    return math.sqrt(NOISE * correlation / (1 - correlation))


@lru_cache(maxsize=65536)
def _normal(seed: int, *names: str) -> float:
    return stream(seed, "difficulty", *names).gauss(0, 1)


@lru_cache(maxsize=65536)
def _level(sd: float, rate: float, tilt: float | None = None) -> float:
    """b: how far the middle difficulty is from an even chance where the mean rate is `rate`: the mean over all cases,
    or with `tilt` over those in which an error of that level was made."""
    logits, levels = _levels(sd, tilt)
    x = math.log(rate / (1 - rate))
    i = min(max(1, bisect_left(logits, x)), len(logits) - 1)
    share = (x - logits[i - 1]) / (logits[i] - logits[i - 1])
    return levels[i - 1] + share * (levels[i] - levels[i - 1])


@cache
def _levels(sd: float, tilt: float | None) -> tuple[list[float], list[float]]:
    """The logit of the mean error rate for levels b, rising: a table to look b up in."""
    end = 16 + 6 * sd
    levels = [end - 2 * end * i / 400 for i in range(401)]
    difficulties = [sd * (-8 + i / 10) for i in range(161)]
    weights = [math.exp(-((-8 + i / 10) ** 2) / 2) for i in range(161)]
    if tilt is not None:
        weights = [w * _logistic(x - tilt) for w, x in zip(weights, difficulties, strict=True)]
    total = sum(weights)
    logits = []
    for level in levels:
        rate = sum(w * _logistic(x - level) for w, x in zip(weights, difficulties, strict=True)) / total
        logits.append(math.log(rate / (1 - rate)))
    return logits, levels


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
