"""A team and the one it is compared with, trial by trial on the same cases and seeds."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Case(Struct, frozen=True):
    """A case's trials that both did: the success of the team and of the baseline, trial by trial (1 or 0)."""

    team: list[int]
    base: list[int]

    @property
    def differences(self) -> list[int]:
        return [one - other for one, other in zip(self.team, self.base, strict=True)]

    @property
    def mean(self) -> float:
        """The team's success rate minus the baseline's."""
        return (sum(self.team) - sum(self.base)) / len(self.team)


Paired = Mapping[str, Case]
"""Case → its trials that both did."""


def rates(cases: Paired) -> tuple[float, float]:
    """The success of the team and of the baseline over these cases, each case counting alike."""
    found = [(sum(case.team) / len(case.team), sum(case.base) / len(case.base)) for case in cases.values()]
    return sum(team for team, _ in found) / len(found), sum(base for _, base in found) / len(found)


def pairs(cases: Paired) -> int:
    """How many trials both did."""
    return sum(len(case.team) for case in cases.values())
