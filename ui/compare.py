"""Compare: the verdict first, then why, and from every figure the way to the runs behind it."""

from __future__ import annotations

import streamlit as st

from experiments import words
from experiments.judging.recommending import Limits, recommend
from experiments.judging.verdict import UNJUDGED
from traces.rows import ExperimentRow
from ui import broken, compare_charts, compare_runs, compare_tables, home, shared
from ui.compared import Compared, compared


def page() -> None:
    st.title("Compare")
    row = shared.choose_experiment()
    if row is None:
        return
    found = compared(row)
    if found is None:
        if compare_tables.ungraded_teams(row):
            compare_runs.show(row)
            return
        st.info("No run of this experiment is finished yet.")
        shared.link("live", "Watch it", experiment=row.id)
        return
    _verdict(row, found)
    broken.offer(row, found.verdict.lost)
    if not found.summaries:
        compare_runs.show(row)
        return
    _recommendation(found)
    left, right = st.columns(2)
    with left:
        compare_charts.success(found)
    with right:
        compare_charts.pareto(found)
    compare_charts.differences(found)
    _volume(row, found)
    compare_tables.teams(found)
    compare_tables.endings(row, found)
    compare_charts.by_class(found)
    left, right = st.columns(2)
    with left:
        compare_tables.overhead(found)
    with right:
        compare_charts.failure_modes(row, found)
    compare_tables.working_together(row)
    compare_runs.show(row)
    _download(row, found)


def _verdict(row: ExperimentRow, found: Compared) -> None:
    verdict = found.verdict
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            if verdict.kind in home.KINDS:
                word, colour = home.KINDS[verdict.kind]
                st.badge(word, color=colour)  # type: ignore[arg-type]
            shared.badge(shared.is_simulated(row))
            shared.state_badge(row.state)
            st.caption(f"{row.done:,} of {row.total:,} runs", width="content")
        if verdict.kind in UNJUDGED:
            st.error(shared.plain(verdict.text))
        else:
            st.header(shared.plain(verdict.text), anchor=False)
            st.markdown(f"**{shared.plain(verdict.second)}**" if verdict.second else "")
        for part in verdict.reason.split("; "):
            st.write(shared.plain(part))
    if row.state in shared.UNDER_WAY:
        st.warning("It still runs: these figures are of the runs so far.")


@shared.fragment
def _recommendation(found: Compared) -> None:
    """What to take under the reader's own limits; a slider that is moved draws this alone anew."""
    st.header("Under your limits", anchor=False)
    first, second, third = st.columns(3)
    priced = [s.cost_usd for s in found.summaries if s.cost_usd is not None]
    cost = None
    if len(priced) == len(found.summaries) and priced:
        top = _above(max(priced))
        cost = first.slider("At most, dollars per run", 0.0, top, top, top / 100, format="$%.4g", key="limit_cost")
        cost = None if cost >= top else cost
    else:
        first.caption("The price is unknown: cost cannot be limited.")
    top = _above(max(s.latency_s for s in found.summaries))
    seconds = second.slider("At most, seconds per run", 0.0, top, top, top / 100, format="%.3g s", key="limit_seconds")
    success = third.slider("At least, success rate", 0, 100, 0, 1, format="%d %%", key="limit_success")
    limits = Limits(cost, None if seconds >= top else seconds, success / 100)
    advice = recommend(found.verdict, found.summaries, limits)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{shared.plain(advice.team or 'none')}**", width="content")
        st.write(shared.plain(advice.why))
    for name, why in advice.excluded.items():
        st.caption(shared.plain(f"{name} is out: {why}"))


@shared.fragment
def _volume(row: ExperimentRow, found: Compared) -> None:
    """What the reader's number of jobs comes to."""
    simulated = " (simulated)" if shared.is_simulated(row) else ""
    st.header("At your volume", anchor=False)
    jobs = int(st.number_input("Jobs a month", 1, 1_000_000_000, 10_000, 1000, key="jobs", width=220))
    shared.table(
        [
            {
                "team": s.name,
                "cost / month": words.money(None if s.cost_usd is None else jobs * s.cost_usd),
                "failed jobs / month": f"{jobs * (1 - s.success):,.0f}",
                "failed, 95 % interval": f"{jobs * (1 - s.ci_high):,.0f} to {jobs * (1 - s.ci_low):,.0f}",
                "tokens / month": words.count(jobs * s.tokens),
            }
            for s in found.summaries
        ],
        caption=f"At the means of these runs, if the jobs are like these cases{simulated}",
    )


def _above(value: float) -> float:
    """A round number above the value, for the end of a slider."""
    return float(f"{1.1 * value:.2g}") or 1.0


def _download(row: ExperimentRow, found: Compared) -> None:
    from experiments.exchange import sharing
    from experiments.judging import htmlreport, judging

    st.header("Take it along", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "Report (HTML)",
            lambda: htmlreport.page(row, judging.again(row.id)),
            f"headcount-{row.id}.html",
            "text/html",
            on_click="ignore",
        )
        st.download_button(
            "Runs (CSV)",
            lambda: htmlreport.csv(found.outcomes),
            f"headcount-{row.id}.csv",
            "text/csv",
            on_click="ignore",
        )
        if row.state not in shared.UNDER_WAY:
            st.download_button(
                "Everything (to share)",
                lambda: sharing.as_bytes(row.id),
                sharing.file_name(row.id),
                "application/zip",
                on_click="ignore",
            )
    st.caption(
        "The report is one file that opens anywhere and loads nothing from elsewhere. Everything: each event of each "
        "run, without secrets and marked personal data, for Home of another installation (docs/share.md)."
    )
