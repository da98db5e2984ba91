"""Sealed bids on one posting after another: the order in which they came in does not matter, except for ties."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from msgspec import Struct

from marketplace.mechanisms.mechanism import Award, Mechanism, Terms, by_posting
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


def vickrey(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """The lowest price wins and is paid the second lowest, or the reserve where that is less or nobody else bid
    (Vickrey 1961, "Counterspeculation, Auctions, and Competitive Sealed Tenders", Journal of Finance 16). Promises and
    reputation do not count: a price is all that it can make truthful.

    Truthful: no bid does better than one's cost, whatever the others bid; except for a bidder that is alone on a
    posting without a reserve, which is paid what it asks. Efficient in price. Individually rational. Budget balanced.
    Open to collusion: a ring that bids high pays its winner more."""
    return [_second_price(posting, asked, terms) for posting, asked in by_posting(bids, terms).items()]


def _second_price(posting: str, bids: list[BidMade], terms: Terms) -> Award:
    best = min(bids, key=lambda bid: bid.price)
    others = [bid.price for bid in bids if bid is not best]
    price = min(others, default=terms.reserve.get(posting, best.price))
    return Award(posting, best.agent, price, f"lowest of {len(bids)} sealed bids, paid the second price")


class Weights(Struct, frozen=True):
    """How much each thing counts in `scored`: as exponents, so 2 counts twice what 1 does and 0 not at all."""

    price: float = 1.0
    quality: float = 0.5
    reputation: float = 2.0
    speed: float = 0.25


def scored_by(weights: Weights) -> Mechanism:
    """`scored` with weights of your own: `mine = scored_by(Weights(speed=2))`, then `mechanism: my_module:mine`."""

    def mechanism(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
        asked_for = by_posting(bids, terms).items()
        return [_best_scored(posting, asked, terms, weights) for posting, asked in asked_for]

    return mechanism


def _best_scored(posting: str, bids: list[BidMade], terms: Terms, weights: Weights) -> Award:
    scores = _scores(posting, bids, terms, weights)
    most = max(scores)
    best = bids[scores.index(most)]
    return Award(posting, best.agent, best.price, f"best score {most:.2f} of {len(bids)} sealed bids")


def _scores(posting: str, bids: list[BidMade], terms: Terms, weights: Weights) -> list[float]:
    """The logarithms of the weighted products. A bid that promises no time counts as the slowest of those that do."""
    slowest = max((bid.seconds for bid in bids if bid.seconds is not None), default=1.0)
    skill, reputation, little = terms.skill.get(posting, ""), terms.reputation, _LITTLE
    price, quality, known, speed = weights.price, weights.quality, weights.reputation, weights.speed
    found = []
    for bid in bids:
        confidence, standing, asked = bid.confidence, reputation(bid.agent, skill), bid.price
        seconds = slowest if bid.seconds is None else bid.seconds
        found.append(
            quality * log(confidence if confidence > little else little)
            + known * log(standing if standing > little else little)
            - price * log(asked if asked > little else little)
            - speed * log(seconds if seconds > little else little)
        )
    return found


scored = scored_by(Weights())
scored.__doc__ = """Sealed bids, scored on price, promised quality, reputation and promised speed; the best is paid its
    bid (a scoring auction: Che 1993, "Design Competition through Multidimensional Auctions", RAND Journal of Economics
    24). The score is a weighted product, confidence^0.5 · reputation^2 / (price · seconds^0.25): it has no units, and
    which of two bids is better does not depend on a third.

    Not truthful: price and promises are shaded; reputation, which is earned, is what keeps promises honest. Not
    efficient, but for equal prices the likelier delivery wins. Individually rational. Budget balanced."""
