"""Claims: whoever comes first."""

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
