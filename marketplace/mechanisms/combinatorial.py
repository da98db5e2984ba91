"""Bundles: bids on several postings together, decided exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from marketplace.mechanisms.mechanism import Award, Terms
from traces.errors import InputError
from traces.kernel import BidMade

MOST_POSTINGS = 12

_Choice = tuple[float, tuple[BidMade, ...]]


def bundles(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """For a small round with synergies: bids on one posting or on a bundle, at most one bid of an agent wins (XOR
    bids), no posting goes twice. Maximises the sum of reserves less prices over all such choices, exactly, by dynamic
    programming over the sets of postings (Rothkopf, Pekec and Harstad 1998, "Computationally Manageable Combinational
    Auctions", Management Science 44); at most 12 postings, 2^12 sets for each bid.

    A winner is paid its price and what its taking part adds to that maximum (Vickrey-Clarke-Groves; Clarke 1971,
    "Multipart Pricing of Public Goods"), which is never more than the reserves of what it gets. An award's price is
    the share of its posting in that payment, in proportion to the reserves.

    Truthful and efficient in price, where each posting has a reserve. If any has none, as many as possible are given
    away for the lowest sum of prices and winners are paid their bids, which is not truthful. Individually rational.
    Budget balanced. Raises InputError for more than 12 postings."""
    items = list(dict.fromkeys(posting for bid in bids for posting in _items(bid)))
    if len(items) > MOST_POSTINGS:
        raise InputError(
            f"bundles decides rounds of at most {MOST_POSTINGS} postings exactly; this one has {len(items)}"
        )
    limited = all(item in terms.reserve for item in items)
    many = 1.0 + 2.0 * sum(bid.price for bid in bids)
    worth = {item: terms.reserve[item] if limited else many for item in items}
    best, chosen = _best(bids, worth)
    awards: list[Award] = []
    for bid in chosen:
        extra = best - _best((b for b in bids if b.agent != bid.agent), worth)[0] if limited else 0.0
        awards += _shares(bid, bid.price + extra, worth)
    return awards


def _items(bid: BidMade) -> tuple[str, ...]:
    return (bid.posting, *bid.bundle)


def _best(bids: Iterable[BidMade], worth: Mapping[str, float]) -> _Choice:
    """The highest sum of worth less price, and the bids that make it; of equal ones the first found."""
    bit = {item: 1 << n for n, item in enumerate(worth)}
    by_agent: dict[str, list[tuple[int, float, BidMade]]] = {}
    for bid in bids:
        items = set(_items(bid))
        gain = sum(worth[item] for item in items) - bid.price
        if gain >= 0:
            by_agent.setdefault(bid.agent, []).append((sum(bit[item] for item in items), gain, bid))
    best: dict[int, _Choice] = {0: (0.0, ())}
    for offers in by_agent.values():
        for taken, (value, chosen) in list(best.items()):
            for mask, gain, bid in offers:
                if not taken & mask and value + gain > best.get(taken | mask, (-1.0, ()))[0]:
                    best[taken | mask] = (value + gain, (*chosen, bid))
    return max(best.values(), key=lambda choice: choice[0])


def _shares(bid: BidMade, payment: float, worth: Mapping[str, float]) -> list[Award]:
    items = dict.fromkeys(_items(bid))
    whole = sum(worth[item] for item in items)
    reason = f"part of the best choice of bundles: {', '.join(items)} for {payment:g}"
    return [
        Award(item, bid.agent, payment * (worth[item] / whole if whole else 1 / len(items)), reason) for item in items
    ]
