"""Two clocks, one code path: team code sleeps on its event loop's clock, and the loop decides what a second is."""

from __future__ import annotations

import asyncio
import heapq
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")
_GIVE_WAY = 100


class Deadlock(RuntimeError):
    """Every task waits for another: nothing is ready, and no timer will ever fire."""


class _Timer(asyncio.TimerHandle):
    """A timer that keeps its place among those of the same time: asyncio's own order there is the heap's."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.order) < (other.when(), other.order)


class RealLoop(asyncio.SelectorEventLoop):
    """An event loop of real time that a task does not end by `sys.exit`: that is what the task has raised, for whoever
    waits for it, and no more."""

    def _run_once(self) -> None:
        try:
            super()._run_once()  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            _keep_from_ending(error)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready. Timers of one time fire in the order
    in which they were set.

    Nothing outside the process may be waited for under it: a thread or socket would be outrun by the clock.
    """

    is_virtual = True
    """Whether its time is virtual now."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers = self._skips = 0

    def time(self) -> float:
        return self._now

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

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

    def skip(self, to: float) -> bool:
        """Move the clock to a time before which nothing else is to be done. Where something is, and one time in a
        hundred, so that who interrupts the loop gets through, nothing is changed, and False returned."""
        self._skips += 1
        following = self._next_timer()
        if self._ready or self._skips % _GIVE_WAY == 0 or (following is not None and following <= to):  # type: ignore[attr-defined]
            return False
        self._now = max(self._now, to)
        return True

    def _run_once(self) -> None:
        if not self._ready and not self._stopping:  # type: ignore[attr-defined]
            self._jump(self._next_timer())
        try:
            if self.is_virtual and not self._needs_more():
                self._run_ready()
            else:
                super()._run_once()  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            _keep_from_ending(error)

    def _needs_more(self) -> bool:
        """Whether this turn is asyncio's own: with more open than the loop's own pipe, to clear away cancelled timers,
        and while debugging."""
        opened: int = len(self._selector.get_map())  # type: ignore[attr-defined]
        return opened > 1 or self._timer_cancelled_count > 100 or self._debug  # type: ignore[attr-defined]

    def _run_ready(self) -> None:
        """asyncio's turn without a look at files and sockets: what is due, and what is ready, in the same order."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        due = self._now + self._clock_resolution  # type: ignore[attr-defined]
        while timers and timers[0]._when < due:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _next_timer(self) -> float | None:
        """When the next timer fires; None where none is set."""
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(timers)._scheduled = False
        return timers[0]._when if timers else None

    def _jump(self, to: float | None) -> None:
        if to is None:
            raise Deadlock("every task waits for another one, and no timer is set")
        self._now = max(self._now, to)


class CatchUpLoop(VirtualLoop):
    """Virtual time until `until`, real time from there on: what was recorded is done again at once and in its order,
    and then goes on at the time of the clock at which it broke off."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self._until = until
        self._since = 0.0  # real time at the change
        self.live = asyncio.Event()

    def time(self) -> float:
        return self._now if self.is_virtual else self._until + time.monotonic() - self._since

    def _jump(self, to: float | None) -> None:
        if self.is_virtual and to is not None and to <= self._until:
            self._now = max(self._now, to)
        elif self.is_virtual:
            self._now, self._since = self._until, time.monotonic()
            self.is_virtual = False
            self.live.set()


def _keep_from_ending(error: SystemExit | KeyboardInterrupt) -> None:
    """asyncio ends its loop with a SystemExit or KeyboardInterrupt that a task raises. The task has it as its error;
    here it goes no further. A person's Ctrl-C does."""
    if not ends_only_its_task(type(error)):
        raise error


def ends_only_its_task(kind: type[BaseException]) -> bool:
    """Whether an error is a SystemExit or KeyboardInterrupt that code has raised: Ctrl-C comes to the main thread,
    where it is not turned off."""
    if issubclass(kind, KeyboardInterrupt):
        here = threading.current_thread() is threading.main_thread()
        return not here or signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return issubclass(kind, SystemExit)


async def until(when: float) -> None:
    """Sleep until the loop's clock shows `when`; in virtual time without a turn of the loop, where none is needed."""
    loop = asyncio.get_running_loop()
    if not (type(loop) is VirtualLoop and loop.skip(when)):
        await asyncio.sleep(when - loop.time())


def is_virtual() -> bool:
    """Whether the running event loop keeps virtual time, at least for now."""
    return bool(getattr(asyncio.get_running_loop(), "is_virtual", False))


def catches_up() -> bool:
    """Whether the running event loop keeps virtual time at first, and real time later."""
    return isinstance(asyncio.get_running_loop(), CatchUpLoop)


async def live() -> None:
    """Return when the present has begun: at once, but for a loop that still catches up with a recorded past."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, CatchUpLoop):
        await loop.live.wait()


def run(main: Coroutine[Any, Any, T], *, virtual: bool, catch_up: float = 0.0) -> T:
    """Run a coroutine to its end, under virtual or under real time. `catch_up`: the first so many seconds of real time
    are a past that is done again, in virtual time."""

    def loop() -> asyncio.AbstractEventLoop:
        if virtual:
            return VirtualLoop()
        return CatchUpLoop(catch_up) if catch_up else RealLoop()

    return run_on(loop, main)


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop that is made for it; raises whatever it raises, SystemExit included."""
    ended: list[BaseException] = []

    async def kept() -> T | None:
        try:
            return await main
        except (SystemExit, KeyboardInterrupt) as error:  # as they are, the loop would wait for more
            ended.append(error)
            return None

    with asyncio.Runner(loop_factory=loop) as runner:
        found = runner.run(kept())
    if ended:
        raise ended[0]
    return found  # type: ignore[return-value]  # None only where it ended so, or is the result
