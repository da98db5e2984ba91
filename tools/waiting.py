"""How long a run waits for people: that is neither its team's time nor what its budget of seconds is for."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager


class Waiting:
    """`seconds` of the event loop's clock in which somebody was asked and no model or tool call was under way: one for
    all agents of a run. What others do meanwhile takes the team's own time."""

    def __init__(self) -> None:
        self._asked = self._working = 0
        self._over = self._since = 0.0

    @property
    def seconds(self) -> float:
        return self._over + (asyncio.get_running_loop().time() - self._since if self._idle else 0.0)

    @property
    def under_way(self) -> bool:
        """Whether a model, a tool or a person is waited for now."""
        return self._asked > 0 or self._working > 0

    def asking(self) -> AbstractContextManager[None]:
        """Inside, a person is waited for."""
        return _Inside(self, asked=1)

    def working(self) -> AbstractContextManager[None]:
        """Inside, a model or a tool is at work."""
        return _Inside(self, working=1)

    @property
    def _idle(self) -> bool:
        return self._asked > 0 and not self._working

    def change(self, asked: int, working: int) -> None:
        """So many more people are asked, and so many more calls are under way, from now on."""
        now = asyncio.get_running_loop().time()
        if self._idle:
            self._over += now - self._since
        self._asked, self._working, self._since = self._asked + asked, self._working + working, now


class _Inside(AbstractContextManager[None]):
    """A part of the run in which something is waited for. A class, since each call of a model or tool is in one."""

    __slots__ = ("_asked", "_waiting", "_working")

    def __init__(self, waiting: Waiting, *, asked: int = 0, working: int = 0) -> None:
        self._waiting, self._asked, self._working = waiting, asked, working

    def __enter__(self) -> None:
        self._waiting.change(self._asked, self._working)

    def __exit__(self, *error: object) -> None:
        self._waiting.change(-self._asked, -self._working)
