"""The board: legal transitions alone, dependencies, awards."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace import mechanisms
from marketplace.board import LEGAL, Board, IllegalTransition, Posting, State
from marketplace.mechanisms import Terms
from traces.errors import InputError
from traces.kernel import BidMade, Event, TaskAwarded, TaskOpened


def _board(mechanism: str = "lowest_bid") -> tuple[Board, list[Event]]:
    events: list[Event] = []
    return Board(events.append, mechanisms.find(mechanism), mechanism), events


def _bid(agent: str, price: float, confidence: float = 1.0) -> BidMade:
    return BidMade("a", agent, price, confidence)


def test_a_posting_opens_when_what_it_needs_is_accepted() -> None:
    board, events = _board()
    board.post(Posting("a", "find it", "researcher"), by="planner")
    board.post(Posting("b", "write it", "coder", ("a",)), by="planner")
    assert [p.id for p in board.in_state(State.OPEN)] == ["a"]
    board.award("a", [_bid("ann", 10)])
    board.deliver("a", "ann", "found")
    assert board.postings["b"].state is State.POSTED
    board.accept("a", by="reviewer")
    assert board.postings["b"].state is State.OPEN
    assert [e.posting for e in events if isinstance(e, TaskOpened)] == ["a", "b"]
    assert not board.done


def test_bids_and_award_are_recorded_with_the_mechanism() -> None:
    board, events = _board("first_claim")
    board.post(Posting("a", "find it", "researcher"), by="planner")
    board.award("a", [_bid("bob", 30), _bid("ann", 10)])
    award = events[-1]
    assert isinstance(award, TaskAwarded)
    assert (award.agent, award.price, award.mechanism) == ("bob", 30, "first_claim")
    assert [e.agent for e in events if isinstance(e, BidMade)] == ["bob", "ann"]


def test_sent_back_work_returns_to_its_holder() -> None:
    board, _ = _board()
    board.post(Posting("a", "find it", "researcher"), by="planner")
    board.award("a", [_bid("ann", 10)])
    board.deliver("a", "ann", "first try")
    board.send_back("a", by="reviewer", reason="wrong year")
    with pytest.raises(IllegalTransition, match="held by ann"):
        board.deliver("a", "bob", "mine")
    board.deliver("a", "ann", "second try")
    board.accept("a", by="reviewer")
    assert (board.postings["a"].attempts, board.postings["a"].delivery, board.done) == (2, "second try", True)


def test_nobody_bids_and_the_posting_stays_open() -> None:
    board, _ = _board()
    board.post(Posting("a", "find it", "researcher"), by="planner")
    with pytest.raises(InputError, match="nobody bid"):
        board.award("a", [])
    assert board.postings["a"].state is State.OPEN


def test_unknown_needs_doubles_and_mechanisms_are_refused() -> None:
    board, _ = _board()
    with pytest.raises(InputError, match="needs 'x'"):
        board.post(Posting("a", "find it", "researcher", ("x",)), by="planner")
    board.post(Posting("a", "find it", "researcher"), by="planner")
    with pytest.raises(InputError, match="already on the board"):
        board.post(Posting("a", "find it", "researcher"), by="planner")
    with pytest.raises(InputError, match="first_claim, posted_price, lowest_bid"):
        mechanisms.find("auctionish")


def test_a_round_is_traded_at_once_and_what_is_not_awarded_stays_open() -> None:
    events: list[Event] = []
    board = Board(events.append, mechanisms.find("lowest_bid"), "lowest_bid", lambda: Terms({"b": 5.0}))
    for name in "abc":
        board.post(Posting(name, "find it", "researcher"), by="planner")
    awards = board.trade([BidMade("a", "ann", 10), BidMade("b", "ann", 10), BidMade("a", "bob", 7)])
    assert [(award.posting, award.agent) for award in awards] == [("a", "bob")]
    assert {p.id: (p.state, p.holder) for p in board.postings.values()} == {
        "a": (State.AWARDED, "bob"),
        "b": (State.OPEN, ""),
        "c": (State.OPEN, ""),
    }
    with pytest.raises(IllegalTransition, match="'a' is awarded"):
        board.trade([BidMade("a", "cat", 1)])


def test_only_what_has_ended_is_forgotten() -> None:
    board, _ = _board()
    board.post(Posting("a", "find it", "researcher"), by="planner")
    with pytest.raises(IllegalTransition, match="has not ended"):
        board.forget("a")
    board.close("a", State.WITHDRAWN, "no longer wanted")
    board.forget("a")
    assert not board.postings


_ACTIONS = st.sampled_from(["award", "deliver", "accept", "send_back", "withdraw", "expire"])


@settings(max_examples=200)
@given(st.lists(st.tuples(_ACTIONS, st.sampled_from("abc")), max_size=30))
def test_no_sequence_of_actions_leaves_the_table_of_transitions(script: list[tuple[str, str]]) -> None:
    board, _ = _board()
    board.post(Posting("a", "1", "r"), by="p")
    board.post(Posting("b", "2", "r", ("a",)), by="p")
    board.post(Posting("c", "3", "r", ("a", "b")), by="p")
    for action, name in script:
        before = {p.id: p.state for p in board.postings.values()}
        with contextlib.suppress(InputError):
            match action:
                case "award":
                    board.award(name, [BidMade(name, "ann", 1)])
                case "deliver":
                    board.deliver(name, "ann", "done")
                case "accept":
                    board.accept(name, by="r")
                case "send_back":
                    board.send_back(name, by="r", reason="no")
                case "withdraw":
                    board.close(name, State.WITHDRAWN, "no longer wanted")
                case _:
                    board.close(name, State.EXPIRED, "too late")
        for posting in board.postings.values():
            now, was = posting.state, before[posting.id]
            assert now is was or now in LEGAL[was]
            if now is not State.POSTED and now not in (State.WITHDRAWN, State.EXPIRED):
                assert all(board.postings[need].state is State.SETTLED for need in posting.needs)
