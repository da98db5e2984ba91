"""What each team comes to: success with its interval, and means per run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from experiments.judging.missing import answered
from experiments.judging.statistics import success_interval
from experiments.outcome import Outcome, named
from traces.kernel import Origin, least_certain


class TeamSummary(Struct, frozen=True):
    """One team on one engine. All but `lost` and `failed` is of the `trials` that gave an answer: `tokens`, `cost_usd`,
    `latency_s` and `messages` are means per run; `cost_usd` is None where a price is unknown; `limited` is the share of
    runs that a limit ended. `lost` counts the runs that gave none (they broke off), `failed` is their share of all."""

    team: str
    engine: str
    model: str
    trials: int
    success: float
    ci_low: float
    ci_high: float
    tokens: float
    cost_usd: float | None
    latency_s: float
    latency_p95_s: float
    messages: float
    cost_per_success_usd: float | None
    limited: float
    failed: float
    tokens_origin: Origin = "measured"
    waited_s: float = 0.0
    lost: int = 0

    @property
    def name(self) -> str:
        return named(self.team, self.engine)


def groups(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    """(team, engine) → its outcomes, in order of first appearance by run number."""
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda o: o.run):
        found[outcome.group].append(outcome)
    return found


def summarise(outcomes: Sequence[Outcome]) -> list[TeamSummary]:
    """Every team that gave an answer in a run."""
    return [_summary(group) for group in groups(outcomes).values() if answered(group)]


def _summary(begun: Sequence[Outcome]) -> TeamSummary:
    outcomes = answered(begun)
    first, n = outcomes[0], len(outcomes)
    lost = len(begun) - n
    interval = success_interval(outcomes)
    costs = [o.cost_usd for o in outcomes if o.cost_usd is not None]
    cost = sum(costs) / n if len(costs) == n else None
    won = sum(o.success for o in outcomes)
    return TeamSummary(
        team=first.team,
        engine=first.engine,
        model=first.model,
        trials=n,
        success=interval.value,
        ci_low=interval.low,
        ci_high=interval.high,
        tokens=sum(o.tokens for o in outcomes) / n,
        cost_usd=cost,
        latency_s=sum(o.latency_s for o in outcomes) / n,
        latency_p95_s=float(np.percentile([o.latency_s for o in outcomes], 95)),
        messages=sum(o.messages for o in outcomes) / n,
        cost_per_success_usd=cost * n / won if cost is not None and won else None,
        limited=sum(o.status == "limited" for o in outcomes) / n,
        tokens_origin=least_certain(o.tokens_origin for o in outcomes),
        waited_s=sum(o.waited_s for o in outcomes) / n,
        failed=lost / len(begun),
        lost=lost,
    )
