"""Claims: whoever comes first, at its own price or at a posted one."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.mechanisms.mechanism import Award, Terms, by_posting
from traces.kernel import BidMade


def first_claim(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """Whoever came first within the reserve gets it, at its own price (a task queue, as in most agent frameworks).

    Neither truthful (the first names its price) nor efficient: blind to price and quality, so that whoever answers
    quickest is preferred. Individually rational. Budget balanced."""
    return [
        Award(posting, asked[0].agent, asked[0].price, "was first")
        for posting, asked in by_posting(bids, terms).items()
    ]


def posted_price(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """The poster names the price, its reserve; the first to ask for no more gets the work and is paid that price
    (take it or leave it: Chawla, Hartline, Malec and Sivan 2010, "Multi-parameter Mechanism Design and Sequential
    Posted Pricing", STOC).

    Truthful: what a bidder asks decides only whether it takes the price. Not efficient: among the willing, the first
    gets it. Individually rational. Budget balanced. Raises InputError for a posting without a reserve."""
    for bid in bids:
        terms.budget(bid.posting, "posted_price")
    return [
        Award(
            posting, asked[0].agent, terms.reserve[posting], f"was the first of {len(asked)} to take the posted price"
        )
        for posting, asked in by_posting(bids, terms).items()
    ]
