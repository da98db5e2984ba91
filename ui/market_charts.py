"""The charts of the Market page: postings by state over time, prices, reputation, who works for whom."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from experiments.market import recorded
from experiments.market.recorded import Market, Standing
from marketplace import measures
from ui import shared, style

PRICES = 2000
NODES = 12
STANDINGS = 15
STATE_COLOURS = dict(zip(recorded.STATES, [*style.COLOURS, "#B8860B"], strict=True))


def states(market: Market) -> None:
    st.header("Postings by state over time", anchor=False)
    frame = pd.DataFrame(recorded.over_time(market), columns=["time", "state", "postings"])
    order = list(dict.fromkeys(frame["state"]))
    frame["rank"] = [order.index(state) for state in frame["state"]]
    scale = alt.Scale(domain=order, range=[STATE_COLOURS[state] for state in order])
    chart = (
        alt.Chart(frame)
        .mark_area(interpolate="step-after", opacity=0.9)
        .encode(
            x=alt.X("time:Q", title="seconds of the run"),
            y=alt.Y("postings:Q", title="postings", axis=alt.Axis(tickMinStep=1, format=",d")),
            color=alt.Color("state:N", scale=scale, sort=order, legend=alt.Legend(orient="top", title=None, columns=3)),
            order="rank:Q",
            tooltip=[alt.Tooltip("time:Q", format=".1f"), "state", "postings"],
        )
        .properties(height=300)
    )
    last = frame[frame["time"] == frame["time"].max()]
    said = ", ".join(f"{n:,} {state}" for state, n in zip(last["state"], last["postings"], strict=True) if n)
    style.draw(chart, f"Postings by state over time; at the end: {said}")
    st.caption(f"At the end: {said}.")


def prices(market: Market) -> None:
    st.header("Prices", anchor=False)
    told = [story for story in market.stories.values() if story.price is not None]
    if not told:
        st.caption("Nothing was awarded, so there is no price.")
        return
    step = -(-len(told) // PRICES)
    shown = told[::step]
    frame = pd.DataFrame(
        [{"time": s.awarded, "price": s.price, "role": s.role, "agent": s.holder, "posting": s.posting} for s in shown]
    )
    roles = sorted(set(frame["role"]))
    chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X("time:Q", title="seconds of the run, at the award"),
            y=alt.Y("price:Q", title="tokens promised", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "role:N",
                scale=style.names_scale(roles, style.COLOURS),
                legend=alt.Legend(orient="top", title=None, columns=3),
            ),
            shape=alt.Shape("role:N", scale=style.names_scale(roles, style.SHAPES), legend=None),
            tooltip=["posting", "role", "agent", alt.Tooltip("price:Q", format=",.0f")],
        )
        .properties(height=300)
    )
    style.draw(chart, f"Price of each award over time, in tokens, for {len(shown)} awards")
    st.caption(f"{len(shown):,} of {len(told):,} awards shown.")


def reputation(found: list[Standing]) -> None:
    st.header("Reputation, with 95 % interval", anchor=False)
    if not found:
        st.caption("No reputation is recorded agent by agent here.")
        return
    shown = found[:STANDINGS]
    frame = pd.DataFrame(
        [
            {"who": f"{s.agent} as {s.skill}", "mean": s.mean, "low": s.low, "high": s.high, "outcomes": s.outcomes}
            for s in shown
        ]
    )
    whole = alt.Scale(domain=[0, 1])
    base = alt.Chart(frame).encode(
        y=alt.Y("who:N", title=None, sort=None, axis=alt.Axis(labelLimit=200)),
        tooltip=["who", *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("mean", "low", "high")), "outcomes"],
    )
    axis = alt.Axis(format="%")
    rules = base.mark_rule(strokeWidth=3, color=style.COLOURS[0]).encode(
        x=alt.X("low:Q", title="chance that the next delivery is accepted", axis=axis, scale=whole), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=110, opacity=1, color=style.COLOURS[0]).encode(
        x=alt.X("mean:Q", scale=whole)
    )
    chart: Any = alt.layer(rules, points).properties(height=60 + 30 * len(shown))
    style.draw(chart, "Reputation at the end: " + "; ".join(f"{s.agent} {s.mean:.0%}" for s in shown))
    st.caption(f"{len(shown):,} of {len(found):,} shown. Wide: little is known of it yet (docs/market.md).")


def network(market: Market) -> None:
    """Who works for whom; of many agents those through whom most of the work runs."""
    st.header("Who works for whom", anchor=False)
    graph = measures.network(market.stories.values())
    if not graph:
        st.caption("Nothing was awarded.")
        return
    central = measures.centrality(graph)
    kept = sorted(graph, key=lambda name: -graph.degree(name, weight="awards"))[:NODES]
    edges = [(a, b, data) for a, b, data in graph.edges(data=True) if a in kept and b in kept]
    top = max(data["awards"] for _, _, data in edges)
    nodes = [f"{_quoted(name)} [label={_quoted(name)}]" for name in kept]
    lines = [
        f'{_quoted(a)} -> {_quoted(b)} [penwidth={1 + 4 * data["awards"] / top:.1f}, label="{data["awards"]}"]'
        for a, b, data in edges
    ]
    st.graphviz_chart(_digraph([*nodes, *lines]), width="content")
    first = max(central, key=lambda name: central[name])
    st.caption(
        f"{len(kept):,} of {graph.number_of_nodes():,} shown, those with most awards; numbers and widths are awards. "
        f"Most central (PageRank): {shared.plain(first)}."
    )


def _digraph(lines: list[str]) -> str:
    look = 'bgcolor="transparent"; rankdir=LR; nodesep=0.15; ranksep=0.8; node [shape=box, style="rounded,filled", '
    look += f'fillcolor="{style.COLOURS[0]}", color="{style.MUTED}", fontcolor="#FFFFFF", fontname="sans-serif", '
    look += 'fontsize=12, height=0.3, margin="0.12,0.05"]; '
    look += (
        f'edge [color="{style.MUTED}", fontcolor="{style.MUTED}", fontname="sans-serif", fontsize=10, arrowsize=0.6]; '
    )
    return f"digraph {{ {look} {'; '.join(lines)} }}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
