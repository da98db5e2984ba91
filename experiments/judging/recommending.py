"""Which team to take under limits on cost, time and success: the verdict, once more, among those that fit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from experiments import words
from experiments.judging.summaries import TeamSummary
from experiments.judging.verdict import UNJUDGED, Verdict


class Limits(Struct, frozen=True):
    """None is no limit. `success` is a rate that the estimate has to reach."""

    cost_usd: float | None = None
    latency_s: float | None = None
    success: float = 0.0


class Advice(Struct, frozen=True):
    """`team` is empty where none fits; `excluded` says why others are out."""

    team: str
    why: str
    excluded: dict[str, str]


def recommend(verdict: Verdict, teams: Sequence[TeamSummary], limits: Limits, baseline: str = "solo") -> Advice:
    """The simplest team that fits and that nothing beats beyond doubt: one agent, unless a team that fits too is
    better beyond doubt (Holm-adjusted p < 0.05, interval above 0); where one agent does not fit, the cheapest of
    those that do. None where too many runs gave no answer for a verdict."""
    if verdict.kind in UNJUDGED:
        return Advice("", verdict.text, {})
    excluded = {team.name: why for team in teams if (why := _out(team, limits))}
    fit = [team for team in teams if team.name not in excluded]
    if not fit:
        return Advice("", "No team keeps to these limits. Loosen one, or try another model.", excluded)
    better = {c.name: c.shown.value for c in verdict.differences if c.better and c.shown is not None}
    winners = [team for team in fit if team.name in better]
    alone = next((team for team in fit if team.team == baseline), None)
    if winners:
        best = max(winners, key=lambda team: better[team.name])
        return Advice(
            best.name,
            f"better than one agent by {100 * better[best.name]:.1f} points, beyond doubt{_where(verdict, best)}",
            excluded,
        )
    if alone is not None:
        return Advice(alone.name, "one agent fits, and no team that fits is better beyond doubt", excluded)
    cheapest = min(fit, key=lambda team: (team.cost_usd is None, team.cost_usd or team.tokens))
    return Advice(cheapest.name, "the cheapest of those that fit; one agent alone does not fit", excluded)


def _where(verdict: Verdict, best: TeamSummary) -> str:
    """On what: nothing to add where it holds for cases like these."""
    found = next(c for c in verdict.differences if c.name == best.name)
    return "" if found.like_these is not None and found.like_these.better else " on these cases"


def _out(team: TeamSummary, limits: Limits) -> str:
    if limits.cost_usd is not None and (team.cost_usd is None or team.cost_usd > limits.cost_usd):
        return f"{words.money(team.cost_usd)} per run"
    if limits.latency_s is not None and team.latency_s > limits.latency_s:
        return f"{words.seconds(team.latency_s)} per run"
    if team.success < limits.success:
        return f"succeeds in {team.success:.1%} of runs"
    return ""
