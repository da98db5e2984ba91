"""The tables of the Compare page."""

from __future__ import annotations

import streamlit as st

from experiments import words
from experiments.judging import details, judging, ungraded
from experiments.judging.judged import is_foreign
from experiments.judging.measures import TeamMeasures
from experiments.judging.missing import answered
from experiments.judging.summaries import groups
from experiments.outcome import Outcome, named
from traces import home
from traces.rows import ExperimentRow
from ui import shared
from ui.compared import Compared


def teams(found: Compared) -> None:
    clock = "simulated" if found.simulated else "measured"
    waited = any(s.waited_s for s in found.summaries)
    shared.table(
        [
            {
                "team": s.name,
                "runs": words.answered(s.trials, s.lost),
                "success": f"{s.success:.1%}",
                "95 % interval": f"{s.ci_low:.1%} to {s.ci_high:.1%}",
                "tokens / run": words.tokens(s.tokens, s.tokens_origin),
                "cost / run": words.money(s.cost_usd),
                "cost / success": words.money(s.cost_per_success_usd),
                "latency, mean": words.seconds(s.latency_s),
                "latency, p95": words.seconds(s.latency_p95_s),
                **({"waiting for a person": words.seconds(s.waited_s)} if waited else {}),
                "messages / run": f"{s.messages:.1f}",
                "ended by a limit": f"{s.limited:.1%}",
                "no result": f"{s.failed:.1%}",
            }
            for s in found.summaries
        ],
        caption=f"Every team in figures (tokens, cost and latency {clock}{_only(found)})",
    )


def _only(found: Compared) -> str:
    return "; of the runs with a result" if found.verdict.lost else ""


def ungraded_teams(row: ExperimentRow) -> bool:
    """What can be told where no run was graded; False where none is over."""
    found = ungraded.teams(shared.store().team_rows(row.id), foreign=is_foreign(row.plan))
    if found:
        st.header(ungraded.TEXT, anchor=False)
        shared.table(ungraded.table(found), caption="Every team in figures (means per run)")
    return bool(found)


def endings(row: ExperimentRow, found: Compared) -> None:
    """What ended the runs of each team, and what each run could use."""
    shared.table(
        [
            {"team": one.team, "ended by": ", ".join(f"{how} {share:.1%}" for how, share in one.shares.items())}
            for one in found.endings
        ],
        caption="How runs ended; stop rules have their names of the team's file (docs/teams.md)",
    )
    budget = details.budget_of(home.find_experiment(row.id))
    st.caption(shared.plain(f"Every run of every team could use the same: {budget}."))


def working_together(row: ExperimentRow) -> None:
    """The measures that take a look at every event, when they are asked for."""
    if row.state in shared.UNDER_WAY or not st.toggle(
        "Coordination, redundancy, error amplification, reviews", help="Reads every event: some seconds for many runs."
    ):
        return
    found = _measures(row.id, row.updated, str(home.home()))
    shared.table(
        [
            {
                "team": named(one.team, one.engine),
                "coordination": _share(one.coordination),
                "redundancy": _share(one.redundancy),
                "error amplification": "unknown"
                if one.error_amplification is None
                else f"{one.error_amplification:.2f}",
                "wrong work caught": _share(one.catch_rate),
                "right work sent back": _share(one.false_alarm_rate),
                "own errors caught": _share(one.own_catch_rate),
            }
            for one in found
        ],
        caption="Coordination: tokens not spent on the work itself. Redundancy: tool calls made before in the run. "
        "Error amplification: failed runs over one agent's. docs/verdict.md has the rest.",
    )


@st.cache_data(show_spinner="Reading every event", max_entries=8)
def _measures(experiment: str, updated: float | None, base: str) -> list[TeamMeasures]:
    """`updated` and `base` make it be read anew."""
    return judging.again(experiment).measures


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def overhead(found: Compared) -> None:
    """What working together takes (Kim et al. 2025): model calls beyond one agent's, messages for each call, and
    successes for each 1,000 tokens."""
    st.header("What working together takes", anchor=False)
    by_team = {group[0].name: group for group in groups(answered(found.outcomes)).values()}
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
