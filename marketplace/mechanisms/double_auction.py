"""Many alike tasks at one price: posters on one side, agents on the other."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.mechanisms.mechanism import Award, Terms
from traces.kernel import BidMade


def double_auction(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """For a round of alike tasks: a bid on one is an offer to do any one of them; of several by one agent the lowest
    counts. Postings are ranked by reserve, agents by price; the k best pairs could trade. All trade at the mean of the
    pair that comes next, if every one of the k accepts that price; else the last of the k pairs does not trade, its
    poster's reserve is charged to the others and its agent's price paid to them (McAfee 1992, "A Dominant Strategy
    Double Auction", Journal of Economic Theory 56).

    Truthful on both sides. Efficient but for at most one trade, the least valuable. Individually rational. Budget
    balanced in the weak sense: where the charge exceeds the price the difference is the market's. Needs at least two
    postings and two agents to award anything. Raises InputError for a posting without a reserve."""
    worth = {bid.posting: terms.budget(bid.posting, "double_auction") for bid in bids if not bid.bundle}
    postings = sorted(worth, key=lambda posting: -worth[posting])
    offers = _lowest_offers(bids)
    k = sum(worth[posting] >= offer.price for posting, offer in zip(postings, offers, strict=False))
    if k == 0:
        return []
    trades, price, charge = _price(k, [worth[p] for p in postings], [o.price for o in offers])
    reason = f"one of {trades} trades at one price, of {len(postings)} postings and {len(offers)} agents"
    pairs = list(zip(postings, offers, strict=False))[:trades]
    return [Award(posting, offer.agent, price, reason, charge) for posting, offer in pairs]


def _lowest_offers(bids: Sequence[BidMade]) -> list[BidMade]:
    """Each agent's, from the lowest up; ties in the order made."""
    offers: dict[str, BidMade] = {}
    for bid in bids:
        if not bid.bundle and (bid.agent not in offers or bid.price < offers[bid.agent].price):
            offers[bid.agent] = bid
    return sorted(offers.values(), key=lambda bid: bid.price)


def _price(k: int, worth: list[float], price: list[float]) -> tuple[int, float, float]:
    """(trades, what an agent is paid, what a poster is charged)"""
    if k < len(worth) and k < len(price):
        middle = (worth[k] + price[k]) / 2
        if price[k - 1] <= middle <= worth[k - 1]:
            return k, middle, middle
    return k - 1, price[k - 1], worth[k - 1]
