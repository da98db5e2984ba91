"""A recorder for what has been recorded before: it checks that the same happens again, and writes only what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import structs

from traces.committed import Committed
from traces.errors import HeadcountError
from traces.kernel import (
    UNFINISHED,
    Chat,
    EffectIntended,
    Event,
    LimitHit,
    MessageSent,
    Record,
    RunFinished,
    RunStarted,
    ToolExecuted,
    Usage,
)
from traces.recorder import Recorder, Writer, encoded

_decode = msgspec.json.Decoder(Event).decode


class Difference(HeadcountError):
    """Something else happened than was recorded at event `seq`: `recorded` (None: it ended there) and `now` (None:
    that never came)."""

    def __init__(self, seq: int, recorded: Event | None, now: Event | None) -> None:
        self.seq, self.recorded, self.now = seq, recorded, now
        super().__init__(f"step {seq}: recorded was {_kind(recorded)}, now comes {_kind(now)}")


class Rerecorder(Recorder):
    """Records a run that is done again.

    `expected` is what must happen first; what is `written` of it stands in the journal already. What comes after it is
    recorded as by any recorder, or, if `sealed`, is a difference. Simulated time is `exact`: the same events in the
    same order at the same times. In real time an agent's events must come, in whatever order they interleave.

    `record` raises Difference at the first difference, and again at every event after it: nothing more is written.
    """

    def __init__(
        self,
        run: int,
        expected: Sequence[Record],
        *,
        exact: bool,
        journal: Writer | None = None,
        written: Committed | None = None,
        sealed: bool = False,
    ) -> None:
        super().__init__(run, journal)
        self.difference: Difference | None = None
        self._due = list(expected)
        self._exact, self._sealed = exact, sealed
        self._written = len(written.lines) if written is not None else 0
        self._ids: dict[int, int] = {}
        self._latest = 0.0
        if expected:
            self._wall = _after(expected[-1].wall)
        if written is not None:
            self._seq, self._hash = self._written, written.hashed
            self.messages = sum(isinstance(record.event, MessageSent) for record in expected[: self._written])

    @property
    def due(self) -> Record | None:
        """The first recorded event that has not happened again yet."""
        return self._due[0] if self._due else None

    def record(self, event: Event) -> int:
        if self.difference is not None:
            raise self.difference
        if self._closed:
            return self._seq
        if not self._due:
            if self._sealed:
                raise self.differs(event)
            return super().record(event)
        found = self._found(event)
        if found is None:
            raise self.differs(event)
        return found.seq if found.seq < self._written else super().record(event)

    def now(self) -> float:
        """Real time may lag a little behind what was recorded last: what is recorded next is not earlier."""
        return super().now() if self._exact else max(super().now(), self._latest)

    def differs(self, now: Event | None) -> Difference:
        """The difference, which is from now on raised by everything: `now` came instead of what is due."""
        due = self.due
        self.difference = Difference(self._seq if due is None else due.seq, due.event if due else None, now)
        return self.difference

    def _found(self, event: Event) -> Record | None:
        """The recorded event that this is, taken off what is due."""
        if self._exact:
            due = self._due[0]
            same = due.t == self.now() and _essence(due.event) == _essence(_read(event))
            return self._due.pop(0) if same else None
        event = _read(event)
        essence, lane = _timeless(event, self._ids), _lane(event)
        for place, due in enumerate(self._due):
            if _lane(due.event) == lane and _timeless(due.event) == essence:
                if isinstance(event, MessageSent) and isinstance(due.event, MessageSent):
                    self._ids[event.message.id] = due.event.message.id
                self._latest = max(self._latest, due.t)
                return self._due.pop(place)
        return None


def _after(wall: float) -> Callable[[], float]:
    """Unix time, and later than `wall`, which may come from a machine whose clock is ahead: stretches of a run in
    several journals are told apart by it."""
    first = wall + 1e-6
    return lambda: max(time.time(), first)


def _kind(event: Event | None) -> str:
    return type(event).__name__ if event is not None else "nothing"


def _read(event: Event) -> Any:
    """The event as it will be read from the journal."""
    return _decode(encoded(event))


def _lane(event: Any) -> str:
    """Whose doing an event is: these come in one order."""
    if isinstance(event, MessageSent):
        return event.message.sender
    return str(getattr(event, "agent", "") or getattr(event, "by", ""))


def _essence(event: Event) -> bytes:
    """What must be equal. Of a run's start only what it is about: what follows from the rest shows in the events."""
    if isinstance(event, RunStarted):
        run = event.run
        return encoded([run.scenario, run.case, run.team, run.engine, run.clock, event.request])
    if isinstance(event, EffectIntended):
        event = structs.replace(event, key="")  # it follows from the rest, and from the number of the run
    return encoded(event)


def _timeless_usage(usage: Usage) -> Usage:
    cost = None if usage.origin == "estimated" else usage.cost_nano_usd  # seconds of a server may be what costs
    return structs.replace(usage, latency_s=0.0, queue_s=0.0, first_token_s=0.0, cost_nano_usd=cost)


def _timeless(event: Event, ids: dict[int, int] | None = None) -> bytes:
    """What must be equal in real time: no times, and no numbers of messages but those that are answered."""
    if isinstance(event, ToolExecuted):
        event = structs.replace(event, latency_s=0.0)
    elif isinstance(event, Chat) and event.finish_reason in UNFINISHED:
        event = structs.replace(event, usage=_timeless_usage(event.usage))
    elif isinstance(event, LimitHit) and event.kind == "seconds":
        event = structs.replace(event, value=0.0)
    elif isinstance(event, RunFinished):
        usage = _timeless_usage(event.usage)  # sums in another order
        rule = event.ended_by.partition("seconds")[0]
        event = structs.replace(event, usage=usage, latency_s=0.0, waited_s=0.0, ended_by=rule)
    elif isinstance(event, MessageSent):
        answered = event.message.reply_to
        known = answered if ids is None or answered is None else ids.get(answered, answered)
        event = MessageSent(structs.replace(event.message, id=0, reply_to=known))
    return _essence(event)
