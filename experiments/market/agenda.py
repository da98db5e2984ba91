"""What is still to happen in a simulated market, soonest first."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

Entry = tuple[float, int, Callable[..., None], tuple[Any, ...]]


class Agenda:
    """Actions by the second at which they are due; those of one second in the order in which they were put down.

    A calendar queue (Brown 1988, "Calendar Queues: A Fast O(1) Priority Queue Implementation for the Simulation Event
    Set Problem", Communications of the ACM 31): what is due later waits, in no order, in slots of `width` seconds, and
    only the slot that is under way is kept as a heap. With a width that gathers some tens of actions, one takes the
    same time to put down and to take out however many wait.
    """

    def __init__(self, width: float) -> None:
        self._width = width
        self._later: dict[int, list[Entry]] = {}
        self._slots: list[int] = []  # a heap of its keys
        self._slot = -1
        self._now: list[Entry] = []  # a heap, of what is due up to the end of this slot
        self._put = 0

    def __bool__(self) -> bool:
        return bool(self._now or self._slots)

    def put(self, when: float, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Put down `action(*arguments)` for second `when`, which is not before what was taken out last."""
        self._put += 1
        entry, slot = (when, self._put, action, arguments), int(when / self._width)
        if slot <= self._slot:
            heapq.heappush(self._now, entry)
        elif slot in self._later:
            self._later[slot].append(entry)
        else:
            self._later[slot] = [entry]
            heapq.heappush(self._slots, slot)

    def take(self) -> tuple[float, Callable[..., None], tuple[Any, ...]]:
        """Take out what is due first: when, the action, its arguments. Raises IndexError where nothing is left."""
        if not self._now:
            self._slot = heapq.heappop(self._slots)
            self._now = self._later.pop(self._slot)
            heapq.heapify(self._now)
        when, _, action, arguments = heapq.heappop(self._now)
        return when, action, arguments
