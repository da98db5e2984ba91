"""Runs of which nobody said whether they succeeded, such as traces of other frameworks, in what can be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from experiments.outcome import named
from experiments.words import count, money, tokens
from traces.kernel import Origin, least_certain
from traces.rows import RunRow

TEXT = "Success is unknown: no run was graded, so whether a team is worth it cannot be said; what each used can."


class UngradedTeam(Struct, frozen=True):
    """Means per run; `cost_usd` is None where a price is unknown, `tokens` where none were counted. `failed` counts
    runs that broke off with an error."""

    team: str
    engine: str
    runs: int
    cases: int
    failed: int
    tokens: float | None
    cost_usd: float | None
    latency_s: float
    latency_p95_s: float
    calls: float
    messages: float
    tokens_origin: Origin = "measured"

    @property
    def name(self) -> str:
        return named(self.team, self.engine)


def teams(rows: Sequence[RunRow], *, foreign: bool) -> list[UngradedTeam]:
    """Each team's runs, of traces of another framework; none where any run was graded, since then there is a verdict
    on those. A run of ours that has no grade is lost (missing.py)."""
    if not foreign or any(row.success is not None for row in rows):
        return []
    found: dict[tuple[str, str], list[RunRow]] = defaultdict(list)
    for row in rows:
        found[row.team, row.engine].append(row)
    return [_of(*key, runs) for key, runs in found.items()]


def _of(team: str, engine: str, runs: Sequence[RunRow]) -> UngradedTeam:
    n = len(runs)
    costs = [row.cost_usd for row in runs if row.cost_usd is not None]
    used = sum(row.tokens for row in runs)
    origin = least_certain(row.tokens_origin for row in runs)
    return UngradedTeam(
        team,
        engine,
        n,
        len({row.case_id for row in runs}),
        sum(row.status == "failed" for row in runs),
        used / n if used else None,
        sum(costs) / n if len(costs) == n else None,
        sum(row.latency_s for row in runs) / n,
        float(np.percentile([row.latency_s for row in runs], 95)),
        sum(row.calls for row in runs) / n,
        sum(row.messages for row in runs) / n,
        origin,
    )


def table(found: Sequence[UngradedTeam]) -> list[dict[str, str]]:
    """The same in words, a row a team."""
    return [
        {
            "team": one.name,
            "runs": f"{one.runs:,}",
            "cases": f"{one.cases:,}",
            "broke off": f"{one.failed:,}",
            "tokens": "unknown" if one.tokens is None else tokens(one.tokens, one.tokens_origin, count),
            "cost": money(one.cost_usd),
            "latency": f"{one.latency_s:.1f} s",
            "p95": f"{one.latency_p95_s:.1f} s",
            "model calls": f"{one.calls:.1f}",
            "messages": f"{one.messages:.1f}",
        }
        for one in found
    ]
