"""A comparison as one HTML file that loads nothing, and its runs as CSV."""

from __future__ import annotations

import csv as csvfile
import io
import platform
import time
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments import words
from experiments.judging import missing
from experiments.judging.details import OnKind
from experiments.judging.judging import Judgement
from experiments.judging.summaries import TeamSummary
from experiments.judging.verdict import UNJUDGED
from experiments.outcome import Outcome, named
from experiments.plan import Plan, recorded_in
from traces.rows import ExperimentRow

_TEMPLATE = Path(__file__).with_name("report.html.j2")
COLUMNS = ("run", "team", "engine", "model", "case", "trial", "success", "score", "status", "tokens", "cost_usd")
MORE = ("latency_s", "messages", "calls", "difficulty", "features", "simulated", "error")


def page(row: ExperimentRow, found: Judgement) -> str:
    """The verdict, what it rests on, how it was come by, and how to do it again. Every text is escaped."""
    plan = recorded_in(row.plan) or Plan(row.scenario, model="unknown")
    return str(
        _template().render(
            row=row,
            plan=plan,
            found=found,
            verdict=found.verdict,
            teams=found.teams,
            detail=found.details,
            kinds=_by_kind(found),
            answered=words.answered,
            lost=missing.by_team(found.verdict.lost),
            in_total=missing.in_total(found.verdict.lost),
            again="" if row.plan.get("imported") else missing.once_more(row.id, found.verdict.lost),
            unjudged=UNJUDGED,
            costs=_costs(found.teams),
            named=named,
            money=words.money,
            seconds=words.seconds,
            rate=_rate,
            versions=_versions(),
            made=time.strftime("%Y-%m-%d %H:%M"),
        )
    )


def _by_kind(found: Judgement) -> dict[str, dict[str, OnKind]]:
    """Kind of case → team → how it did there."""
    table: dict[str, dict[str, OnKind]] = {}
    for one in found.details.kinds:
        table.setdefault(one.kind, {})[one.team] = one
    return table


def _costs(teams: Sequence[TeamSummary]) -> tuple[str, list[float]]:
    """What success is drawn against: dollars where all prices are known, else tokens."""
    dollars = [team.cost_usd for team in teams if team.cost_usd is not None]
    if len(dollars) == len(teams) and max(dollars, default=0) > 0:
        return "dollars per run", dollars
    return "tokens per run", [team.tokens for team in teams]


def _rate(value: float | None, digits: int = 1) -> str:
    return "unknown" if value is None else f"{100 * value:.{digits}f} %"


def _versions() -> dict[str, str]:
    """What the figures were made with."""
    names = ("headcount", "litellm", "lancedb", "duckdb", "autogen-agentchat", "crewai", "scipy")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def csv(outcomes: Sequence[Outcome]) -> str:
    """One line a run; an unknown cost is empty, and so are success and score of a run that gave no answer."""
    text = io.StringIO()
    writer = csvfile.writer(text)
    writer.writerow([*COLUMNS, *MORE])
    for outcome in outcomes:
        unknown = ("success", "score") if outcome.lost else ()
        writer.writerow(["" if name in unknown else _cell(getattr(outcome, name)) for name in (*COLUMNS, *MORE)])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return "" if value is None else value


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
