"""A comparison as one HTML file that loads nothing, and its runs as CSV."""

from __future__ import annotations

import csv as csvfile
import io
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from experiments import words
from experiments.outcome import Outcome, named
from experiments.verdict import TeamSummary, Verdict
from traces.rows import ExperimentRow

_TEMPLATE = Path(__file__).with_name("report.html.j2")
COLUMNS = ("run", "team", "engine", "model", "case", "trial", "success", "score", "status", "tokens", "cost_usd")
MORE = ("latency_s", "messages", "calls", "difficulty", "features", "simulated")


def page(row: ExperimentRow, outcomes: Sequence[Outcome], verdict: Verdict, teams: Sequence[TeamSummary]) -> str:
    """The verdict, what it rests on, and how to do it again. Every text is escaped."""
    return str(
        _template().render(
            row=row,
            model=row.plan.get("plan", {}).get("model", "unknown"),
            verdict=verdict,
            teams=teams,
            differences=verdict.differences,
            named=named,
            runs=len(outcomes),
            simulated=any(outcome.simulated for outcome in outcomes),
            money=words.money,
            seconds=words.seconds,
            made=time.strftime("%Y-%m-%d %H:%M"),
        )
    )


def csv(outcomes: Sequence[Outcome]) -> str:
    """One line a run; an unknown cost is empty."""
    text = io.StringIO()
    writer = csvfile.writer(text)
    writer.writerow([*COLUMNS, *MORE])
    for outcome in outcomes:
        writer.writerow([_cell(getattr(outcome, name)) for name in (*COLUMNS, *MORE)])
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
