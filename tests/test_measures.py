"""What became of a market: figures from its events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace import measures
from marketplace.measures import Efficiency
from traces import kernel as k

AMOUNTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=20)


def _records(*events: tuple[float, k.Event]) -> list[k.Record]:
    return [k.Record(0, seq, t, 0.0, event) for seq, (t, event) in enumerate(events)]


MARKET = _records(
    (0, k.RunStarted(k.Run("s", "c", "market", "native", "m", 0, 1, k.Budget(), "virtual", True), "go")),
    (0, k.TaskPosted("a", "find it", "researcher", by="boss")),
    (0, k.TaskOpened("a")),
    (0, k.TaskPosted("b", "write it", "coder", ("a",), "boss")),
    (1, k.BidMade("a", "ann", 10)),
    (1, k.BidMade("a", "bob", 8, 0.5)),
    (2, k.TaskAwarded("a", "bob", 8, "lowest_bid", "cheap")),
    (4, k.TaskDelivered("a", "bob", "bad")),
    (4, k.TaskReviewed("a", "boss", False, "wrong year")),
    (6, k.TaskDelivered("a", "bob", "good", 2)),
    (6, k.TaskReviewed("a", "boss", True)),
    (6, k.TaskClosed("a", "settled")),
    (6, k.TaskOpened("b")),
    (6, k.BidMade("b", "ann", 5)),
    (6, k.BidMade("b", "bob", 9)),
    (6, k.TaskAwarded("b", "ann", 5, "lowest_bid")),
    (10, k.TaskClosed("b", "withdrawn", "too late")),
)


def test_a_story_tells_a_postings_life() -> None:
    told = measures.stories(MARKET)
    a, b = told["a"], told["b"]
    assert (a.goal, a.role, a.by, a.state, a.holder, a.price) == ("find it", "researcher", "boss", "settled", "bob", 8)
    assert (a.posted, a.awarded, a.delivered, a.closed) == (0, 2, 6, 6)
    assert (len(a.bids), a.deliveries, a.sent_back, a.reason) == (2, 2, 1, "cheap")
    assert (b.state, b.delivered, b.failed, a.failed) == ("withdrawn", None, True, False)


def test_figures_of_a_small_market() -> None:
    told = list(measures.stories(MARKET).values())
    assert measures.prices(told) == [8, 5]
    assert measures.earnings(told, ["cat"]) == {"cat": 0, "ann": 0, "bob": 8}
    assert measures.failures(told) == 0.5
    assert measures.idle(told, ["ann", "bob", "cat"], 10) == {"ann": 0.6, "bob": 0.6, "cat": 1.0}
    graph = measures.network(told)
    assert graph.edges["boss", "bob"] == {"awards": 1, "settled": 1, "paid": 8.0}
    assert graph.edges["boss", "ann"] == {"awards": 1, "settled": 0, "paid": 0.0}
    central = measures.centrality(graph)
    assert sum(central.values()) == pytest.approx(1)
    assert central["ann"] == pytest.approx(central["bob"])
    assert central["ann"] > central["boss"]


def test_efficiency_is_of_what_was_known_or_of_what_was_bid() -> None:
    told = list(measures.stories(MARKET).values())
    worth = {("a", "ann"): 6.0, ("a", "bob"): 2.0, ("b", "ann"): 4.0, ("b", "bob"): 1.0}
    found = measures.efficiency(told, lambda bid: worth[bid.posting, bid.agent])
    assert found == Efficiency(6.0, 10.0)
    assert (found.share, found.loss) == (0.6, 4.0)
    assert measures.efficiency(told, lambda bid: worth[bid.posting, bid.agent], {"ann": 1}).best == 7.0
    by_bids = measures.efficiency(told)
    assert (by_bids.reached, by_bids.best, by_bids.share) == (-21.0, -15.0, None)


def test_nothing_has_no_figures() -> None:
    assert measures.stories([]) == {}
    assert measures.failures([]) is None
    assert measures.efficiency([]).share is None
    assert measures.centrality(measures.network([])) == {}
    assert (measures.gini([]), measures.gini([0, 0]), measures.concentration([0])) == (0, 0, 0)


@given(AMOUNTS)
def test_the_gini_coefficient_is_half_the_mean_difference_by_the_mean(amounts: list[float]) -> None:
    n, total = len(amounts), sum(amounts)
    pairs = sum(abs(a - b) for a, b in itertools.product(amounts, amounts))
    expected = pairs / (2 * n * total) if total else 0.0
    assert measures.gini(amounts) == pytest.approx(expected, abs=1e-9)
    assert measures.gini([*amounts, *amounts]) == pytest.approx(expected, abs=1e-9)


@given(AMOUNTS)
def test_concentration_is_between_equal_shares_and_one(amounts: list[float]) -> None:
    found = measures.concentration(amounts)
    assert found == 0 or 1 / len(amounts) - 1e-9 <= found <= 1 + 1e-9


OFFERS = st.lists(st.dictionaries(st.sampled_from("xyz"), st.integers(-9, 9).map(float)), max_size=4)


@given(OFFERS, st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2)))
def test_the_best_assignment_is_the_best_of_all(offers: list[dict[str, float]], places: dict[str, int]) -> None:
    choices = [[*((agent, value) for agent, value in offer.items()), (None, 0.0)] for offer in offers]
    legal = [
        chosen
        for chosen in itertools.product(*choices)
        if all(sum(agent == name for agent, _ in chosen) <= most for name, most in places.items())
    ]
    best = max(sum(value for _, value in chosen) for chosen in legal)
    assert measures.best_assignment(offers, places, undone=0.0) == pytest.approx(best)
    most = max(sum(agent is not None for agent, _ in chosen) for chosen in legal)
    full = [c for c in legal if sum(agent is not None for agent, _ in c) == most]
    assert measures.best_assignment(offers, places) == pytest.approx(max(sum(v for _, v in c) for c in full))
