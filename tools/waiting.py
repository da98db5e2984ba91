"""How long a run waits for people: that is neither its team's time nor what its budget of seconds is for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


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

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Inside, a person is waited for."""
        self._change(asked=1)
        try:
            yield
        finally:
            self._change(asked=-1)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside, a model or a tool is at work."""
        self._change(working=1)
        try:
            yield
        finally:
            self._change(working=-1)

    @property
    def _idle(self) -> bool:
        return self._asked > 0 and not self._working

    def _change(self, *, asked: int = 0, working: int = 0) -> None:
        self._over = self.seconds
        self._asked, self._working = self._asked + asked, self._working + working
        self._since = asyncio.get_running_loop().time()
