"""Two clocks, one code path: team code sleeps on its event loop's clock, and the loop decides what a second is."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits for another: nothing is ready, and no timer will ever fire."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready.

    Nothing outside the process may be waited for under it: a thread or socket would be outrun by the clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

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
