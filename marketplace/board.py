"""The board: postings, and the rules by which they change hands.

posted ──> open ──> awarded ──> in progress ──> delivered ──> accepted ──> settled
   │         ^         │             │  ^           │
   │         │         │             │  └ sent back ┤      (so often as the posting allows)
   │         └─────────┴─ reposted ──┴──────────────┘      (after a failure or a missed deadline, so often as it allows)
   └─> withdrawn, expired                                  (from everything before accepted)

Every action takes a time that does not depend on how many postings there are, or for deadlines on its logarithm.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
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
    TaskReposted,
    TaskReviewed,
    TaskStarted,
)

HIGHEST_PRICE, LONGEST_S = 1e12, 1e9
"""The most that a bid may ask for, in tokens, and take, in seconds."""


class State(StrEnum):
    POSTED = "posted"
    OPEN = "open"
    AWARDED = "awarded"
    IN_PROGRESS = "in progress"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


ENDED = frozenset({State.SETTLED, State.WITHDRAWN, State.EXPIRED})
HELD = frozenset({State.AWARDED, State.IN_PROGRESS})
"""Somebody has it and has yet to deliver."""
_OFF = {State.WITHDRAWN, State.EXPIRED}
LEGAL: dict[State, set[State]] = {
    State.POSTED: {State.OPEN, *_OFF},
    State.OPEN: {State.AWARDED, *_OFF},
    State.AWARDED: {State.IN_PROGRESS, State.DELIVERED, State.OPEN, *_OFF},
    State.IN_PROGRESS: {State.DELIVERED, State.OPEN, *_OFF},
    State.DELIVERED: {State.ACCEPTED, State.IN_PROGRESS, State.OPEN, *_OFF},
    State.ACCEPTED: {State.SETTLED},
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


@dataclass(slots=True)
class Posting:
    """A piece of work on the board. `needs` are the postings that must be accepted before it opens. It may be sent back
    `returns` times and posted again `reposts` times; None is no bound. `failed` are those it was taken from."""

    id: str
    goal: str
    role: str
    needs: tuple[str, ...] = ()
    returns: int | None = None
    reposts: int | None = None
    state: State = State.POSTED
    holder: str = ""
    delivery: str = ""
    attempts: int = 0
    sent_back: int = 0
    reposted: int = 0
    failed: tuple[str, ...] = ()
    waits_for: int = 0


class Board:
    """The postings of one run. Each change is recorded; an illegal one raises IllegalTransition and changes nothing."""

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
        self._in: dict[State, dict[str, Posting]] = {state: {} for state in State if state not in ENDED}
        self._due: list[tuple[float, str, int]] = []

    def post(self, posting: Posting, *, by: str) -> None:
        """Put work on the board; it opens at once if it needs nothing. What it needs must be posted before it."""
        if posting.id in self.postings:
            raise InputError(f"posting {posting.id!r} is already on the board")
        for need in posting.needs:
            if need not in self.postings:
                raise InputError(f"posting {posting.id!r} needs {need!r}, which is not on the board")
            if self.postings[need].state in _OFF:
                raise InputError(f"posting {posting.id!r} needs {need!r}, which is {self.postings[need].state}")
        self.postings[posting.id] = self._in[State.POSTED][posting.id] = posting
        waits_for = [need for need in dict.fromkeys(posting.needs) if not self._accepted(need)]
        posting.waits_for = len(waits_for)
        for need in waits_for:
            self._needed_by.setdefault(need, []).append(posting.id)
        self._record(TaskPosted(posting.id, posting.goal, posting.role, posting.needs, by))
        self._open_if_ready(posting)

    def in_state(self, *states: State) -> list[Posting]:
        """Those that have not ended, state by state, in the order in which they came to be in it."""
        return [posting for state in states for posting in self._in[state].values()]

    @property
    def done(self) -> bool:
        return not any(self._in.values())

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
        for posting_id in dict.fromkeys(chain.from_iterable((bid.posting, *bid.bundle) for bid in bids)):
            self._may(posting_id, State.AWARDED)
        for bid in bids:
            self._record(bid)
        awards = self._mechanism(bids, self._terms())
        for award in awards:
            self._move(award.posting, State.AWARDED).holder = award.agent
            name, reason = self._mechanism_name, award.reason
            self._record(TaskAwarded(award.posting, award.agent, award.price, name, reason))
        return awards

    def assign(self, posting_id: str, agent: str, reason: str) -> Award:
        """Give a posting to an agent, past the mechanism and for nothing."""
        self._move(posting_id, State.AWARDED).holder = agent
        self._record(TaskAwarded(posting_id, agent, 0, "assigned", reason))
        return Award(posting_id, agent, 0, reason)

    def due(self, posting_id: str, at: float) -> None:
        """Its holder is to have delivered by `at` (seconds of the run's clock); see `late`."""
        posting = self.postings[posting_id]
        if posting.state not in HELD:
            raise IllegalTransition(f"{posting_id!r} is {posting.state}: nobody is to deliver it")
        heapq.heappush(self._due, (at, posting_id, posting.reposted))

    def late(self, now: float) -> list[Posting]:
        """Those that were to be delivered by now, and are still with the holder that was to; each is named once."""
        found = []
        while self._due and self._due[0][0] <= now:
            _, posting_id, reposted = heapq.heappop(self._due)
            posting = self.postings.get(posting_id)
            if posting is not None and posting.state in HELD and posting.reposted == reposted:
                found.append(posting)
        return found

    def start(self, posting_id: str, agent: str) -> None:
        """Its holder begins to work. Who delivers without having begun is taken to have begun before."""
        self._held_by(posting_id, agent)
        if self.postings[posting_id].state is not State.AWARDED:
            raise IllegalTransition(f"{posting_id!r} is {self.postings[posting_id].state}: it cannot begin")
        self._move(posting_id, State.IN_PROGRESS)
        self._record(TaskStarted(posting_id, agent))

    def deliver(self, posting_id: str, agent: str, content: str) -> None:
        self._held_by(posting_id, agent)
        posting = self._move(posting_id, State.DELIVERED)
        posting.delivery = content
        posting.attempts += 1
        self._record(TaskDelivered(posting_id, agent, content, posting.attempts))

    def accept(self, posting_id: str, *, by: str, reason: str = "") -> None:
        """Take a delivery; what needed only this opens."""
        self._move(posting_id, State.ACCEPTED)
        self._record(TaskReviewed(posting_id, by, True, reason))
        for waiting in self._needed_by.pop(posting_id, ()):
            posting = self.postings.get(waiting)
            if posting is not None and posting.state is State.POSTED:
                posting.waits_for -= 1
                self._open_if_ready(posting)

    def settle(self, posting_id: str) -> None:
        """It is accepted and paid: done with."""
        self._move(posting_id, State.SETTLED)
        self._record(TaskClosed(posting_id, State.SETTLED.value))

    def send_back(self, posting_id: str, *, by: str, reason: str) -> None:
        """Back to its holder, to do better. Raises IllegalTransition where that has been done as often as it may."""
        posting = self._may(posting_id, State.IN_PROGRESS)
        if posting.state is not State.DELIVERED:
            raise IllegalTransition(f"{posting_id!r} is {posting.state}: nothing to send back")
        if posting.returns is not None and posting.sent_back >= posting.returns:
            raise IllegalTransition(f"{posting_id!r} was sent back {posting.sent_back} times, as often as it may be")
        self._move(posting_id, State.IN_PROGRESS)
        posting.sent_back += 1
        self._record(TaskReviewed(posting_id, by, False, reason))

    def repost(self, posting_id: str, reason: str) -> None:
        """Take it from its holder, who failed or was late, and open it for bids. Raises IllegalTransition where that
        has been done as often as it may."""
        posting = self._may(posting_id, State.OPEN)
        if posting.state is State.POSTED:
            raise IllegalTransition(f"{posting_id!r} is posted: nobody holds it")
        if posting.reposts is not None and posting.reposted >= posting.reposts:
            raise IllegalTransition(f"{posting_id!r} was posted again {posting.reposted} times, as often as it may be")
        self._move(posting_id, State.OPEN)
        holder, posting.holder = posting.holder, ""
        posting.reposted, posting.sent_back = posting.reposted + 1, 0
        posting.failed += (holder,)
        self._record(TaskReposted(posting_id, holder, reason, posting.reposted))

    def close(self, posting_id: str, state: State, reason: str) -> None:
        """Take a posting off the board: `State.WITHDRAWN` or `State.EXPIRED`. What needs it can never open, and is
        withdrawn with it."""
        if state not in _OFF:
            raise IllegalTransition(f"{posting_id!r} cannot be closed as {state}: withdrawn or expired")
        self._move(posting_id, state)
        self._record(TaskClosed(posting_id, state.value, reason))
        off = [posting_id]
        while off:
            need = off.pop()
            for waiting in self._needed_by.pop(need, ()):
                if waiting in self.postings and self.postings[waiting].state is State.POSTED:
                    self._move(waiting, State.WITHDRAWN)
                    self._record(TaskClosed(waiting, State.WITHDRAWN.value, f"it needs {need}"))
                    off.append(waiting)

    def forget(self, posting_id: str) -> None:
        """Let go of a posting that has ended: a market that runs for long keeps only what is alive."""
        if self.postings[posting_id].state not in ENDED:
            raise IllegalTransition(f"{posting_id!r} is {self.postings[posting_id].state}: it has not ended")
        del self.postings[posting_id]

    def _accepted(self, posting_id: str) -> bool:
        return self.postings[posting_id].state in (State.ACCEPTED, State.SETTLED)

    def _open_if_ready(self, posting: Posting) -> None:
        if not posting.waits_for:
            self._move(posting.id, State.OPEN)
            self._record(TaskOpened(posting.id))

    def _held_by(self, posting_id: str, agent: str) -> None:
        posting = self.postings.get(posting_id)
        if posting is None or posting.holder != agent:
            holder = posting.holder or "nobody" if posting else "nobody"
            raise IllegalTransition(f"{posting_id!r} is held by {holder}, not by {agent}")

    def _may(self, posting_id: str, state: State) -> Posting:
        posting = self.postings.get(posting_id)
        if posting is None:
            raise IllegalTransition(f"no posting {posting_id!r} on the board")
        if state not in LEGAL[posting.state]:
            raise IllegalTransition(f"{posting_id!r} is {posting.state}: it cannot become {state}")
        return posting

    def _move(self, posting_id: str, state: State) -> Posting:
        posting = self._may(posting_id, state)
        del self._in[posting.state][posting_id]
        posting.state = state
        if state not in ENDED:
            self._in[state][posting_id] = posting
        return posting
