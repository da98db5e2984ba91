"""Calling code that is not ours (tools, graders, a scenario's files): awaited where it is async, bounded in time, and
whatever it raises is one error, `Failed`, of that call.

Each call is made in a thread of its own, so that `sys.exit`, a KeyboardInterrupt that the code raises itself and an
endless loop stay there; a real Ctrl-C goes to the main thread, as ever. A thread that runs over its limit is given up
and asked to end: Python code ends, a C call that hangs stays until the process ends. `os._exit` and a crash of the
interpreter end the process, and cannot be caught.

Coroutines run on an event loop of their own: under the virtual clock a simulated one, whose sleeps take no time and are
then charged to the run; in real time one that all calls of the process share, so that a client that a module keeps
works from call to call.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import copy_context
from typing import Any, TypeVar

from msgspec import Struct

from traces.clock import VirtualLoop, is_virtual, run_on
from traces.strict import writable

T = TypeVar("T")
LIMIT_S = 30.0
"""Seconds that a call may take where nothing else is declared."""
LONGEST_ERROR = 2000
_PATIENCE_S = 0.5  # how long a loop that is not blocked may take to answer
_AGAIN_S = 1.0


class Failed(Exception):
    """The code raised something, or ran over its limit; the message says what, in at most LONGEST_ERROR characters.

    `error` is what it raised, None where it ran over its limit."""

    @property
    def said(self) -> str:
        """The message of what it raised, without its type."""
        return str(self) if self.error is None else _message(self.error)

    def __init__(self, words: str, error: BaseException | None) -> None:
        self.error = error
        super().__init__(words)


def passed_on(value: Any) -> Any:
    return value


def forgotten(ended: Future[None]) -> None:
    """What runs on beyond its limit disturbs nobody."""


async def call(
    work: Callable[[], Any],
    limit_s: float,
    then: Callable[[Any], T] = passed_on,
    left: Callable[[Future[None]], object] = forgotten,
) -> T:
    """`then(work())`, both in a thread; what `work()` gives is awaited first where it can be. Under the virtual clock
    the loop stands still meanwhile, and what the code slept passes afterwards. Where the thread is left to itself, over
    its limit or because the task was cancelled, `left` is told when it will have ended. Raises Failed."""
    made: T
    if is_virtual():
        made, slept = _call_now(work, limit_s, then, left, virtual=True)
        if slept:
            await asyncio.sleep(slept)
        return made
    hand = _hand()
    future = hand.give(_Job(work, then, limit_s, virtual=False))
    try:
        await asyncio.wait([asyncio.wrap_future(future)], timeout=limit_s)
    except asyncio.CancelledError:
        hand.give_up(left)
        raise
    made, _ = _settled(hand, future, limit_s, left)
    return made


def call_now(work: Callable[[], Any], limit_s: float, then: Callable[[Any], T] = passed_on, *, virtual: bool) -> T:
    """The same, waiting for it here. `virtual`: sleeps of coroutines take no time."""
    made: T
    made, _ = _call_now(work, limit_s, then, forgotten, virtual=virtual)
    return made


def words_of(error: BaseException) -> str:
    """What an error says, in bounded length, whatever its own message does."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"it ended the process (SystemExit: {_message(error)})"
    if isinstance(error, KeyboardInterrupt):
        return "it raised KeyboardInterrupt"
    said = _message(error)
    return f"{name}: {said}" if said else name


def _message(error: BaseException) -> str:
    try:
        text = str(error)
        return writable(text[:LONGEST_ERROR]) + (" (cut)" if len(text) > LONGEST_ERROR else "")
    except BaseException:  # an error's own message may raise anything
        return "(its message cannot be shown)"


class _Outcome(Struct, frozen=True):
    value: Any = None
    error: BaseException | None = None
    words: str = ""
    slept: float = 0.0


class _Overran(Exception):
    pass


class _End(BaseException):
    """Raised in a thread that was given up."""


class _Job:
    def __init__(self, work: Callable[[], Any], then: Callable[[Any], Any], limit_s: float, *, virtual: bool) -> None:
        self._work, self._then, self._limit_s, self._virtual = work, then, limit_s, virtual
        self._context = copy_context()
        self.awaiting: _Awaited | None = None
        self.given_up = False

    def outcome(self) -> _Outcome:
        return self._context.run(self._outcome)

    def _outcome(self) -> _Outcome:
        slept = 0.0
        try:
            value = self._work()
            if inspect.isawaitable(value):
                value, slept = self._awaited(value)
            return _Outcome(self._then(value), slept=slept)
        except BaseException as error:  # whatever code of the user's raises is its outcome
            return _Outcome(error=error, words=words_of(error), slept=slept)

    def _awaited(self, value: Awaitable[Any]) -> tuple[Any, float]:
        if self._virtual:
            return _in_simulated_time(value, self._limit_s)
        task = _shared_loop_runs(value)
        self.awaiting = task
        if self.given_up:
            task.cancel()
        return task.result(), 0.0

    def give_up(self) -> None:
        self.given_up = True
        if self.awaiting is not None:
            self.awaiting.cancel()
            _look_after_shared_loop()


