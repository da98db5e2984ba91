"""Batch matching: a whole round at once, each agent at most one posting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marketplace.mechanisms.mechanism import Award, Terms
from traces.kernel import BidMade


def assignment(bids: Sequence[BidMade], terms: Terms) -> list[Award]:
    """The awards of a round with the highest sum of worth, each agent getting at most one posting and being paid its
    bid. A bid's worth is quality · (reserve - price), since a price is paid for what is accepted; quality is the
    promised confidence, but no more than the reputation. Postings without a reserve come first: as many as possible are
    given away, at the lowest sum of price / quality. (The assignment problem: Kuhn 1955, "The Hungarian Method"; solved
    by scipy's `linear_sum_assignment`, the modified Jonker-Volgenant algorithm of Crouse 2016. Needs room for postings
    x agents numbers.)

    Not truthful: winners are paid their bid. Efficient for what was bid. Individually rational. Budget balanced."""
    from scipy.optimize import linear_sum_assignment

    worth = _worth(bids, terms)
    best: dict[tuple[str, str], BidMade] = {}
    for bid in bids:
        key = (bid.posting, bid.agent)
        if worth.get(id(bid), 0.0) > 0 and (key not in best or worth[id(bid)] > worth[id(best[key])]):
            best[key] = bid
    rows = {posting: n for n, posting in enumerate(dict.fromkeys(posting for posting, _ in best))}
    columns = {agent: n for n, agent in enumerate(dict.fromkeys(agent for _, agent in best))}
    matrix = np.zeros((len(rows), len(columns)))
    for (posting, agent), bid in best.items():
        matrix[rows[posting], columns[agent]] = worth[id(bid)]
    postings, agents = list(rows), list(columns)
    pairs = [(postings[r], agents[c]) for r, c in zip(*linear_sum_assignment(matrix, maximize=True), strict=True)]
    reason = f"best assignment of {len(rows)} postings to {len(columns)} agents"
    return [Award(*pair, best[pair].price, reason) for pair in pairs if pair in best]


def _worth(bids: Sequence[BidMade], terms: Terms) -> dict[int, float]:
    """By the bid's id(). Without a reserve, a posting is worth more than all prices per success together."""
    single = [bid for bid in bids if not bid.bundle and terms.affordable(bid)]
    quality = {id(bid): max(terms.quality(bid), 1e-6) for bid in single}
    priceless = 1.0 + 2.0 * len({bid.posting for bid in single}) * max(
        (bid.price / quality[id(bid)] for bid in single if bid.posting not in terms.reserve), default=0.0
    )
    return {
        id(bid): quality[id(bid)] * (terms.reserve[bid.posting] - bid.price)
        if bid.posting in terms.reserve
        else priceless - bid.price / quality[id(bid)]
        for bid in single
    }
