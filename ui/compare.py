"""Compare: the verdict, and what it rests on."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from agents import table
from experiments import words
from experiments.outcome import Outcome
from experiments.statistics import success_interval
from experiments.verdict import TeamSummary, groups, judge, summarise
from traces.rows import ExperimentRow
from ui import shared, style

PAGE = 50


def page() -> None:
    st.title("Compare")
    row = shared.choose_experiment()
    if row is None:
        return
    outcomes = [o for o in map(Outcome.of_row, shared.store().team_rows(row.id)) if o is not None]
    if not outcomes:
        st.info("No run of this experiment is finished yet.")
        shared.link("live", "Watch it", experiment=row.id)
        return
    _verdict(row, outcomes)
    summaries = summarise(outcomes)
    _table(summaries, shared.is_simulated(row))
    left, right = st.columns(2)
    with left:
        st.subheader("Success, with 95 % interval")
        st.altair_chart(_intervals(summaries), theme=None)
    with right:
        st.subheader("Cost against success")
        _scatter(summaries)
    _by_difficulty(outcomes)
    _runs(row)


def _verdict(row: ExperimentRow, outcomes: list[Outcome]) -> None:
    verdict = judge(outcomes)
    with st.container(border=True):
        st.markdown(f"### {verdict.text.replace('$', '&#36;')}")
        st.caption(verdict.reason)
        with st.container(horizontal=True, vertical_alignment="center"):
            shared.badge(shared.is_simulated(row))
            st.caption(f"{len(outcomes):,} of {row.total:,} runs · {row.state} · {row.command}")


def _table(summaries: list[TeamSummary], simulated: bool) -> None:
    clock = "simulated" if simulated else "measured"
    rows = [
        {
            "team": s.name,
            "runs": s.trials,
            "success": f"{s.success:.1%}",
            "95 % interval": f"{s.ci_low:.1%} to {s.ci_high:.1%}",
            "tokens / run": f"{s.tokens:,.0f}",
            "cost / run": words.money(s.cost_usd),
            "cost / success": words.money(s.cost_per_success_usd),
            f"latency, mean ({clock})": words.seconds(s.latency_s),
            f"latency, p95 ({clock})": words.seconds(s.latency_p95_s),
            "messages / run": f"{s.messages:.1f}",
            "out of budget": f"{s.limited:.1%}",
            "failed": f"{s.failed:.1%}",
        }
        for s in summaries
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _frame(summaries: list[TeamSummary]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "team": s.name,
                "success": s.success,
                "low": s.ci_low,
                "high": s.ci_high,
                "cost": s.cost_usd,
                "cost per run": words.money(s.cost_usd),
            }
            for s in summaries
        ]
    )


def _scale(frame: pd.DataFrame) -> alt.Scale:
    return alt.Scale(domain=list(frame["team"]), range=style.COLOURS[: len(frame)])


def _themed(chart: alt.LayerChart) -> alt.LayerChart:
    """One grey that reads on light and on dark."""
    grey = "#8a8a8a"
    return (
        chart.configure(background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelColor=grey, titleColor=grey, gridColor="#8a8a8a33", domainColor=grey, tickColor=grey)
        .configure_legend(labelColor=grey, titleColor=grey)
    )


def _intervals(summaries: list[TeamSummary]) -> alt.LayerChart:
    frame = _frame(summaries)
    colour = alt.Color("team:N", scale=_scale(frame), legend=None)
    axis = alt.X("low:Q", title="success rate", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(frame).encode(y=alt.Y("team:N", title=None, sort=None), color=colour)
    tooltip = [
        "team",
        alt.Tooltip("success:Q", format=".1%"),
        alt.Tooltip("low:Q", format=".1%"),
        alt.Tooltip("high:Q", format=".1%"),
    ]
    bars = base.mark_rule(strokeWidth=3).encode(x=axis, x2="high:Q", tooltip=tooltip)
    points = base.mark_point(filled=True, size=120, opacity=1).encode(x="success:Q", tooltip=tooltip)
    return _themed((bars + points).properties(height=60 + 40 * len(frame), width="container"))


def _scatter(summaries: list[TeamSummary]) -> None:
    frame = _frame(summaries)
    if frame["cost"].isna().any():
        st.info("The price of this model is unknown, so there is no cost to compare.")
        return
    colour = alt.Color("team:N", scale=_scale(frame), legend=alt.Legend(orient="top", title=None))
    base = alt.Chart(frame).encode(
        x=alt.X("cost:Q", title="dollars per run", axis=alt.Axis(format="$.2~g")), color=colour
    )
    y_axis = alt.Y("low:Q", title="success rate", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False, nice=True))
    tooltip = ["team", "cost per run", alt.Tooltip("success:Q", format=".1%")]
    bars = base.mark_rule(strokeWidth=2).encode(y=y_axis, y2="high:Q")
    points = base.mark_point(filled=True, size=160, opacity=1).encode(y="success:Q", tooltip=tooltip)
    st.altair_chart(_themed((bars + points).properties(height=260, width="container")), theme=None)


def _by_difficulty(outcomes: list[Outcome]) -> None:
    levels = [level for level in ("easy", "medium", "hard") if any(o.difficulty == level for o in outcomes)]
    if not levels:
        return
    st.subheader("By difficulty of the case")
    rows = [
        {"team": group[0].name, **{level: _rate([o for o in group if o.difficulty == level]) for level in levels}}
        for group in groups(outcomes).values()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _rate(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "none"
    interval = success_interval(outcomes)
    return f"{interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%}; {len(outcomes):,} runs)"


def _runs(row: ExperimentRow) -> None:
    """The runs behind the figures, a window at a time."""
    st.subheader("Runs")
    store = shared.store()
    plan = row.plan.get("plan", {})
    first, second, third, fourth = st.columns(4)
    team = first.selectbox("Team", ["all", *map(table.name_of, plan.get("teams", []))], key="runs_team")
    outcome = second.selectbox("Outcome", ["all", "success", "failure"], key="runs_outcome")
    case = third.text_input("Case", key="runs_case", placeholder="all")
    by_team, by_case = None if team == "all" else str(team), case or None
    won = None if outcome == "all" else outcome == "success"
    total = store.count_runs(row.id, team=by_team, case=by_case, success=won)
    pages = max(1, -(-total // PAGE))
    number = int(fourth.number_input(f"Page of {pages:,}", 1, pages, 1, key="runs_page"))
    offset = (number - 1) * PAGE
    found = store.runs(row.id, team=by_team, case=by_case, success=won, limit=PAGE, offset=offset)
    st.caption(f"{len(found):,} of {total:,} runs shown")
    if found:
        shown = pd.DataFrame(
            [
                {
                    "run": r.run,
                    "case": r.case_id,
                    "team": r.team,
                    "trial": r.trial,
                    "status": r.status,
                    "outcome": {True: "success", False: "failure", None: "not graded"}[r.success],
                    "score": r.score,
                    "tokens": r.tokens,
                    "cost": words.money(r.cost_usd),
                    "latency": words.seconds(r.latency_s),
                    "messages": r.messages,
                    "replay": f"/replay?experiment={row.id}&run={r.run}",
                }
                for r in found
            ]
        )
        config = {"replay": st.column_config.LinkColumn("replay", display_text="open")}
        st.dataframe(shown, hide_index=True, column_config=config)
