"""Sealed bids on one posting after another: the order in which they came in does not matter, except for ties."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.mechanisms.mechanism import Award, Terms, by_posting
from traces.kernel import BidMade

_LITTLE = 0.01  # no promise counts as less: a price per success must stay finite


def lowest_bid(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """The contract net (Smith 1980, "The Contract Net Protocol", IEEE Transactions on Computers C-29): sealed bids, the
    lowest wins and is paid its bid. What counts is the price per expected success, price / confidence.

    Not truthful: a bidder gains by shading its price up (a first-price auction). Efficient only in a symmetric
    equilibrium. Individually rational. Budget balanced: the poster pays what the winner gets, at most its reserve."""
    return [_lowest(posting, asked) for posting, asked in by_posting(bids, terms).items()]


def _lowest(posting: str, bids: list[BidMade]) -> Award:
    best = min(bids, key=lambda bid: bid.price / max(bid.confidence, _LITTLE))
    reason = f"lowest price for the promised confidence, of {len(bids)} sealed bids"
    return Award(posting, best.agent, best.price, reason)
