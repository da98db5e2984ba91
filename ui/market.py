"""Market: what was posted, who bid and won and why, for what price, and what became of it."""

from __future__ import annotations

import msgspec
import streamlit as st

from agents import table
from experiments import plan as plans
from experiments import words
from experiments.market import recorded
from experiments.market.recorded import Dealer, Market, Traded
from experiments.market.tally import Summary
from marketplace import measures
from marketplace.measures import Story
from traces import home
from traces import kernel as k
from traces.errors import HeadcountError
from traces.kernel import Record
from traces.rows import ExperimentRow
from ui import market_bids, shared

WINDOW = 25
AGENTS = 25
OTHERS = 5
ALL = "all"


def page() -> None:
    st.title("Market")
    st.write(
        "Work is posted, agents bid for it, one of them gets it, and is paid when the delivery is accepted. "
        "Prices and balances are in tokens."
    )
    row = shared.choose_ended("Its market")
    if row is None:
        return
    traded = _traded(str(home.home()), row.id, row.updated)
    if not traded:
        _no_market(row)
        return
    run = _run(row, traded)
    market = _market(str(home.home()), row.id, run.run, row.updated)
    _figures(row, run, market)
    _charts(market)
    _agents(market)
    _postings(row, run, market)


@st.cache_resource(show_spinner="Looking for markets", max_entries=32)
def _traded(base: str, experiment: str, updated: float | None) -> list[Traded]:
    """`base` and `updated` make it be read anew when it has changed."""
    return recorded.runs(shared.store(), experiment)


@st.cache_resource(show_spinner="Reading the market", max_entries=8)
def _market(base: str, experiment: str, run: int, updated: float | None) -> Market:
    return recorded.read(shared.store(), experiment, run)


def _no_market(row: ExperimentRow) -> None:
    st.info("No team of this experiment trades on a market. The team “market” does; so do simulated markets.")
    with st.container(horizontal=True):
        shared.link("launch", "Launch the team market")
        for other in [o for o in shared.store().experiments() if o.id != row.id and _may_trade(o)][:OTHERS]:
            shared.link("market", f"Open {shared.label(other)}", experiment=other.id)
    st.code("headcount market simulate --agents 1000 --tasks 10000", language=None)


def _may_trade(row: ExperimentRow) -> bool:
    plan = plans.recorded_in(row.plan)
    return row.plan.get("kind") == "market" or (plan is not None and "market" in map(table.name_of, plan.teams))


def _run(row: ExperimentRow, traded: list[Traded]) -> Traded:
    """The run that the address names (`?run=`), or that is picked."""
    by_run = {one.run: one for one in traded}
    asked = st.query_params.get("run", "")
    start = int(asked) if asked.isdecimal() and int(asked) in by_run else traded[0].run
    if asked and asked != str(start):
        st.warning(f"Run {shared.plain(asked)} had no market. This one had:")
    key = f"market_run_{row.id}_{start}"
    names = list(by_run)
    picked = st.selectbox(
        f"Run ({len(names):,} with a market)",
        names,
        index=names.index(start),
        format_func=lambda run: _called(by_run[run]),
        key=key,
        on_change=shared.follow,
        args=["run", key],
    )
    return by_run[picked if picked is not None else start]


def _called(run: Traded) -> str:
    return f"run {run.run}: {run.team} on {run.case}, {run.settled:,} of {run.postings:,} postings settled"


def _figures(row: ExperimentRow, run: Traded, market: Market) -> None:
    told = list(market.stories.values())
    if len(market.records) < market.of:
        st.warning(
            f"{len(market.records):,} of {market.of:,} market events are read: figures and charts are of those. "
            "The table of postings has all."
        )
    summary = _summary(row, run)
    failed = measures.failures(told)
    promised = measures.prices(told)
    paid = measures.earnings(told)
    columns = st.columns(5)
    columns[0].metric("Settled", f"{run.settled:,} of {run.postings:,}", help="Postings whose delivery was accepted.")
    columns[1].metric("Delivery failures", _percent(failed), help="Of the awards that ended, without acceptance.")
    columns[2].metric(
        "Price, mean",
        f"{words.count(sum(promised) / len(promised))} tokens" if promised else "none",
        help="What awards promise.",
    )
    columns[3].metric(
        "Dearer than the best", _dearer(told), help="Tokens for each expected success, against the best assignment."
    )
    columns[4].metric(
        "Gini of earnings", f"{measures.gini(paid.values()):.2f}", help="0: all earn the same; near 1: one has all."
    )
    if summary is not None:
        _whole(summary)


def _dearer(told: list[Story]) -> str:
    """How much more the awards promise for each expected success than the best assignment of them to those who bid."""
    found = measures.efficiency(told)
    return "none" if not found.best else f"{100 * found.loss / abs(found.best):+.1f} %"


