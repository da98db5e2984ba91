"""What every mechanism is: a function from the bids, in the order made, and the terms to the awards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from traces.errors import InputError
from traces.kernel import BidMade

NOTHING: Mapping[str, str] = MappingProxyType({})


class Award(Struct, frozen=True):
    """`agent` gets `posting`. `price` is what it is promised, in the currency of the bids (tokens); `charge` is what
    the poster pays where that is more: the difference is the market's."""

    posting: str
    agent: str
    price: float
    reason: str
    charge: float | None = None


def _unknown(agent: str, skill: str) -> float:
    return 1.0


class Terms(Struct, frozen=True):
    """What a mechanism may look at beside the bids.

    reserve: the most that each posting's poster pays, and what it is worth to it; without an entry, no limit.
    skill: what each posting asks for (its role).
    reputation: of (agent, skill), as the probability from 0 to 1 that a delivery is accepted; 1 where nothing is known.
    seed: for mechanisms that draw lots, with `traces.streams.stream`.
    """

    reserve: Mapping[str, float] = MappingProxyType({})
    skill: Mapping[str, str] = NOTHING
    reputation: Callable[[str, str], float] = _unknown
    seed: int = 0

    def affordable(self, bid: BidMade) -> bool:
        """Whether the bid's price is within the reserve of its posting."""
        return bid.price <= self.reserve.get(bid.posting, bid.price)

    def quality(self, bid: BidMade) -> float:
        """The quality to expect: what the bid promises, but no more than the bidder is known for."""
        return min(bid.confidence, self.reputation(bid.agent, self.skill.get(bid.posting, "")))

    def budget(self, posting: str, mechanism: str) -> float:
        """The posting's reserve, for a mechanism that cannot do without. Raises InputError where it has none."""
        if posting not in self.reserve:
            raise InputError(f"{mechanism} needs a budget for each posting, and {posting!r} has none")
        return self.reserve[posting]


Mechanism = Callable[[Sequence[BidMade], Terms], list[Award]]
"""(bids, terms) → awards: at most one for each posting. The bids are on one posting or on a whole round of them; a
posting whose bids are not good enough gets no award and stays open. Only `bundles` takes bids on bundles; the others
pass over them."""


def by_posting(bids: Iterable[BidMade], terms: Terms) -> dict[str, list[BidMade]]:
    """The affordable bids on single postings, posting by posting, in the order made."""
    found: dict[str, list[BidMade]] = {}
    for bid in bids:
        if not bid.bundle and terms.affordable(bid):
            found.setdefault(bid.posting, []).append(bid)
    return found
