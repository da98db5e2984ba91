"""What ends an agent's work beside the run's budget: the steps that its team may take, and going in circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agents.limits import CIRCLE, CIRCLES
from agents.stopping import Met
from traces.kernel import ToolCall

STEPS, IN_CIRCLES = "max_steps", "in_circles"


@dataclass
class Allowance:
    """The steps (turns in which an agent calls tools) that all agents of a run may take together: `limit()`, None is
    no limit. `met`: the limit that ended the last piece of work; None where its agent was done with it."""

    limit: Callable[[], int | None] = lambda: None
    taken: int = 0
    met: Met | None = None

    @property
    def used_up(self) -> Met | None:
        """The limit, once no step is left."""
        limit = self.limit()
        return Met(STEPS, self.taken, limit) if limit is not None and self.taken >= limit else None

    def take(self) -> bool:
        """Take a step; False where none is left."""
        if self.used_up is not None:
            return False
        self.taken += 1
        return True

    def was_done(self) -> None:
        """A piece of work was ended by its agent: that others were cut short before is not what ended the run's work,
        unless no step is left."""
        if self.met is not None and self.met.kind != STEPS:
            self.met = None


class Circles:
    """What an agent called last, with what came back, over its whole conversation: it goes in circles when the same
    calls in the same order, up to CIRCLE of them, give the same results CIRCLES times in a row. A call that is made
    again until its result changes is none."""

    def __init__(self) -> None:
        self._made: deque[tuple[str, str, str]] = deque(maxlen=CIRCLE * CIRCLES)

    def add(self, call: ToolCall, result: str) -> None:
        self._made.append((call.name, call.arguments, result))

    def closed(self) -> str:
        """The calls of the circle, in words; "" where there is none. One that was found is forgotten."""
        made = list(self._made)
        for length in range(1, CIRCLE + 1):
            row = made[-length * CIRCLES :]
            if len(row) == length * CIRCLES and row[length:] == row[:-length]:
                self._made.clear()
                return ", ".join(name for name, _, _ in row[:length])
        return ""
