"""Two clocks, one code path: team code sleeps on its event loop's clock, and the loop decides what a second is."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits for another: nothing is ready, and no timer will ever fire."""


class _Timer(asyncio.TimerHandle):
    """A timer that keeps its place among those of the same time: asyncio's own order there is the heap's."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.order) < (other.when(), other.order)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready. Timers of one time fire in the order
    in which they were set.

    Nothing outside the process may be waited for under it: a thread or socket would be outrun by the clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers = 0

    def time(self) -> float:
        return self._now

    def call_at(  # type: ignore[override]  # typeshed ties *args to the callback
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._timers += 1
        timer.order = self._timers
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock without sleeping: for a framework that calls a model synchronously."""
        self._now += seconds

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and not self._stopping:  # type: ignore[attr-defined]
            while timers and timers[0]._cancelled:
                self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
                heapq.heappop(timers)._scheduled = False
            if not timers:
                raise Deadlock("every task waits for another one, and no timer is set")
            self._now = max(self._now, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


def is_virtual() -> bool:
    """Whether the running event loop keeps virtual time."""
    return isinstance(asyncio.get_running_loop(), VirtualLoop)


def run(main: Coroutine[Any, Any, T], *, virtual: bool) -> T:
    """Run a coroutine to its end, under virtual or under real time."""
    with asyncio.Runner(loop_factory=VirtualLoop if virtual else None) as runner:
        return runner.run(main)
