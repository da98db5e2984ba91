"""What does an experiment's runs, of one shape wherever it stands: a worker does a share of them, its journal stands in
the experiment's folder, and what it finishes is told as it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from experiments.running.totals import Used
from experiments.running.worker import Done
from traces.errors import HeadcountError


class WorkerLost(HeadcountError):
    """A worker ended before its share was done."""


class WorkerKilled(WorkerLost):
    """It was killed, or its machine went away: what it had not finished can be done by another."""


class Worker(Protocol):
    """One worker with its share. `over`: all of it is done."""

    share: int
    over: bool

    def news(self) -> list[Done]:
        """The runs finished since the last call, without waiting. Raises WorkerLost."""
        ...

    def stop(self) -> None:
        """Ask it to end, without waiting: calls under way are cancelled, and come into the trace as that."""
        ...

    def end(self) -> None:
        """End it, within seconds, whatever it does; what it wrote stays. May be called twice."""
        ...


class Executor(Protocol):
    def start(self, share: int) -> Worker:
        """A worker for what is left of a share."""
        ...

    def begin(self, cases: int) -> None:
        """So many cases, in their order, may be begun by all its workers, those to come too. Said again at each look at
        an experiment that may stop early; in any other, all may be."""
        ...

    def used(self) -> Used:
        """What all runs have used so far, of an experiment whose budget limits that."""
        ...

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Return when one of the workers may have news, or after so many seconds."""
        ...

    def close(self) -> None: ...
