"""The board: postings, and the rules by which they change hands.

posted ──> open ──> awarded ──> delivered ──> settled
             ^          ^            │
             │          └─ sent back ┘
             └── (what it needs is accepted)          posted, open, awarded, delivered ──> withdrawn, expired
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from marketplace.mechanisms import Award, Mechanism, Terms
from traces.errors import InputError
from traces.kernel import (
    BidMade,
    Event,
    TaskAwarded,
    TaskClosed,
    TaskDelivered,
    TaskOpened,
    TaskPosted,
    TaskReviewed,
)


class State(StrEnum):
    POSTED = "posted"
    OPEN = "open"
    AWARDED = "awarded"
    DELIVERED = "delivered"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


_ENDED = {State.SETTLED, State.WITHDRAWN, State.EXPIRED}
LEGAL: dict[State, set[State]] = {
    State.POSTED: {State.OPEN, State.WITHDRAWN, State.EXPIRED},
    State.OPEN: {State.AWARDED, State.WITHDRAWN, State.EXPIRED},
    State.AWARDED: {State.DELIVERED, State.OPEN, State.WITHDRAWN, State.EXPIRED},
    State.DELIVERED: {State.SETTLED, State.AWARDED, State.WITHDRAWN, State.EXPIRED},
    State.SETTLED: set(),
    State.WITHDRAWN: set(),
    State.EXPIRED: set(),
}


class IllegalTransition(InputError):
    """A posting was asked to do what its state does not allow."""


class Bidder(Protocol):
    """Somebody who bids on postings and does the work it is awarded."""

    @property
    def name(self) -> str: ...

    async def bid(self, posting: Posting) -> BidMade | None:
        """A sealed bid, or None to pass."""
        ...


@dataclass
class Posting:
    """A piece of work on the board. `needs` are the postings that must be accepted before it opens."""

    id: str
    goal: str
    role: str
    needs: tuple[str, ...] = ()
    state: State = State.POSTED
    holder: str = ""
    delivery: str = ""
    attempts: int = 0
    bids: list[BidMade] = field(default_factory=list)


class Board:
    """The postings of one run. Every change is recorded; an illegal one raises IllegalTransition."""

    def __init__(
        self,
        record: Callable[[Event], object],
        mechanism: Mechanism,
        mechanism_name: str,
        terms: Callable[[], Terms] = Terms,
    ) -> None:
        self._record = record
        self._mechanism, self._mechanism_name, self._terms = mechanism, mechanism_name, terms
        self.postings: dict[str, Posting] = {}
        self._needed_by: dict[str, list[str]] = {}

    def post(self, posting: Posting, *, by: str) -> None:
        """Put work on the board; it opens at once if it needs nothing. What it needs must be posted before it."""
        if posting.id in self.postings:
            raise InputError(f"posting {posting.id!r} is already on the board")
        missing = [need for need in posting.needs if need not in self.postings]
        if missing:
            raise InputError(f"posting {posting.id!r} needs {missing[0]!r}, which is not on the board")
        self.postings[posting.id] = posting
        for need in posting.needs:
            self._needed_by.setdefault(need, []).append(posting.id)
        self._record(TaskPosted(posting.id, posting.goal, posting.role, posting.needs, by))
        self._open_if_ready(posting)

    def in_state(self, *states: State) -> list[Posting]:
        return [posting for posting in self.postings.values() if posting.state in states]

    @property
    def done(self) -> bool:
        return all(posting.state in _ENDED for posting in self.postings.values())

    def award(self, posting_id: str, bids: Iterable[BidMade]) -> Award:
        """Close the bidding: the mechanism picks the winner. Raises InputError where nobody bid, or none well enough;
        the posting stays open."""
        sealed = list(bids)
        if not sealed:
            raise InputError(f"nobody bid for {posting_id!r}")
        awards = self.trade(sealed)
        if not awards:
            raise InputError(f"{self._mechanism_name} takes none of the {len(sealed)} bids for {posting_id!r}")
        return awards[0]

    def trade(self, bids: Sequence[BidMade]) -> list[Award]:
        """Close the bidding on a round of postings: the mechanism picks the winners. A posting without an award stays
        open. Raises IllegalTransition where a bid is on one that is not open."""
        for bid in bids:
            self._may(bid.posting, State.AWARDED)
            self.postings[bid.posting].bids.append(bid)
            self._record(bid)
        awards = self._mechanism(bids, self._terms())
        for award in awards:
            self._move(award.posting, State.AWARDED).holder = award.agent
            name, reason = self._mechanism_name, award.reason
            self._record(TaskAwarded(award.posting, award.agent, award.price, name, reason))
        return awards

    def deliver(self, posting_id: str, agent: str, content: str) -> None:
        posting = self.postings[posting_id]
        if posting.holder != agent:
            raise IllegalTransition(f"{posting_id!r} is held by {posting.holder or 'nobody'}, not by {agent}")
        self._move(posting_id, State.DELIVERED)
        posting.delivery = content
        posting.attempts += 1
        self._record(TaskDelivered(posting_id, agent, content, posting.attempts))

    def accept(self, posting_id: str, *, by: str, reason: str = "") -> None:
        """Settle a delivery; what needed only this opens."""
        self._move(posting_id, State.SETTLED)
        self._record(TaskReviewed(posting_id, by, True, reason))
        self._record(TaskClosed(posting_id, State.SETTLED.value))
        for waiting in self._needed_by.get(posting_id, ()):
            if self.postings[waiting].state is State.POSTED:
                self._open_if_ready(self.postings[waiting])

    def send_back(self, posting_id: str, *, by: str, reason: str) -> None:
        """Back to its holder, to do better."""
        if self.postings[posting_id].state is not State.DELIVERED:
            raise IllegalTransition(f"{posting_id!r} is {self.postings[posting_id].state}: nothing to send back")
        self._move(posting_id, State.AWARDED)
        self._record(TaskReviewed(posting_id, by, False, reason))

    def close(self, posting_id: str, state: State, reason: str) -> None:
        """Take a posting off the board: `State.WITHDRAWN` or `State.EXPIRED`."""
        self._move(posting_id, state)
        self._record(TaskClosed(posting_id, state.value, reason))

    def forget(self, posting_id: str) -> None:
        """Let go of a posting that has ended: a market that runs for long keeps only what is alive."""
        if self.postings[posting_id].state not in _ENDED:
            raise IllegalTransition(f"{posting_id!r} is {self.postings[posting_id].state}: it has not ended")
        del self.postings[posting_id]
        self._needed_by.pop(posting_id, None)

    def _open_if_ready(self, posting: Posting) -> None:
        if all(self.postings[need].state is State.SETTLED for need in posting.needs):
            self._move(posting.id, State.OPEN)
            self._record(TaskOpened(posting.id))

    def _may(self, posting_id: str, state: State) -> Posting:
        if posting_id not in self.postings:
            raise IllegalTransition(f"no posting {posting_id!r} on the board")
        posting = self.postings[posting_id]
        if state not in LEGAL[posting.state]:
            raise IllegalTransition(f"{posting_id!r} is {posting.state}: it cannot become {state}")
        return posting

    def _move(self, posting_id: str, state: State) -> Posting:
        posting = self._may(posting_id, state)
        posting.state = state
        return posting
