"""The board: legal transitions alone, dependencies, awards."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from marketplace import mechanisms
from marketplace.board import ENDED, HELD, LEGAL, Board, IllegalTransition, Posting, State
from marketplace.mechanisms import Terms
from traces.errors import InputError
from traces.kernel import (
    BidMade,
    Event,
    TaskAwarded,
    TaskClosed,
    TaskDelivered,
    TaskOpened,
    TaskPosted,
    TaskReposted,
    TaskReviewed,
    TaskStarted,
)


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
    assert not board.done
    board.settle("a")
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


def _awarded(**limits: int) -> Board:
    board, _ = _board()
    board.post(Posting("a", "find it", "researcher", **limits), by="planner")  # type: ignore[arg-type]
    board.award("a", [_bid("ann", 10)])
    return board


def test_work_is_sent_back_as_often_as_the_posting_allows() -> None:
    board = _awarded(returns=1)
    board.deliver("a", "ann", "one")
    board.send_back("a", by="r", reason="no")
    board.deliver("a", "ann", "two")
    with pytest.raises(IllegalTransition, match="'a' was sent back 1 times, as often as it may be"):
        board.send_back("a", by="r", reason="no")
    assert board.postings["a"].state is State.DELIVERED


def test_who_fails_loses_the_posting_and_another_may_try() -> None:
    board = _awarded(reposts=1)
    board.start("a", "ann")
    board.repost("a", "missed the deadline")
    assert (board.postings["a"].state, board.postings["a"].failed) == (State.OPEN, ("ann",))
    with pytest.raises(IllegalTransition, match="held by nobody, not by ann"):
        board.deliver("a", "ann", "too late")
    board.award("a", [_bid("bob", 10)])
    with pytest.raises(IllegalTransition, match="posted again 1 times"):
        board.repost("a", "again")


def test_a_missed_deadline_is_named_once_and_only_for_the_holder_it_was_set_for() -> None:
    board = _awarded()
    board.due("a", 10.0)
    assert board.late(9.9) == []
    assert [p.id for p in board.late(10.0)] == ["a"]
    assert board.late(11.0) == []
    board.due("a", 12.0)
    board.repost("a", "late")
    board.award("a", [_bid("bob", 10)])
    assert board.late(13.0) == []
    board.deliver("a", "bob", "done")
    with pytest.raises(IllegalTransition, match="nobody is to deliver"):
        board.due("a", 20.0)


def test_what_needs_a_withdrawn_posting_is_withdrawn_with_it() -> None:
    board, events = _board()
    board.post(Posting("a", "1", "r"), by="p")
    board.post(Posting("b", "2", "r", ("a",)), by="p")
    board.post(Posting("c", "3", "r", ("b", "a")), by="p")
    board.close("a", State.EXPIRED, "too late")
    assert board.done
    closed = [(e.posting, e.state, e.reason) for e in events if isinstance(e, TaskClosed)]
    assert closed == [("a", "expired", "too late"), ("b", "withdrawn", "it needs a"), ("c", "withdrawn", "it needs a")]
    with pytest.raises(InputError, match="needs 'a', which is expired"):
        board.post(Posting("d", "4", "r", ("a",)), by="p")


def _done(board: Board, name: str) -> None:
    board.assign(name, "ann", "she is free")
    board.deliver(name, "ann", "done")
    board.accept(name, by="r")


def test_what_needs_only_accepted_work_opens_at_once() -> None:
    board, _ = _board()
    for name in ("a", "b"):
        board.post(Posting(name, "1", "r"), by="p")
    _done(board, "a")
    board.post(Posting("c", "2", "r", ("a",)), by="p")
    assert board.postings["c"].state is State.OPEN
    board.settle("a")
    board.post(Posting("d", "2", "r", ("a", "b", "a")), by="p")
    assert (board.postings["d"].state, board.postings["d"].waits_for) == (State.POSTED, 1)
    _done(board, "b")
    assert board.postings["d"].state is State.OPEN


def test_work_that_was_withdrawn_meanwhile_does_not_open_when_what_it_needs_is_accepted() -> None:
    board, events = _board()
    board.post(Posting("a", "1", "r"), by="p")
    for name in ("b", "c", "d"):
        board.post(Posting(name, "2", "r", ("a",)), by="p")
    board.close("b", State.WITHDRAWN, "no longer wanted")
    board.close("c", State.EXPIRED, "too late")
    board.forget("c")
    _done(board, "a")
    assert {p.id: p.state for p in board.postings.values()} == {
        "a": State.ACCEPTED,
        "b": State.WITHDRAWN,
        "d": State.OPEN,
    }
    assert [e.posting for e in events if isinstance(e, TaskOpened)] == ["a", "d"]


def test_what_needs_what_is_withdrawn_goes_with_it_however_far_away() -> None:
    board, events = _board()
    board.post(Posting("a", "1", "r"), by="p")
    for name, need in (("b", "a"), ("c", "b"), ("d", "c")):
        board.post(Posting(name, "2", "r", (need,)), by="p")
    board.close("a", State.WITHDRAWN, "no longer wanted")
    assert board.done
    closed = [(e.posting, e.reason) for e in events if isinstance(e, TaskClosed)]
    assert closed == [("a", "no longer wanted"), ("b", "it needs a"), ("c", "it needs b"), ("d", "it needs c")]


def test_a_life_on_the_board_is_recorded_step_by_step() -> None:
    board, events = _board()
    board.post(Posting("a", "find it", "researcher"), by="planner")
    bid = BidMade("a", "ann", 10)
    board.award("a", [bid])
    board.start("a", "ann")
    assert board.postings["a"].state is State.IN_PROGRESS
    board.deliver("a", "ann", "one")
    board.send_back("a", by="rita", reason="wrong year")
    assert board.postings["a"].state is State.IN_PROGRESS
    board.repost("a", "too slow")
    award = board.assign("a", "bob", "he is free")
    board.deliver("a", "bob", "two")
    board.accept("a", by="rita", reason="right")
    board.settle("a")
    assert (award.posting, award.agent, award.price, award.reason) == ("a", "bob", 0, "he is free")
    assert events == [
        TaskPosted("a", "find it", "researcher", (), "planner"),
        TaskOpened("a"),
        bid,
        TaskAwarded("a", "ann", 10, "lowest_bid", events[3].reason),  # type: ignore[union-attr]
        TaskStarted("a", "ann"),
        TaskDelivered("a", "ann", "one", 1),
        TaskReviewed("a", "rita", False, "wrong year"),
        TaskReposted("a", "ann", "too slow", 1),
        TaskAwarded("a", "bob", 0, "assigned", "he is free"),
        TaskDelivered("a", "bob", "two", 2),
        TaskReviewed("a", "rita", True, "right"),
        TaskClosed("a", "settled"),
    ]


def test_who_takes_over_may_be_sent_back_as_often_as_who_failed() -> None:
    board = _awarded(returns=1)
    board.deliver("a", "ann", "one")
    board.send_back("a", by="r", reason="no")
    board.repost("a", "too slow")
    board.assign("a", "bob", "he is free")
    board.deliver("a", "bob", "two")
    board.send_back("a", by="r", reason="no")
    board.deliver("a", "bob", "three")
    with pytest.raises(IllegalTransition, match="sent back 1 times"):
        board.send_back("a", by="r", reason="no")


def test_deadlines_come_in_order_however_they_were_set() -> None:
    board, _ = _board()
    for name, at in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
        board.post(Posting(name, "1", "r"), by="p")
        board.assign(name, "ann", "she is free")
        board.due(name, at)
    assert [p.id for p in board.late(20.0)] == ["b", "c"]
    assert [p.id for p in board.late(30.0)] == ["a"]


_IDS = st.sampled_from("abcd")
_AGENTS = st.sampled_from(["ann", "bob"])


class Trading(RuleBasedStateMachine):
    """Everybody does anything at any time: what the board takes is in its table, what it refuses changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.board = Board(self.events.append, mechanisms.find("lowest_bid"), "lowest_bid")
        self.now = 0.0

    def _do(self, action: Callable[[], object]) -> None:
        before, seen = {p.id: p.state for p in self.board.postings.values()}, len(self.events)
        try:
            action()
        except InputError:
            assert {p.id: p.state for p in self.board.postings.values()} == before
            assert len(self.events) == seen
        for posting in self.board.postings.values():
            was = before.get(posting.id, State.POSTED)
            reached = LEGAL[was] | {s for once in LEGAL[was] for s in LEGAL[once] if was is State.POSTED}
            assert posting.state is was or posting.state in reached

    @rule(name=_IDS, needs=st.lists(_IDS, max_size=3), bound=st.integers(0, 2))
    def post(self, name: str, needs: list[str], bound: int) -> None:
        self._do(lambda: self.board.post(Posting(name, "x", "r", tuple(needs), bound, bound), by="p"))

    @rule(names=st.lists(_IDS, min_size=1, max_size=3), agent=_AGENTS)
    def trade(self, names: list[str], agent: str) -> None:
        self._do(lambda: self.board.trade([BidMade(name, agent, 1) for name in names]))

    @rule(name=_IDS, agent=_AGENTS, what=st.sampled_from(["start", "deliver"]))
    def act(self, name: str, agent: str, what: str) -> None:
        board = self.board
        self._do(lambda: board.start(name, agent) if what == "start" else board.deliver(name, agent, "done"))

    @rule(name=_IDS, what=st.sampled_from(["accept", "send_back", "settle", "repost"]))
    def judge(self, name: str, what: str) -> None:
        board = self.board
        todo: dict[str, Callable[[], object]] = {
            "accept": lambda: board.accept(name, by="r"),
            "send_back": lambda: board.send_back(name, by="r", reason="no"),
            "settle": lambda: board.settle(name),
            "repost": lambda: board.repost(name, "failed"),
        }
        self._do(todo[what])

    @rule(name=_IDS, state=st.sampled_from(list(State)))
    def close(self, name: str, state: State) -> None:
        self._do(lambda: self.board.close(name, state, "over"))

    @rule(name=_IDS, after=st.floats(0, 5))
    def promise(self, name: str, after: float) -> None:
        if name in self.board.postings:
            self._do(lambda: self.board.due(name, self.now + after))

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for posting in self.board.late(self.now):
            assert posting.state in HELD

    @invariant()
    def what_is_open_or_further_has_what_it_needs(self) -> None:
        board = self.board
        for posting in board.postings.values():
            if posting.state is not State.POSTED and posting.state not in (State.WITHDRAWN, State.EXPIRED):
                assert all(board.postings[n].state in (State.ACCEPTED, State.SETTLED) for n in posting.needs)

    @invariant()
    def the_index_of_states_is_true(self) -> None:
        alive = {p.id for p in self.board.postings.values() if p.state not in ENDED}
        assert {p.id for p in self.board.in_state(*(s for s in State if s not in ENDED))} == alive
        assert self.board.done == (not alive)


Trading.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_no_sequence_of_actions_leaves_the_table_of_transitions = Trading.TestCase
