"""A framework that calls models synchronously, beside an event loop: it runs in a thread, and whenever it wants
something done (a model call, a tool call), the loop does it.

Under the virtual clock the loop stands still while the thread computes, so that no simulated time passes and the order
of events is one; under real time it goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

from traces.clock import catches_up, is_virtual

T = TypeVar("T")

_Job = tuple[Coroutine[Any, Any, Any], "Future[Any]"]


class Ended(RuntimeError):
    """The run is over (cancelled, or failed elsewhere): nothing more is done for the framework."""


class Bridge:
    """`run(work)` calls `work()` in a thread; within it, `do(coroutine)` gives the coroutine's result."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._wake: Callable[[], object] = lambda: None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work()`, or what it raised. Where the task is cancelled, the thread's next `do` raises."""
        result: Future[T] = Future()
        context = copy_context()
        news = asyncio.Semaphore(0)
        if not is_virtual() or catches_up():
            loop = asyncio.get_running_loop()
            self._wake = lambda: loop.call_soon_threadsafe(news.release)
        thread = threading.Thread(target=lambda: context.run(self._work, work, result), daemon=True)
        thread.start()
        try:
            while (job := await self._next(news)) is not None:
                await self._one(*job)
        finally:
            self._over.set()
        return result.result()

    def do(self, job: Coroutine[Any, Any, T]) -> T:
        if self._over.is_set():
            job.close()
            raise Ended("the run is over")
        future: Future[T] = Future()
        self._put((job, future))
        return future.result()

    def _work(self, work: Callable[[], T], result: Future[T]) -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # whatever a framework raises goes back to whoever called it
            result.set_exception(error)
        finally:
            self._put(None)

    def _put(self, job: _Job | None) -> None:
        self._jobs.put(job)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._wake()

    async def _next(self, news: asyncio.Semaphore) -> _Job | None:
        if not is_virtual():
            await news.acquire()
        return self._jobs.get()

    async def _one(self, job: Coroutine[Any, Any, Any], future: Future[Any]) -> None:
        try:
            future.set_result(await job)
        except asyncio.CancelledError:
            future.set_exception(Ended("the run was cancelled"))
            raise
        except Exception as error:  # raised again in the framework's thread
            future.set_exception(error)
