"""Ending a worker's share from outside: what waits is cancelled, so that calls under way come into the trace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Halted(BaseException):
    """The share was asked to end before it was done. Not an Exception, so that nobody takes it for a failed run."""


class Halt:
    """`halt()` may be called from any thread, or from a signal handler, at any time and more than once. What runs
    `within` it is cancelled then, after `first()`."""

    def __init__(self) -> None:
        self.asked = False
        self.first: Callable[[], object] = lambda: None
        self._lock = threading.RLock()  # a signal handler may come in between
        self._work: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def __call__(self) -> None:
        self.asked = True
        with self._lock:
            if self._work is not None:
                self._work[0].call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._work is not None:
            self.first()
            self._work[1].cancel()

    def check(self) -> None:
        """Raises Halted once it was asked for."""
        if self.asked:
            raise Halted

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives. Raises Halted where it was cancelled from outside."""
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            self._work = asyncio.get_running_loop(), task
        if self.asked:
            self._cancel()
        try:
            return await work
        except asyncio.CancelledError:
            self.check()
            raise
        finally:
            with self._lock:
                self._work = None
