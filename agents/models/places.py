"""Taking turns at a real model: how many calls at a time, how many a minute, and whose the servers' time is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from msgspec import Struct, structs


class Limits(Struct, frozen=True):
    """None is no limit. `at_once`: calls under way at a time."""

    at_once: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def share(self, of: int) -> Limits:
        """One worker's share of the limits, at least one call at a time."""
        if of <= 1:
            return self
        return structs.replace(
            self,
            at_once=self.at_once and max(1, self.at_once // of),
            requests_per_minute=self.requests_per_minute and self.requests_per_minute / of,
            tokens_per_minute=self.tokens_per_minute and self.tokens_per_minute / of,
        )


class Places:
    """The limits of one model, held on each event loop, and the servers' busy time shared out among its calls."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate] = WeakKeyDictionary()

    @asynccontextmanager
    async def place(self, tokens: int) -> AsyncIterator[Place]:
        """A place for one call that sends about so many tokens; `Place.queue_s` is how long it took to get it."""
        loop = asyncio.get_running_loop()
        gate = self._gates.setdefault(loop, _Gate(self._limits))
        start = loop.time()
        async with gate.turn(tokens):
            place = Place(loop.time() - start, gate.shared(loop.time()))
            gate.change(loop.time(), +1)
            try:
                yield place
            finally:
                gate.change(loop.time(), -1)
                place.busy_s = gate.shared(loop.time()) - place.entered


class Place:
    """`busy_s`: its share of the servers' busy time, known when the place is left; n calls at a time have 1/n each."""

    def __init__(self, queue_s: float, entered: float) -> None:
        self.queue_s, self.entered, self.busy_s = queue_s, entered, 0.0


class _Gate:
    def __init__(self, limits: Limits) -> None:
        self._at_once = asyncio.Semaphore(limits.at_once) if limits.at_once else None
        self._requests = per_minute(limits.requests_per_minute)
        self._tokens = per_minute(limits.tokens_per_minute)
        self._under_way = 0
        self._shared, self._since = 0.0, 0.0

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[None]:
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            await self._tokens.acquire(tokens)
        if self._at_once is None:
            yield
            return
        async with self._at_once:
            yield

    def shared(self, now: float) -> float:
        """The busy time that a call which was always there would have had to itself."""
        return self._shared + ((now - self._since) / self._under_way if self._under_way else 0.0)

    def change(self, now: float, by: int) -> None:
        self._shared, self._since = self.shared(now), now
        self._under_way += by


class Rate:
    """A leaky bucket in the order of arrival (the generic cell rate algorithm, ITU-T I.371): so much a second, and a
    second's worth at once, at least one. What is more than the bucket holds goes in when it is empty, and those behind
    it wait until it has run out."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._holds = max(1.0, per_second)
        self._empty = 0.0  # when all that was let in will have run out

    async def acquire(self, amount: float = 1) -> None:
        now = asyncio.get_running_loop().time()
        empty = max(now, self._empty)
        self._empty = empty + amount / self._per_second
        wait = empty - now - max(0.0, self._holds - amount) / self._per_second
        if wait > 0:
            await asyncio.sleep(wait)


def per_minute(rate: float | None) -> Rate | None:
    return Rate(rate / 60) if rate else None
