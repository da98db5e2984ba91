"""Capacity, on the Models page: what a pool of servers like the model's takes, in a table and a chart."""

from __future__ import annotations

import streamlit as st

from agents.models import table as models
from experiments.servers.capacity import Point
from experiments.terminal import capacity_report as report
from experiments.terminal.capacity_report import Found, Question
from traces.errors import HeadcountError
from ui import shared, style


def section(model: str) -> None:
    st.header("Capacity", anchor=False)
    if not models.simulated(model):
        st.info(
            "What servers would do under load is worked out with simulated ones. `headcount calibrate` makes a model "
            "like this one from its runs: give it above as sim:FILE.yaml."
        )
        return
    question = _asked(model)
    if question is None:
        st.caption("How long requests take, and what they cost, over the number of servers and the load on them.")
        return
    try:
        with st.spinner("Simulating the servers"):
            found = _found(question)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    shared.badge(True)
    st.text("\n".join([*report.answers(found), *report.saturated(found)]))
    _chart(found)
    shared.table([_row(one) for one in found.points], caption=shared.plain(report.about(found)))


def _asked(model: str) -> Question | None:
    """What the form asks; None until it was sent."""
    with st.form("capacity"):
        with st.container(horizontal=True):
            replicas = st.text_input("Replicas", "1, 2, 4", width=160)
            loads = st.text_input("Requests a second", placeholder="empty: a range", width=160)
            prompt = st.number_input("Prompt tokens, mean", 1, 1_000_000, 1500, width=160)
            output = st.number_input("Reply tokens, mean", 1, 1_000_000, 250, width=160)
        with st.container(horizontal=True):
            slots = st.number_input("Calls at a time on each", 1, 10_000, 8, width=160)
            slower = st.number_input("Each slows the others by", 0.0, 1.0, 0.05, width=160)
            hour = st.number_input("Dollars for a GPU hour", 0.0, 1000.0, 2.5, width=160)
            limit = st.number_input(
                "Seconds at p95", 0.0, 3600.0, 20.0, width=160, help="0: twice what a request takes alone."
            )
        sent = st.form_submit_button("Work it out", type="primary")
    if sent:
        st.session_state["capacity_asked"] = True
    if not st.session_state.get("capacity_asked"):
        return None
    servers = model if "_per_minute=" in model else f"{model},slots={slots},batch_slowdown={slower:g}"
    numbers = (_numbers("Replicas", replicas), _numbers("Requests a second", loads))
    if None in numbers:
        return None
    return Question(
        servers,
        tuple(int(n) for n in numbers[0] or ()),
        numbers[1] or (),
        prompt_tokens=int(prompt),
        output_tokens=int(output),
        gpu_hour=float(hour),
        max_latency_s=float(limit) or None,
        requests=500,
    )


def _numbers(field: str, text: str) -> tuple[float, ...] | None:
    """None, with an error, where they cannot be read."""
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        st.error(f"{field}: {shared.plain(text)} should be numbers with commas between them, such as 1, 2, 4.")
        return None


@st.cache_data(show_spinner=False, max_entries=16)
def _found(question: Question) -> Found:
    return report.work_out(question)


def _row(one: Point) -> dict[str, object]:
    latency, first, wait = one.latency, one.first_token, one.mean_wait
    return {
        "replicas": one.replicas,
        "requests/s": one.demand.amount,
        "p50, s": latency and round(latency.p50, 2),
        "p95, s": latency and round(latency.p95, 2),
        "p99, s": latency and round(latency.p99, 2),
        "mean wait, s": wait and round(wait.value, 3),
        "Erlang C, s": one.theory_s and round(one.theory_s, 3),
        "first token p95, s": first and round(first.p95, 2),
        "used": "saturated" if one.saturated else f"{one.utilisation:.0%}",
        "tokens/s": round(one.tokens_per_s),
        "$ a request": float(f"{one.usd_per_request:.4g}"),
        "$ for 1,000": float(f"{one.usd_per_1000:.4g}"),
    }


def _chart(found: Found) -> None:
    """p95 over load, a line for each number of replicas, up to where it is saturated."""
    import altair as alt
    import pandas as pd

    rows = [
        {"replicas": str(one.replicas), "load": one.demand.amount, "p95": one.latency.p95}
        for one in found.points
        if one.latency
    ]
    if not rows:
        st.info("All of these are saturated: ask for less, or give them more replicas.")
        return
    names = list(dict.fromkeys(str(row["replicas"]) for row in rows))
    frame = pd.DataFrame(rows)
    line = (
        alt.Chart(frame)
        .mark_line(point=alt.OverlayMarkDef(size=70, filled=True))
        .encode(
            x=alt.X("load:Q", title="requests a second"),
            y=alt.Y("p95:Q", title="p95 latency, seconds (simulated)", scale=alt.Scale(zero=True)),
            color=alt.Color("replicas:N", scale=style.names_scale(names, style.COLOURS), sort=names),
            shape=alt.Shape("replicas:N", scale=style.names_scale(names, style.SHAPES), sort=names),
            tooltip=["replicas", "load", alt.Tooltip("p95:Q", format=".2f")],
        )
    )
    limit = alt.Chart(pd.DataFrame({"limit": [found.limit_s]})).mark_rule(color=style.MUTED, strokeDash=[4, 4])
    said = "; ".join(report.answers(found))
    style.draw(line + limit.encode(y="limit:Q"), f"p95 latency over load by number of replicas. {said}", height=320)
    st.caption("Dashed: the seconds that were asked for. A line ends where its replicas are saturated.")
