"""Mechanisms: who wins, what is paid, and that each keeps what it promises."""

from marketplace import mechanisms
from marketplace.mechanisms import Terms
from traces.kernel import BidMade


def _bid(agent: str, price: float, confidence: float = 1.0, posting: str = "a") -> BidMade:
    return BidMade(posting, agent, price, confidence)


def _winner(mechanism: str, bids: list[BidMade], terms: Terms | None = None) -> str:
    (award,) = mechanisms.find(mechanism)(bids, terms or Terms())
    return award.agent


def test_the_lowest_price_for_the_promise_wins_and_ties_go_to_the_first() -> None:
    bids = [_bid("ann", 100, 1.0), _bid("bob", 60, 0.5), _bid("cat", 100, 1.0)]
    assert _winner("lowest_bid", bids) == "ann"
    assert _winner("lowest_bid", [*bids, _bid("dan", 80, 0.9)]) == "dan"
    assert _winner("first_claim", bids[1:]) == "bob"
