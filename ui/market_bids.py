"""The bids for a posting, who got it, and why."""

from __future__ import annotations

import streamlit as st

from experiments import words
from marketplace import measures
from marketplace.measures import Story
from ui import shared


def show(story: Story) -> None:
    """A posting as far as its story goes."""
    st.text(story.goal or story.posting)
    if not story.holder:
        st.caption("Nobody got it." if story.bids else "Nobody bid.")
    else:
        st.markdown(
            f"**{shared.plain(story.holder)}** got it by {shared.plain(story.mechanism)}: "
            f"{shared.plain(story.reason or 'no reason recorded')}"
        )
    shared.table(
        [
            {
                "bidder": bid.agent,
                "won": "yes" if bid.agent == story.holder else "",
                "price (tokens)": f"{bid.price:,.0f}",
                "confidence": f"{bid.confidence:.0%}",
                "tokens per expected success": f"{-measures.asked_worth(bid):,.0f}",
                "promised within": "" if bid.seconds is None else words.seconds(bid.seconds),
                "note": bid.note,
            }
            for bid in story.bids
        ],
        caption=f"{len(story.bids):,} bids, as they came in" + (f"; awarded {story.awards} times" * (story.awards > 1)),
    )
