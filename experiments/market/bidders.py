"""How simulated bidders bid: each strategy is a pure function from what a bidder sees to its offer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from traces.errors import InputError


class Sight(Struct, frozen=True, gc=False):
    """What a bidder sees when it is asked for a bid. Prices are in tokens, times in seconds.

    cost: the price at which it breaks even, its own secret. quality: its true chance of being accepted. reserve: the
    most that the poster pays. rivals: how many others are asked. allies: how many of them are in its ring, `cheapest`
    whether none of these has a lower cost. work_s: how long the work takes it, wait_s until it could begin, slack_s
    until the deadline. in_hand: what it has been awarded and not done yet, of `places`. settled: deliveries of its
    that were accepted.
    """

    cost: float
    quality: float
    reserve: float
    rivals: int
    allies: int
    cheapest: bool
    work_s: float
    wait_s: float
    slack_s: float
    in_hand: int
    places: int
    settled: int


class Offer(Struct, frozen=True, gc=False):
    """A bid: the price, the promised quality (0 to 1) and the promised time in seconds."""

    price: float
    confidence: float
    seconds: float


Strategy = Callable[[Sight], Offer | None]
"""None is to pass."""

NEW_UNTIL = 5


def truthful(sight: Sight) -> Offer | None:
    """Asks what it costs, and promises what it holds: the dominant strategy under second price."""
    return _offer(sight, sight.cost)


def shading(sight: Sight) -> Offer | None:
    """Asks more than it costs: cost + (reserve - cost) / n for n bidders, which is the equilibrium of a first-price
    auction where costs are independent and uniform up to the reserve (Krishna 2010, "Auction Theory", section 2.3,
    turned round for procurement)."""
    return _offer(sight, _shaded(sight, sight.rivals + 1))


def overconfident(sight: Sight) -> Offer | None:
    """Shades, and promises near certainty in half the time."""
    return _offer(sight, _shaded(sight, sight.rivals + 1), confidence=0.99, haste=2.0)


def capacity_aware(sight: Sight) -> Offer | None:
    """Passes on what it could not do by the deadline, and asks more the fuller its hands are."""
    if sight.wait_s + sight.work_s > sight.slack_s:
        return None
    shaded = _shaded(sight, sight.rivals + 1)
    return _offer(sight, shaded + (sight.reserve - shaded) * sight.in_hand / sight.places)


def newcomer(sight: Sight) -> Offer | None:
    """Lowballs at half its cost until five of its deliveries were accepted; then shades."""
    return _offer(sight, sight.cost / 2) if sight.settled < NEW_UNTIL else shading(sight)


def ring(sight: Sight) -> Offer | None:
    """Colludes: of the ring's members that are asked, the cheapest bids as if the others were not there, and these
    cover it with bids at the reserve."""
    if sight.allies and not sight.cheapest:
        return _offer(sight, sight.reserve)
    return _offer(sight, _shaded(sight, sight.rivals + 1 - sight.allies))


def never_delivers(sight: Sight) -> Offer | None:
    """Bids a third of the reserve, promises everything at once, and delivers nothing."""
    return Offer(sight.reserve / 3, 0.99, sight.work_s / 2)


def _shaded(sight: Sight, bidders: int) -> float:
    return sight.cost + (sight.reserve - sight.cost) / max(bidders, 1)


def _offer(sight: Sight, price: float, confidence: float | None = None, haste: float = 1.0) -> Offer | None:
    """A bid, honest unless it is given other promises; None above the reserve."""
    if price > sight.reserve:
        return None
    promised = sight.quality if confidence is None else confidence
    return Offer(price, promised, (sight.wait_s + sight.work_s) / haste)


STRATEGIES: dict[str, Strategy] = {
    "truthful": truthful,
    "shading": shading,
    "overconfident": overconfident,
    "capacity_aware": capacity_aware,
    "newcomer": newcomer,
    "ring": ring,
    "never_delivers": never_delivers,
}
IDLERS = frozenset({"never_delivers"})
"""Strategies whose bidders do no work."""


def mix(text: str) -> dict[str, float]:
    """Shares by strategy from `shading=3,ring=1`: they are divided by their sum. Raises InputError."""
    shares: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = part.partition("=")
        if name not in STRATEGIES:
            raise InputError(f"--mix: no strategy {name!r}; there are: {', '.join(STRATEGIES)}")
        try:
            shares[name] = float(share or 1)
        except ValueError:
            raise InputError(f"--mix: {part!r}: give a number, as in {name}=2") from None
    if not shares or min(shares.values()) < 0 or sum(shares.values()) <= 0:
        raise InputError("--mix: give at least one strategy with a share above 0, as in shading=3,ring=1")
    return {name: share / sum(shares.values()) for name, share in shares.items()}
