"""Mechanisms: who wins, what is paid, and that each keeps what it promises."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from marketplace import mechanisms
from marketplace.mechanisms import MECHANISMS, Award, Mechanism, Terms
from marketplace.mechanisms.sealed import Weights, scored_by
from traces.errors import InputError
from traces.kernel import BidMade

POSTINGS = "abcd"
PRICES = st.integers(0, 60).map(float)


def _bid(
    agent: str, price: float, confidence: float = 1.0, posting: str = "a", seconds: float | None = None
) -> BidMade:
    return BidMade(posting, agent, price, confidence, seconds=seconds)


def _winner(mechanism: str, bids: list[BidMade], terms: Terms | None = None) -> str:
    (award,) = mechanisms.find(mechanism)(bids, terms or Terms())
    return award.agent


@st.composite
def rounds(draw: st.DrawFn, most: int = 4) -> tuple[list[BidMade], Terms]:
    """Bids of up to five agents on up to four postings, with reserves and reputations."""
    agents = [f"agent-{n}" for n in range(draw(st.integers(1, 5)))]
    bids = [
        BidMade(posting, agent, draw(PRICES), draw(st.sampled_from([0.2, 0.5, 1.0])))
        for agent in agents
        for posting in POSTINGS[:most]
        if draw(st.booleans())
    ]
    reserve = {posting: draw(st.integers(1, 60).map(float)) for posting in POSTINGS}
    known = {agent: draw(st.sampled_from([0.1, 0.6, 1.0])) for agent in agents}
    return draw(st.permutations(bids)), Terms(reserve, dict.fromkeys(POSTINGS, "coder"), lambda a, s: known[a])


@pytest.mark.parametrize("name", MECHANISMS)
@settings(max_examples=60)
@given(rounds())
def test_what_every_mechanism_keeps(name: str, given_round: tuple[list[BidMade], Terms]) -> None:
    bids, terms = given_round
    mechanism, known = mechanisms.find(name), MECHANISMS[name]
    before = list(bids)
    awards = mechanism(bids, terms)
    assert awards == mechanism(bids, terms), "pure: the same bids give the same awards"
    assert bids == before
    asked = {(bid.posting, bid.agent): bid.price for bid in reversed(bids)}
    lowest = {bid.agent: min(b.price for b in bids if b.agent == bid.agent) for bid in bids}
    assert max(Counter(award.posting for award in awards).values(), default=1) == 1
    for award in awards:
        assert award.posting in {bid.posting for bid in bids}
        price = lowest[award.agent] if name == "double_auction" else asked[award.posting, award.agent]
        assert award.reason
        if known.rational:
            assert award.price >= price - 1e-9
        charge = award.price if award.charge is None else award.charge
        assert award.price - 1e-9 <= charge <= terms.reserve[award.posting] + 1e-9
        if known.balanced:
            assert charge == award.price
    if known.whole_round:
        assert max(Counter(award.agent for award in awards).values(), default=1) == 1


@pytest.mark.parametrize("name", MECHANISMS)
def test_no_bids_no_awards(name: str) -> None:
    assert mechanisms.find(name)([], Terms()) == []


@pytest.mark.parametrize("name", [name for name, known in MECHANISMS.items() if not known.needs_budget])
def test_without_a_reserve_somebody_gets_it_at_least_for_what_it_asks(name: str) -> None:
    (award,) = mechanisms.find(name)([_bid("ann", 30), _bid("bob", 20)], Terms())
    assert award.price >= {"ann": 30, "bob": 20}[award.agent]


@pytest.mark.parametrize("name", [name for name, known in MECHANISMS.items() if known.needs_budget])
def test_a_mechanism_that_needs_budgets_says_so(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} needs a budget for each posting, and 'a' has none"):
        mechanisms.find(name)([_bid("ann", 30)], Terms())


@pytest.mark.parametrize("name", [name for name, known in MECHANISMS.items() if known.truthful])
@settings(max_examples=150)
@given(st.data())
def test_no_unilateral_deviation_gains_where_a_mechanism_is_truthful(name: str, data: st.DataObject) -> None:
    bids, terms = data.draw(rounds())
    agents = sorted({bid.agent for bid in bids})
    if not agents:
        return
    one = data.draw(st.sampled_from(agents))
    if name == "double_auction":  # alike tasks: one cost for all of them
        cost = data.draw(PRICES)
        bids = [b if b.agent != one else BidMade(b.posting, one, cost) for b in bids]
    costs = {bid.posting: bid.price for bid in bids if bid.agent == one}
    others = {bid.posting: data.draw(PRICES) for bid in bids if bid.agent == one}
    lies = [b if b.agent != one else BidMade(b.posting, one, others[b.posting], b.confidence) for b in bids]
    mechanism = mechanisms.find(name)
    assert _gain(mechanism(lies, terms), one, costs) <= _gain(mechanism(bids, terms), one, costs) + 1e-9


def _gain(awards: list[Award], agent: str, costs: dict[str, float]) -> float:
    anywhere = next(iter(costs.values()))
    return sum(award.price - costs.get(award.posting, anywhere) for award in awards if award.agent == agent)


def test_first_price_rewards_a_lie_where_vickrey_does_not() -> None:
    truth, lie = [_bid("ann", 10), _bid("bob", 30)], [_bid("ann", 29), _bid("bob", 30)]
    for name, gains in (("lowest_bid", True), ("vickrey", False)):
        mechanism = mechanisms.find(name)
        before, after = (_gain(mechanism(bids, Terms()), "ann", {"a": 10.0}) for bids in (truth, lie))
        assert (after > before) is gains


def test_the_lowest_price_for_the_promise_wins_and_ties_go_to_the_first() -> None:
    bids = [_bid("ann", 100, 1.0), _bid("bob", 60, 0.5), _bid("cat", 100, 1.0)]
    assert _winner("lowest_bid", bids) == "ann"
    assert _winner("lowest_bid", [*bids, _bid("dan", 80, 0.9)]) == "dan"
    assert _winner("first_claim", bids[1:]) == "bob"


def test_vickrey_pays_the_second_price_and_a_lone_bidder_the_reserve() -> None:
    vickrey = mechanisms.find("vickrey")
    (award,) = vickrey([_bid("ann", 30), _bid("bob", 20), _bid("cat", 90)], Terms({"a": 50.0}))
    assert (award.agent, award.price) == ("bob", 30)
    (award,) = vickrey([_bid("bob", 20), _bid("cat", 90)], Terms({"a": 50.0}))
    assert (award.agent, award.price) == ("bob", 50)


def test_scores_weigh_price_promise_reputation_and_speed() -> None:
    known = {"ann": 0.9, "bob": 0.2}
    terms = Terms(reputation=lambda agent, skill: known.get(agent, 0.9))
    assert _winner("scored", [_bid("ann", 100), _bid("bob", 50)], terms) == "ann", "reputation outweighs half the price"
    assert _winner("scored", [_bid("ann", 100, 0.4), _bid("cat", 100, 0.8)], terms) == "cat"
    assert _winner("scored", [_bid("ann", 100, seconds=60), _bid("cat", 100, seconds=20)], terms) == "cat"
    cheap = scored_by(Weights(reputation=0.0))
    assert cheap([_bid("ann", 100), _bid("bob", 50)], terms)[0].agent == "bob"


@pytest.mark.parametrize("seed", range(12))
def test_an_assignment_is_the_best_of_all_up_to_seven_by_seven(seed: int) -> None:
    random_ = random.Random(seed)
    size = (random_.randint(1, 7), random_.randint(1, 7)) if seed else (7, 7)
    bids, terms, worth = _matrix(random_, *size)
    rows, columns = (range(n) for n in worth.shape)
    few, many = (rows, columns) if len(rows) <= len(columns) else (columns, rows)
    oriented = worth if few is rows else worth.T
    best = max(
        sum(max(oriented[r, c], 0) for r, c in zip(few, p, strict=True)) for p in itertools.permutations(many, len(few))
    )
    assert _total(mechanisms.find("assignment")(bids, terms), worth) == pytest.approx(best)


@pytest.mark.parametrize("size", [(8, 30), (60, 40), (100, 100)])
def test_an_assignment_is_as_good_as_scipys_above(size: tuple[int, int]) -> None:
    bids, terms, worth = _matrix(random.Random(size[0]), *size)
    kept = np.maximum(worth, 0)
    best = kept[linear_sum_assignment(kept, maximize=True)].sum()
    assert _total(mechanisms.find("assignment")(bids, terms), worth) == pytest.approx(best)


def _matrix(random_: random.Random, postings: int, agents: int) -> tuple[list[BidMade], Terms, np.ndarray]:
    """Everyone bids on everything; worth[p, a] = confidence · (reserve - price)."""
    reserve = {f"p{p}": random_.uniform(20, 100) for p in range(postings)}
    bids = [
        BidMade(f"p{p}", f"a{a}", random_.uniform(0, 1.2 * reserve[f"p{p}"]), random_.uniform(0.3, 1))
        for p in range(postings)
        for a in range(agents)
    ]
    random_.shuffle(bids)
    worth = np.zeros((postings, agents))
    for bid in bids:
        worth[int(bid.posting[1:]), int(bid.agent[1:])] = bid.confidence * (reserve[bid.posting] - bid.price)
    return bids, Terms(reserve), worth


def _total(awards: list[Award], worth: np.ndarray) -> float:
    return sum(worth[int(award.posting[1:]), int(award.agent[1:])] for award in awards)


def test_without_reserves_an_assignment_gives_away_as_many_as_it_can() -> None:
    bids = [_bid("ann", 1, posting="a"), _bid("ann", 90, posting="b"), _bid("bob", 50, posting="a")]
    awards = mechanisms.find("assignment")(bids, Terms())
    assert {(a.posting, a.agent, a.price) for a in awards} == {("a", "bob", 50.0), ("b", "ann", 90.0)}


@settings(max_examples=80)
@given(st.data())
def test_bundles_are_the_best_choice_of_all(data: st.DataObject) -> None:
    items = POSTINGS[: data.draw(st.integers(1, 4))]
    sets = [s for n in range(1, len(items) + 1) for s in itertools.combinations(items, n)]
    offers = data.draw(
        st.lists(st.tuples(st.sampled_from(["ann", "bob", "cat"]), st.sampled_from(sets), PRICES), max_size=8)
    )
    bids = [BidMade(s[0], agent, price, bundle=s[1:]) for agent, s, price in offers]
    terms = Terms({item: data.draw(st.integers(0, 60).map(float)) for item in items})
    awards = mechanisms.find("bundles")(bids, terms)
    won: dict[str, set[str]] = {}
    for award in awards:
        won.setdefault(award.agent, set()).add(award.posting)
        assert award.price <= terms.reserve[award.posting] + 1e-9
    cheapest = {
        agent: min(b.price for b in bids if b.agent == agent and {b.posting, *b.bundle} == s)
        for agent, s in won.items()
    }
    for agent, price in cheapest.items():
        assert sum(a.price for a in awards if a.agent == agent) >= price - 1e-9
    reached = sum(terms.reserve[item] for s in won.values() for item in s) - sum(cheapest.values())
    assert reached == pytest.approx(_exhaustive(bids, terms))


def _exhaustive(bids: list[BidMade], terms: Terms) -> float:
    best = 0.0
    for n in range(1, len(bids) + 1):
        for chosen in itertools.combinations(bids, n):
            items = [item for bid in chosen for item in (bid.posting, *bid.bundle)]
            if len(set(items)) == len(items) and len({bid.agent for bid in chosen}) == n:
                best = max(best, sum(terms.reserve[i] for i in items) - sum(bid.price for bid in chosen))
    return best


def test_more_postings_than_can_be_decided_exactly_are_refused() -> None:
    bids = [_bid("ann", 1, posting=f"p{n}") for n in range(13)]
    with pytest.raises(InputError, match="at most 12 postings exactly; this one has 13"):
        mechanisms.find("bundles")(bids, Terms())


def test_a_double_auction_trades_at_one_price_or_one_pair_less() -> None:
    double = mechanisms.find("double_auction")
    terms = Terms({"a": 100.0, "b": 80.0, "c": 30.0})
    bids = [_bid("ann", 10, posting="a"), _bid("bob", 20, posting="b"), _bid("cat", 60, posting="c")]
    assert [(a.posting, a.agent, a.price) for a in double(bids, terms)] == [("a", "ann", 45.0), ("b", "bob", 45.0)]
    (award,) = double(bids[:2], terms)
    assert (award.posting, award.agent, award.price, award.charge) == ("a", "ann", 20.0, 80.0)


def test_a_mechanism_of_ones_own_is_found_by_its_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_market.py").write_text(
        "from marketplace.mechanisms import Award\n\n"
        "def last(bids, terms):\n    return [Award(bids[-1].posting, bids[-1].agent, bids[-1].price, 'was last')]\n\n"
        "nothing = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own: Mechanism = mechanisms.find("my_market:last")
    assert own([_bid("ann", 1), _bid("bob", 2)], Terms())[0].agent == "bob"
    for name, says in (
        ("auctionish", "there are: first_claim, posted_price"),
        ("my_market:first", "cannot be loaded from my_market:first: module 'my_market' has no attribute 'first'"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("my_market:nothing", "is no function"),
    ):
        with pytest.raises(InputError, match=says):
            mechanisms.find(name)