class _Hand:
    """A thread that makes one call at a time. One that is given up is not used again."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[tuple[_Job, Future[_Outcome]]] = queue.SimpleQueue()
        self.ended: Future[None] = Future()
        self._lock = threading.Lock()
        self._job: _Job | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="user code")
        self._thread.start()

    def give(self, job: _Job) -> Future[_Outcome]:
        self._job = job
        future: Future[_Outcome] = Future()
        self.jobs.put((job, future))
        return future

    def _work(self) -> None:
        with contextlib.suppress(BaseException):  # an _End that comes late
            while self._one(*self.jobs.get()):
                pass
        self.ended.set_result(None)

    def _one(self, job: _Job, future: Future[_Outcome]) -> bool:
        outcome = job.outcome()
        with self._lock:
            if job.given_up:
                return False
            self._job = None
            _IDLE.append(self)
        if not future.cancelled():
            future.set_result(outcome)
        return True

    def give_up(self, left: Callable[[Future[None]], object]) -> bool:
        """Leave it to itself; False where it has just finished."""
        with self._lock:
            if self._job is None:
                return False
            self._job.give_up()
        left(self.ended)
        _ENDING.put(self)
        _end_those_given_up()
        return True

    def end(self) -> bool:
        return _end(self._thread)


_IDLE: deque[_Hand] = deque()
_ENDING: queue.SimpleQueue[_Hand | _Shared] = queue.SimpleQueue()
_START = threading.Lock()
_ending: threading.Thread | None = None
_shared: _Shared | None = None


def _hand() -> _Hand:
    try:
        return _IDLE.pop()
    except IndexError:
        return _Hand()


def _end_those_given_up() -> None:
    """Start the thread that asks those that were given up to end, again and again: code may catch it."""
    global _ending
    with _START:
        if _ending is None:
            _ending = threading.Thread(target=_ask_to_end, daemon=True, name="ending user code")
            _ending.start()


def _ask_to_end() -> None:
    given_up: list[_Hand | _Shared] = []
    while True:
        with contextlib.suppress(queue.Empty):
            given_up.append(_ENDING.get(timeout=_AGAIN_S if given_up else None))
        given_up = [one for one in given_up if one.end()]


def _call_now(
    work: Callable[[], Any],
    limit_s: float,
    then: Callable[[Any], Any],
    left: Callable[[Future[None]], object],
    *,
    virtual: bool,
) -> tuple[Any, float]:
    hand = _hand()
    future = hand.give(_Job(work, then, limit_s, virtual=virtual))
    try:
        with contextlib.suppress(FutureTimeout):
            future.result(limit_s)
    except BaseException:  # a real Ctrl-C, here
        hand.give_up(left)
        raise
    return _settled(hand, future, limit_s, left)


def _settled(
    hand: _Hand, future: Future[_Outcome], limit_s: float, left: Callable[[Future[None]], object]
) -> tuple[Any, float]:
    if not future.done() and hand.give_up(left):
        raise _overran(limit_s)
    outcome = future.result()
    if isinstance(outcome.error, _Overran):
        raise _overran(limit_s)
    if outcome.error is not None:
        raise Failed(outcome.words, outcome.error)
    return outcome.value, outcome.slept


def _overran(limit_s: float) -> Failed:
    return Failed(f"it took longer than its limit of {limit_s:g} s", None)


def _in_simulated_time(value: Awaitable[Any], limit_s: float) -> tuple[Any, float]:
    async def bounded() -> tuple[Any, float]:
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                found = await value
        except TimeoutError:
            if limit.expired():
                raise _Overran from None
            raise
        return found, asyncio.get_running_loop().time()

    loop = _Waiting()
    try:
        return run_on(lambda: loop, bounded())
    finally:
        loop.close()  # where this thread was asked to end, it may be open


class _Waiting(VirtualLoop):
    """Waits for threads and sockets where there is nothing else to be done, instead of raising Deadlock."""

    def _jump(self, to: float | None) -> None:
        if to is not None:
            super()._jump(to)

    def _needs_more(self) -> bool:
        return super()._needs_more() or not self._ready  # type: ignore[attr-defined]


class _Awaited:
    """A coroutine on the loop that all share, from a thread that waits for it: until it has ended, not only until it
    was asked to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, value: Awaitable[Any]) -> None:
        self._loop, self._value = loop, value
        self._over: Future[tuple[Any, BaseException | None]] = Future()
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        """What it raises is kept: a loop would end with a SystemExit."""
        try:
            self._over.set_result((await self._value, None))
        except BaseException as error:
            self._over.set_result((None, error))

    def cancel(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task is not None else None)

    def result(self) -> Any:
        value, error = self._over.result()
        if error is not None:
            raise error
        return value


class _Shared:
    """The loop of all coroutines in real time, and its thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._replaced = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="async user code")
        self._thread.start()

    def _run(self) -> None:
        """A task that the code has started may end the loop, by sys.exit; the others go on."""
        while not self._replaced:
            with contextlib.suppress(BaseException):
                self.loop.run_forever()

    def look(self) -> None:
        """Replace it where a call blocks it and never gives way."""
        alive = threading.Event()
        self.loop.call_soon_threadsafe(alive.set)
        if not alive.wait(_PATIENCE_S):
            self._replaced = True
            _replace(self)
            _ENDING.put(self)
            _end_those_given_up()

    def end(self) -> bool:
        return _end(self._thread)


def _shared_loop_runs(value: Awaitable[Any]) -> _Awaited:
    global _shared
    with _START:
        if _shared is None:
            _shared = _Shared()
        return _Awaited(_shared.loop, value)


def _replace(blocked: _Shared) -> None:
    global _shared
    with _START:
        if _shared is blocked:
            _shared = None


def _look_after_shared_loop() -> None:
    if _shared is not None:
        threading.Thread(target=_shared.look, daemon=True, name="looking after async user code").start()


def _end(thread: threading.Thread) -> bool:
    """Ask a thread to end; whether it still runs."""
    if thread.is_alive() and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_End))
    return thread.is_alive()
