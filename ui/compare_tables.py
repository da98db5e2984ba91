"""The tables of the Compare page."""

from __future__ import annotations

import streamlit as st

from experiments import ungraded, words
from experiments.outcome import Outcome
from experiments.verdict import groups
from traces.rows import ExperimentRow
from ui import shared
from ui.compared import Compared


def teams(found: Compared) -> None:
    clock = "simulated" if found.simulated else "measured"
    shared.table(
        [
            {
                "team": s.name,
                "runs": f"{s.trials:,}",
                "success": f"{s.success:.1%}",
                "95 % interval": f"{s.ci_low:.1%} to {s.ci_high:.1%}",
                "tokens / run": f"{s.tokens:,.0f}",
                "cost / run": words.money(s.cost_usd),
                "cost / success": words.money(s.cost_per_success_usd),
                "latency, mean": words.seconds(s.latency_s),
                "latency, p95": words.seconds(s.latency_p95_s),
                "messages / run": f"{s.messages:.1f}",
                "out of budget": f"{s.limited:.1%}",
                "failed": f"{s.failed:.1%}",
            }
            for s in found.summaries
        ],
        caption=f"Every team in figures (tokens, cost and latency {clock})",
    )


def ungraded_teams(row: ExperimentRow) -> bool:
    """What can be told where no run was graded; False where none is over."""
    found = ungraded.teams(shared.store().team_rows(row.id))
    if found:
        st.subheader(ungraded.TEXT, anchor=False)
        shared.table(ungraded.table(found), caption="Every team in figures (means per run)")
    return bool(found)


def overhead(found: Compared) -> None:
    """What working together takes (Kim et al. 2025): model calls beyond one agent's, messages for each call, and
    successes for each 1,000 tokens."""
    st.subheader("What working together takes", anchor=False)
    by_team = {group[0].name: group for group in groups(found.outcomes).values()}
    alone = next((_calls(group) for group in by_team.values() if group[0].team == "solo"), None)
    shared.table(
        [
            {
                "team": name,
                "model calls / run": f"{_calls(group):.1f}",
                "overhead": f"{_calls(group) / alone - 1:+.0%}" if alone else "unknown",
                "messages / call": f"{sum(o.messages for o in group) / max(1, sum(o.calls for o in group)):.2f}",
                "successes / 1,000 tokens": f"{_yield(group):.3f}",
            }
            for name, group in by_team.items()
        ],
        caption="Overhead: model calls beyond those of one agent",
    )


def _calls(outcomes: list[Outcome]) -> float:
    return sum(o.calls for o in outcomes) / len(outcomes)


def _yield(outcomes: list[Outcome]) -> float:
    return 1000 * sum(o.success for o in outcomes) / max(1, sum(o.tokens for o in outcomes))
