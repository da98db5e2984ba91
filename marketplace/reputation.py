"""Reputation: what is thought of an agent in a skill, from what became of its deliveries."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType

from traces.kernel import Event, ReputationChanged

FORGET = 0.98
PRIOR = (4.0, 1.0)
"""Of an agent that nothing is known of: as of one that had 4 accepted and 1 not, so that newcomers get a chance."""
_NOTHING = (0.0, 0.0)


class Reputation:
    """A Beta posterior for each (agent, skill) on the probability that a delivery is accepted.

    After each outcome the evidence so far counts `forget` times what it did, so that it is worth 1 / (1 - forget)
    outcomes at most and an agent that has changed is seen anew (Josang and Ismail 2002, "The Beta Reputation System",
    section 3.3: the forgetting factor; r and s there are the good and the bad evidence here). The prior never fades.
    Takes a fixed time an outcome, however many agents there are.
    """

    def __init__(
        self,
        record: Callable[[Event], object] | None = None,
        *,
        forget: float = FORGET,
        prior: tuple[float, float] = PRIOR,
        known: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType({}),
    ) -> None:
        """`known`: what was earned before, as (good, bad) evidence by agent and skill."""
        self._record, self._forget, self._prior = record, forget, prior
        self._seen: defaultdict[str, dict[str, tuple[float, float]]] = defaultdict(dict)  # by skill and agent
        for agent, skills in known.items():
            for skill, evidence in skills.items():
                self._seen[skill][agent] = evidence

    def observe(self, agent: str, skill: str, accepted: bool) -> float:
        """A delivery was accepted, or it was not or never came; the mean thereafter."""
        seen = self._seen[skill]
        good, bad = seen.get(agent, _NOTHING)
        seen[agent] = (self._forget * good + accepted, self._forget * bad + (not accepted))
        mean = self.mean(agent, skill)
        if self._record is not None:
            deviation = round(self.deviation(agent, skill), 6)
            self._record(ReputationChanged(agent, skill, accepted, round(mean, 6), deviation))
        return mean

    def mean(self, agent: str, skill: str) -> float:
        """The expected probability that the next delivery is accepted."""
        good, bad = self._seen[skill].get(agent, _NOTHING)
        alpha, beta = self._prior
        return (good + alpha) / ((good + alpha) + (bad + beta))

    def deviation(self, agent: str, skill: str) -> float:
        """The standard deviation of that probability: large while little is known."""
        alpha, beta = self.posterior(agent, skill)
        total = alpha + beta
        return sqrt(alpha * beta / (total * total * (total + 1)))

    def interval(self, agent: str, skill: str, level: float = 0.95) -> tuple[float, float]:
        """The central credible interval of that probability."""
        return credible(*self.posterior(agent, skill), level)

    def sample(self, agent: str, skill: str, draw: random.Random) -> float:
        """A draw from the posterior. Ranking agents by draws in the place of means explores newcomers just as often as
        they may be the best (Thompson 1933, "On the Likelihood that One Unknown Probability Exceeds Another")."""
        return draw.betavariate(*self.posterior(agent, skill))

    @property
    def known(self) -> dict[str, dict[str, tuple[float, float]]]:
        """All evidence, in the form in which another market starts with it."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for skill in sorted(self._seen):
            for agent, evidence in self._seen[skill].items():
                found.setdefault(agent, {})[skill] = evidence
        return dict(sorted(found.items()))

    def posterior(self, agent: str, skill: str) -> tuple[float, float]:
        """(alpha, beta) of the Beta distribution."""
        good, bad = self._seen[skill].get(agent, _NOTHING)
        return good + self._prior[0], bad + self._prior[1]


def thompson(reputation: Reputation, draw: random.Random) -> Callable[[str, str], float]:
    """`Terms.reputation` by Thompson sampling. One round of bids sees one draw for each agent and skill: make a new one
    for each round."""
    drawn: dict[tuple[str, str], float] = {}

    def of(agent: str, skill: str) -> float:
        if (agent, skill) not in drawn:
            drawn[agent, skill] = reputation.sample(agent, skill, draw)
        return drawn[agent, skill]

    return of


def credible(alpha: float, beta: float, level: float = 0.95) -> tuple[float, float]:
    """The central credible interval of a probability that is known as Beta(alpha, beta)."""
    from scipy.special import betaincinv

    low, high = betaincinv(alpha, beta, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
