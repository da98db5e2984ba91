"""An agent's inbox: bounded, with a rule for when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from traces.kernel import Message


class Full(StrEnum):
    """What happens to a message for an inbox that is full: its sender is made to wait for a place, the oldest message
    makes room for it, or it is refused."""

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"
    REFUSE = "refuse"


class Inbox:
    """Messages in the order in which they came. A place that somebody waited for is kept until it is used."""

    __slots__ = ("_capacity", "_kept", "_queue", "_waiting", "full")

    def __init__(self, capacity: int | None, full: Full) -> None:
        self.full = full
        self._capacity = capacity
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._kept = 0

    @property
    def has_room(self) -> bool:
        return self._capacity is None or self._queue.qsize() + self._kept < self._capacity

    def put(self, message: Message) -> None:
        self._queue.put_nowait(message)

    def drop(self) -> Message:
        """The oldest message, taken out."""
        return self._queue.get_nowait()

    async def get(self) -> Message:
        message = await self._queue.get()
        if self._waiting:
            self._grant()
        return message

    def take(self) -> list[Message]:
        """All there are, without waiting."""
        messages = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        self._grant()
        return messages

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place; inside, it is there for one message."""
        if not self.has_room or self._waiting:
            granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(granted)
            try:
                await granted
            except asyncio.CancelledError:
                self._withdraw(granted)
                raise
            self._kept -= 1
        yield

    def close(self) -> list[Message]:
        """What was not received. Those who wait for a place are let go."""
        for granted in self._waiting:
            if not granted.done():
                granted.set_result(None)
        self._waiting.clear()
        return self.take()

    def _grant(self) -> None:
        """Give free places to those who have waited longest."""
        while self._waiting and self.has_room:
            granted = self._waiting.popleft()
            if not granted.done():
                self._kept += 1
                granted.set_result(None)

    def _withdraw(self, granted: asyncio.Future[None]) -> None:
        if granted in self._waiting:
            self._waiting.remove(granted)
        elif granted.done() and not granted.cancelled():
            self._kept -= 1
            self._grant()
