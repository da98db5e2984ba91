"""The charts of the Compare page. Each mark leads to the runs behind it: a click narrows the table of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from experiments import words
from experiments.failures.autopsy import short
from experiments.judging.answering import Compared as Against
from experiments.judging.details import kinds_of
from experiments.judging.missing import answered
from experiments.judging.statistics import success_interval
from experiments.judging.summaries import groups
from experiments.outcome import Outcome
from traces.errors import InputError
from traces.rows import ExperimentRow
from ui import compare_runs, shared, style
from ui.compared import Compared

PERCENT = alt.Axis(format="%")
CLICK = "A click on a mark shows its runs in the table below."


def success(found: Compared) -> None:
    st.header("Success, with 95 % interval", anchor=False)
    frame = _frame(found)
    base = alt.Chart(frame).encode(
        y=alt.Y("team:N", title=None, sort=None), color=alt.Color("team:N", scale=_colours(found), legend=None)
    )
    tooltip = ["team", "runs", _rate("success"), _rate("low"), _rate("high")]
    whole = alt.Scale(domain=[0, 1])
    rules = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title="success rate", axis=PERCENT, scale=whole), x2="high:Q", tooltip=tooltip
    )
    points = base.mark_point(filled=True, size=140, opacity=1).encode(
        x=alt.X("success:Q", scale=whole), shape=_shapes(found), tooltip=tooltip
    )
    said = "; ".join(f"{s.name} {s.success:.0%} ({s.ci_low:.0%} to {s.ci_high:.0%})" for s in found.summaries)
    _clickable(points, [rules], f"Success rate of each team with its interval: {said}", "success", 50 + 42 * len(frame))


def pareto(found: Compared) -> None:
    """Success against what it costs; the line joins the teams that none beats on both."""
    st.header("What success costs", anchor=False)
    ways = {"dollars per run": "cost", "seconds per run": "latency", "tokens per run": "tokens"}
    if any(s.cost_usd is None for s in found.summaries):
        st.caption("The price of this model is unknown.")
        ways.pop("dollars per run")
    way = st.segmented_control(
        "Against", list(ways), default=next(iter(ways)), key="pareto", label_visibility="collapsed"
    )
    title = str(way or next(iter(ways)))
    field = ways[title]
    frame = _frame(found)
    front = frame[[not _beaten(frame, i, field) for i in range(len(frame))]].sort_values(field)
    y = alt.Y("low:Q", title="success rate", axis=PERCENT, scale=alt.Scale(zero=False, nice=True))
    axis = alt.Axis(format="$.3~g") if field == "cost" else alt.Axis()
    x = alt.X(
        f"{field}:Q",
        axis=axis,
        title=title + (" (simulated)" if found.simulated else ""),
        scale=alt.Scale(zero=False, nice=True),
    )
    tooltip = ["team", _rate("success"), "cost per run", "latency per run", alt.Tooltip("tokens:Q", format=",.0f")]
    colour = alt.Color("team:N", scale=_colours(found), legend=alt.Legend(orient="top", title=None))
    line = alt.Chart(front).mark_line(color=style.MUTED, strokeDash=[4, 4]).encode(x=x, y=alt.Y("success:Q"))
    rules = alt.Chart(frame).mark_rule(strokeWidth=2).encode(x=x, y=y, y2="high:Q", color=colour)
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=170, opacity=1)
        .encode(x=x, y="success:Q", color=colour, shape=_shapes(found), tooltip=tooltip)
    )
    on_front = ", ".join(front["team"])
    _clickable(
        points, [line, rules], f"Success against {title}. No team beats these on both: {on_front}", "pareto", 250
    )
    st.caption(f"Dashed: the Pareto front. No team is both better and cheaper than {shared.plain(on_front)}.")


def _beaten(frame: pd.DataFrame, index: int, field: str) -> bool:
    own = frame.iloc[index]
    better = (frame["success"] >= own["success"]) & (frame[field] <= own[field])
    strictly = (frame["success"] > own["success"]) | (frame[field] < own[field])
    return bool((better & strictly).any())


def differences(found: Compared) -> None:
    """Each team against the baseline, paired by case and seed: on these cases, and on cases like these."""
    compared = found.verdict.differences
    if not compared:
        return
    st.header("Against one agent, case by case", anchor=False)
    frame = pd.DataFrame([_against(c) for c in compared])
    y = alt.Y("team:N", title=None, sort=None)
    axis = alt.Axis(labelExpr="format(100 * datum.value, '+~r')")
    ranges = [_change(field) for field in ("low", "high", "likely low", "likely high")]
    tooltip = ["team", _change("difference"), *ranges, "p (Holm)", "p, like these", "cases", "pairs"]
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=style.MUTED, strokeDash=[3, 3]).encode(x="zero:Q")
    colour = alt.Color("team:N", scale=_colours(found), legend=None)
    title = "success rate minus one agent's, in points"
    intervals = [  # a layer without a mark would be an image that screen readers cannot name
        alt.Chart(frame[frame[low].notna()])
        .mark_rule(strokeWidth=width)
        .encode(x=alt.X(f"{low}:Q", title=title, axis=axis), x2=f"{high}:Q", y=y, color=colour)
        for low, high, width in (("low", "high", 5), ("likely low", "likely high", 2))
        if frame[low].notna().any()
    ]
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=140, opacity=1)
        .encode(x="difference:Q", y=y, color=colour, shape=_shapes(found), tooltip=tooltip)
    )
    said = "; ".join(_in_points(row) for row in frame.to_dict("records"))
    text = f"Paired differences in success: {said}"
    _clickable(points, [zero, *reversed(intervals)], text, "differences", 50 + 42 * len(frame))
    st.caption(
        f"{said}. Pairs are runs of the same case and trial; right of 0 the team is better. Thick: the 95 % interval "
        "for these cases; thin: for cases like these, of which these are a sample."
    )


def _against(compared: Against) -> dict[str, Any]:
    these, like, shown = compared.these, compared.like_these, compared.shown
    assert shown is not None
    return {
        "team": compared.name,
        "difference": shown.value,
        "low": these.low if these else None,
        "high": these.high if these else None,
        "p (Holm)": f"{these.p_adjusted:.3f}" if these else "-",
        "likely low": like.low if like else None,
        "likely high": like.high if like else None,
        "p, like these": f"{like.p_adjusted:.3f}" if like else "-",
        "cases": shown.cases,
        "pairs": shown.pairs,
    }


def _in_points(row: Mapping[Any, Any]) -> str:
    both = ((row["low"], row["high"], "on these cases"), (row["likely low"], row["likely high"], "on cases like these"))
    ranges = [f"{100 * low:+.1f} to {100 * high:+.1f} {where}" for low, high, where in both if not pd.isna(low)]
    return f"{row['team']} {100 * row['difference']:+.1f} points ({', '.join(ranges)})"


def by_class(found: Compared) -> None:
    """Success by difficulty and feature of the case."""
    cells = [
        {
            "class": name,
            "team": group[0].name,
            "success": rate,
            "percent": f"{rate:.0%}",
            "runs": len(chosen),
            "said": said,
        }
        for name, fits in kinds_of(found.outcomes)
        for group in groups(answered(found.outcomes)).values()
        if (chosen := [o for o in group if fits(o)])
        for rate, said in [_in_words(chosen)]
    ]
    if not cells:
        return
    st.header("By kind of case", anchor=False)
    frame = pd.DataFrame(cells)
    order = list(dict.fromkeys(frame["class"]))
    base = alt.Chart(frame).encode(
        x=alt.X("team:N", title=None, sort=found.teams, axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("class:N", title=None, sort=order, axis=alt.Axis(labelLimit=160)),
        tooltip=["class", "team", "said", "runs"],
    )
    heat = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("success:Q", scale=alt.Scale(scheme="cividis", domain=[0, 1]), legend=None)
    )
    dark = "datum.success > 0.55"
    text = base.mark_text(fontSize=12).encode(
        text="percent:N",
        color=alt.condition(dark, alt.value("#10151B"), alt.value("#FFFFFF")),
    )
    _clickable(
        heat,
        [text],
        "Success rate by kind of case and team",
        "classes",
        40 + 30 * len(order),
        fields=["team", "class"],
        above=True,
    )
    st.caption(f"Intervals and numbers of runs on hovering. {CLICK}")


def _in_words(outcomes: list[Outcome]) -> tuple[float, str]:
    interval = success_interval(outcomes)
    return interval.value, f"{interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%})"


def failure_modes(row: ExperimentRow, found: Compared) -> None:
    """Why runs fail, by team: their decisive errors, by rules over the trace."""
    st.header("What goes wrong", anchor=False)
    try:
        failures = compare_runs.failures(row)
    except InputError as error:
        st.caption(shared.sentence(error))
        return
    if not failures:
        st.caption("No run has failed." if row.state not in shared.UNDER_WAY else "Said once the experiment is over.")
        return
    trials = {s.name: s.trials for s in found.summaries}
    frame = pd.DataFrame(
        {
            "team": team.name,
            "error": short(label).replace("_", " "),
            "runs": runs,
            "share": runs / trials.get(team.name, team.failed),
        }
        for team in failures
        for label, runs in team.labels.items()
    )
    order = list(frame.groupby("error")["runs"].sum().sort_values(ascending=False).index)
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of the team's runs that failed by it", axis=PERCENT),
            y=alt.Y("error:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
            yOffset=alt.YOffset("team:N", sort=found.teams),
            color=alt.Color("team:N", scale=_colours(found), legend=alt.Legend(orient="top", title=None)),
            tooltip=["error", "team", "runs", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=110 + 14 * len(order) * max(1, len(found.teams)))
    )
    style.draw(chart, "Share of each team's runs that failed by each kind of error: headcount autopsy has the figures")
    st.caption(
        "The first error of each failed run that was never put right, found by rules over the trace against the case's "
        "reference solution, by MAST's names; careless and repeats are classes of modes that leave the same trace. "
        f"`headcount autopsy {row.id}` says who made it, and who let it through."
    )


# --- what the charts have in common -----------------------------------------------------------------------------


def _frame(found: Compared) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "team": s.name,
                "runs": s.trials,
                "success": s.success,
                "low": s.ci_low,
                "high": s.ci_high,
                "cost": s.cost_usd,
                "latency": s.latency_s,
                "tokens": s.tokens,
                "cost per run": words.money(s.cost_usd),
                "latency per run": words.seconds(s.latency_s),
            }
            for s in found.summaries
        ]
    )


def _colours(found: Compared) -> alt.Scale:
    return style.names_scale(found.teams, style.COLOURS)


def _shapes(found: Compared) -> alt.Shape:
    return alt.Shape("team:N", scale=style.names_scale(found.teams, style.SHAPES), legend=None)


def _rate(field: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=".1%")


def _change(field: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format="+.1%")


def _clickable(
    marks: Any,
    others: list[Any],
    said: str,
    key: str,
    height: int,
    fields: list[str] | None = None,
    above: bool = False,
) -> None:
    """Draw the chart; a click on one of the marks narrows the table of runs to what it stands for."""
    picked = alt.selection_point(name="picked", fields=fields or ["team"])
    marks = marks.add_params(picked)
    layers = [marks, *others] if above else [*others, marks]
    chart = alt.layer(*layers).properties(height=height, width="container")

    def follow() -> None:
        chosen = st.session_state[f"chart_{key}"].selection.picked
        if chosen:
            compare_runs.narrow(chosen[0].get("team"), chosen[0].get("class"))

    style.draw(chart, said, key=f"chart_{key}", on_select=follow, selection_mode="picked")
