"""What a team of one's own, an engine or a mechanism may do that never ends: a loop, a call that blocks, a wait for
nothing. It costs its run, and not the experiment.

A run is idle while it records nothing and no model, tool or person is waited for. One that is idle for so many seconds
of real time is ended: its task is cancelled by the event loop; where the loop is what hangs, `Hung` is raised in its
thread, again and again, for code may catch it. Code that hangs in C ends so only in the main thread of a process whose
`SIGNAL` is `wake`, as a worker's is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from traces.errors import LimitReached

T = TypeVar("T")
KIND = "idle"
LOOK_S = 1.0
SIGNAL = getattr(signal, "SIGUSR2", None)


class Hung(BaseException):
    """Raised in the code that hangs."""


def wake(number: int, frame: object) -> None:
    """Handles SIGNAL."""
    if any(watch.is_asked for watch in list(_watches)):
        raise Hung


async def watched(
    work: Coroutine[Any, Any, T], idle_s: float, events: Callable[[], int], busy: Callable[[], bool]
) -> T:
    """What `work` gives. `events`: how many the run has recorded; `busy`: whether it waits for a model, a tool or a
    person. Raises LimitReached where it was idle for `idle_s` seconds."""
    watch = _Watch(idle_s, events, busy)
    try:
        async with watch.scope:
            _look_after(watch)
            found = await work
    except Hung:
        watch.reached = True
    except BaseException as error:  # a framework may make anything of a cancellation
        if not watch.reached and not _holds_hung(error):
            raise
        watch.reached = True
    finally:
        watch.end()
    if watch.reached:
        raise LimitReached(KIND, idle_s, idle_s)
    return found


def _holds_hung(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.subgroup(Hung) is not None


class _Watch:
    """One run's. `scope` ends its work."""

    def __init__(self, idle_s: float, events: Callable[[], int], busy: Callable[[], bool]) -> None:
        self.reached = self.over = False
        self.scope = asyncio.timeout(None)
        self._idle_s, self._events, self._busy = idle_s, events, busy
        self._loop, self._thread = asyncio.get_running_loop(), threading.current_thread()
        self._before, self._since = -1, 0.0
        self._asked: float | None = None

    @property
    def is_asked(self) -> bool:
        """Whether its loop hangs, as far as is known."""
        return self._asked is not None and not self.over

    def look(self, now: float) -> None:
        """Called by the thread that looks after all runs."""
        if self._asked is not None:
            self._raise()
        elif (events := self._events()) != self._before or self._busy():
            self._before, self._since = events, now
        elif now - self._since > self._idle_s:
            self._asked = now
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._end)

    def end(self) -> None:
        """The work is over: nothing else in this thread is to get what it was sent."""
        self.over = True
        with _lock:
            _watches.discard(self)
            if self._asked is not None:
                _raise_in(self._thread, None)

    def _end(self) -> None:
        """In the loop. Where it hung until now, that may have been another run's doing."""
        hung = self._asked is not None and time.monotonic() - self._asked > LOOK_S
        self._asked, self._before = None, -1
        if not hung and not self.over:
            self.reached = True
            self.scope.reschedule(self._loop.time())

    def _raise(self) -> None:
        if self._thread is threading.main_thread() and SIGNAL and signal.getsignal(SIGNAL) is wake:
            signal.pthread_kill(self._thread.ident or 0, SIGNAL)
        else:
            _raise_in(self._thread, Hung)


def _raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """None: take back what was raised and has not arrived yet."""
    thrown = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), thrown)


_watches: set[_Watch] = set()
_lock = threading.Lock()
_thread: threading.Thread | None = None


def _look_after(watch: _Watch) -> None:
    global _thread
    with _lock:
        _watches.add(watch)
        if _thread is None:
            _thread = threading.Thread(target=_look, daemon=True, name="looking after runs")
            _thread.start()


def _look() -> None:
    while True:
        time.sleep(LOOK_S)
        with _lock:
            now = time.monotonic()
            for watch in _watches:
                watch.look(now)
