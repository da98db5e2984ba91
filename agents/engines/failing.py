"""What goes wrong inside a framework comes out as it was raised, whatever the framework makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Failure:
    """Keeps the first error that was raised within `kept()` or `kept_while()`; `again()` raises it. `cancel()` ends
    what is under way in `kept_while()`, for frameworks that do not pass a cancellation on."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._running: set[asyncio.Task[Any]] = set()

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.error is None:
                self.error = error
            raise

    async def kept_while(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        try:
            with self.kept():
                return await task
        finally:
            self._running.discard(task)

    def cancel(self) -> None:
        for task in list(self._running):
            task.cancel()

    def again(self) -> None:
        if self.error is not None:
            raise self.error
