"""What the market knows of an agent: a Beta posterior on whether its deliveries are accepted, with forgetting."""

from __future__ import annotations

FORGET = 0.98
PRIOR = (4.0, 1.0)
"""Of an agent that nothing is known of: as of one that had 4 accepted and 1 not, so that newcomers get a chance."""


class Standing:
    """Reputations by (agent, skill). After each outcome the evidence so far counts FORGET times what it did, so that it
    is worth 1 / (1 - FORGET) outcomes at most (Josang and Ismail 2002, "The Beta Reputation System")."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}

    def mean(self, agent: str, skill: str) -> float:
        good, bad = self._seen.get((agent, skill), (0.0, 0.0))
        return (good + PRIOR[0]) / (good + bad + PRIOR[0] + PRIOR[1])

    def observe(self, agent: str, skill: str, accepted: bool) -> None:
        good, bad = self._seen.get((agent, skill), (0.0, 0.0))
        self._seen[agent, skill] = (FORGET * good + accepted, FORGET * bad + (not accepted))
