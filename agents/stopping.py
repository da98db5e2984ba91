"""Stop rules: when a team's rounds end. They compose with `|`: the first that is met ends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agents.settings import Stop


@dataclass(frozen=True)
class Standing:
    """How far a team is: rounds done, the share of its proposals that are equal, the share of the budget used (None
    where there is no token budget)."""

    rounds: int
    agreement: float = 0.0
    budget: float | None = None


@dataclass(frozen=True)
class Met:
    """A rule that was met: its kind, the value reached and the limit set."""

    kind: str
    value: float
    limit: float


class Rule(Protocol):
    def __call__(self, now: Standing) -> Met | None: ...


@dataclass(frozen=True)
class AtLeast:
    """Met when a number of the standing has reached the limit."""

    kind: str
    limit: float
    value: Callable[[Standing], float | None]

    def __call__(self, now: Standing) -> Met | None:
        value = self.value(now)
        return Met(self.kind, value, self.limit) if value is not None and value >= self.limit else None

    def __or__(self, other: Rule) -> AnyOf:
        return AnyOf((self, other))


@dataclass(frozen=True)
class AnyOf:
    """The first of these that is met, in their order."""

    rules: tuple[Rule, ...]

    def __call__(self, now: Standing) -> Met | None:
        return next((met for rule in self.rules if (met := rule(now)) is not None), None)

    def __or__(self, other: Rule) -> AnyOf:
        return AnyOf((*self.rules, other))


def max_rounds(limit: int) -> AtLeast:
    return AtLeast("max_rounds", limit, lambda now: now.rounds)


def agreement(limit: float) -> AtLeast:
    return AtLeast("agreement", limit, lambda now: now.agreement)


def budget(limit: float) -> AtLeast:
    return AtLeast("budget", limit, lambda now: now.budget)


def rule(stop: Stop, rounds: int) -> AnyOf:
    """The rule that a team's settings ask for, with `rounds` where they give no number. Agreement comes first, so that
    a team that agrees in its last round is said to have agreed."""
    rules: list[Rule] = []
    if stop.agreement is not None:
        rules.append(agreement(stop.agreement))
    if stop.budget is not None:
        rules.append(budget(stop.budget))
    return AnyOf((*rules, max_rounds(stop.max_rounds or rounds)))
