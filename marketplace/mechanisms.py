"""Mechanisms: who gets a posting. Each is a pure function from the bids, in the order made, to the award."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from traces.errors import InputError
from traces.kernel import BidMade


class Award(Struct, frozen=True):
    """`price` is what the winner is promised, in the currency of the bids (tokens)."""

    agent: str
    price: float
    reason: str


Mechanism = Callable[[Sequence[BidMade]], Award]


def first_claim(bids: Sequence[BidMade]) -> Award:
    """Whoever came first gets it, at its own price. Quick, and blind to price and quality."""
    first = bids[0]
    return Award(first.agent, first.price, "was first")


def lowest_bid(bids: Sequence[BidMade]) -> Award:
    """Sealed bids, the lowest wins and is paid its bid: the contract net (Smith 1980, "The Contract Net Protocol",
    IEEE Transactions on Computers C-29). The bid is per expected success: price / confidence. Ties go to the
    earlier bid. Not truthful: a bidder gains by shading its price."""
    best = min(bids, key=lambda bid: bid.price / max(bid.confidence, 0.01))
    others = len(bids) - 1
    return Award(best.agent, best.price, f"lowest price for the promised confidence, of {others + 1} sealed bids")


MECHANISMS: dict[str, Mechanism] = {"first_claim": first_claim, "lowest_bid": lowest_bid}


def find(name: str) -> Mechanism:
    try:
        return MECHANISMS[name]
    except KeyError:
        raise InputError(f"no mechanism {name!r}; there are: {', '.join(MECHANISMS)}") from None
