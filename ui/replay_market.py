"""The market at a step: the posting that was dealt with last, its bids, who got it and why, and what everybody has."""

from __future__ import annotations

import streamlit as st

from experiments.market import recorded
from traces.rows import RunRow
from ui import market_bids, shared


def panel(row: RunRow, step: int) -> None:
    """What the market looked like, nothing of it from later than the step."""
    if row.status == "running":
        st.info("The run goes on. Its market can be read when it is over.")
        return
    moment = recorded.at(shared.store(), row.experiment, row.run, step)
    if moment.story is None:
        st.caption("Nothing is posted yet.")
    else:
        st.caption(shared.plain(f"Posting {moment.story.posting}, {moment.story.state} at step {step}"))
        market_bids.show(moment.story)
    if moment.balances:
        accounts = [{"account": name, "tokens": f"{amount:,}"} for name, amount in moment.balances.items()]
        shared.table(accounts, caption="Balances at this step; the mint owes what it gave")
    shared.link("market", "The whole market", experiment=row.experiment, run=row.run)