def _summary(row: ExperimentRow, run: Traded) -> Summary | None:
    """Of all jobs of a simulated market, whose trace is a sample."""
    if row.plan.get("kind") != "market":
        return None
    try:
        return msgspec.json.decode(shared.store().run(row.id, run.run).answer, type=Summary)
    except (HeadcountError, msgspec.MsgspecError):  # stopped before its end
        return None


def _whole(summary: Summary) -> None:
    st.header("The whole market (the trace is a sample of it)", anchor=False)
    shared.facts(
        {
            "jobs": f"{summary.tasks:,}, {summary.settled:,} settled, {summary.given_up:,} given up",
            "bidders": f"{summary.agents:,}",
            "welfare per job": f"{summary.welfare_per_job:,.0f} tokens",
            "of the best assignment": _percent(summary.efficiency),
            "price": f"{_percent(summary.price)} of the reserve in the mean",
            "idle": f"{_percent(summary.idle)} of the bidders' time",
            "earnings": f"Gini {summary.gini:.2f}, Herfindahl-Hirschman {summary.hhi:.4f}",
        }
    )
    shared.table(
        [
            {
                "strategy": name,
                "bidders": lot.traders,
                "awards": lot.awards,
                "share, first tenth": _percent(lot.early),
                "share, last tenth": _percent(lot.late),
                "accepted": _percent(lot.accepted),
                "profit each (tokens)": f"{lot.profit:,.0f}",
                "reputation": "" if lot.reputation is None else f"{lot.reputation:.2f}",
            }
            for name, lot in summary.strategies.items()
        ],
        caption="How each strategy of bidding fared (simulated)",
    )


def _charts(market: Market) -> None:
    from ui import market_charts as charts

    left, right = st.columns(2)
    with left:
        charts.states(market)
        charts.network(market)
    with right:
        charts.prices(market)
        charts.reputation(recorded.standings(market.records))


def _agents(market: Market) -> None:
    st.header("Agents", anchor=False)
    found = recorded.dealers(market)
    shared.table(
        [_agent(one) for one in found[:AGENTS]],
        caption=f"{min(AGENTS, len(found)):,} of {len(found):,} shown, those who earned most first",
    )
    rest = recorded.others(recorded.balances(market.records), found)
    if rest:
        said = ", ".join(f"{name} {amount:,}" for name, amount in rest.items())
        st.caption(shared.plain(f"Other accounts at the end, in tokens: {said}."))


def _agent(one: Dealer) -> dict[str, object]:
    return {
        "agent": one.agent,
        "role": one.role,
        "bids": one.bids,
        "awards": one.awards,
        "won": _percent(one.won),
        "settled": one.settled,
        "earned (tokens)": f"{one.earned:,.0f}",
        "balance (tokens)": "" if one.balance is None else f"{one.balance:,}",
        "idle": _percent(one.idle),
        "centrality": f"{one.centrality:.3f}",
    }


def _postings(row: ExperimentRow, run: Traded, market: Market) -> None:
    st.header("Postings and their bids", anchor=False)
    ended = sorted({story.state for story in market.stories.values()} & {"settled", "withdrawn", "expired"})
    first, second = st.columns([1, 3])
    state = str(first.selectbox("Ended as", [ALL, *ended], key="market_state"))
    wanted = None if state == ALL else state
    total = recorded.count(shared.store(), row.id, run.run, wanted)
    pages = -(-total // WINDOW)
    number = 1
    if pages > 1:
        st.session_state["market_page"] = min(pages, st.session_state.get("market_page", 1))
        number = int(second.number_input(f"Page of {pages:,}", 1, pages, key="market_page", width=160))
    told, records = recorded.postings(
        shared.store(), row.id, run.run, state=wanted, limit=WINDOW, offset=(number - 1) * WINDOW
    )
    if not told:
        st.info("No posting is like that.")
        return
    shared.table([_posting(story) for story in told], caption=f"{len(told):,} of {total:,} postings shown")
    names = {story.posting: story for story in told}
    picked = st.selectbox("Bids for", list(names), key=f"market_posting_{row.id}_{run.run}_{state}_{number}")
    _bids(row, run, names[str(picked)], records)


def _posting(story: Story) -> dict[str, object]:
    return {
        "posting": story.posting,
        "goal": story.goal,
        "role": story.role,
        "state": story.state,
        "bids": len(story.bids),
        "winner": story.holder,
        "price (tokens)": "" if story.price is None else f"{story.price:,.0f}",
        "sent back": story.sent_back,
        "posted": words.seconds(story.posted),
        "awarded": "" if story.awarded is None else words.seconds(story.awarded),
        "closed": "" if story.closed is None else words.seconds(story.closed),
    }


def _bids(row: ExperimentRow, run: Traded, story: Story, records: list[Record]) -> None:
    award = next((r for r in records if isinstance(r.event, k.TaskAwarded) and r.event.posting == story.posting), None)
    with st.container(border=True):
        market_bids.show(story)
        if award is not None:
            shared.link("replay", "See the award in Replay", experiment=row.id, run=run.run, step=award.seq)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
