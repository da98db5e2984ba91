"""What all runs of an experiment may use together, held call by call: before each call a worker asks whether something
is left; after it, or when it is cancelled, it tells what was used. So at most the calls under way at that moment come
on top, however many workers there are.

Worker processes and threads count in one file of the experiment's folder, each in a place of its own; nodes of a Ray
cluster ask an actor (executors_ray.py).
"""

from __future__ import annotations

import asyncio
import struct
import threading
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from agents.models import counting
from agents.models.model import NOT_SENT, Card, Model, Reply, Request, before_sending
from experiments.running.halting import Halt
from traces.errors import TraceError, reason
from traces.home import ExperimentFolder, write_atomically
from traces.kernel import NANO, Budget, Usage
from traces.live import LiveExperiment

FILE = "used"
_PLACE = struct.Struct("<qq")


class Used(Struct, frozen=True):
    """Tokens, and nano-dollars as far as prices are known."""

    tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.tokens + other.tokens, self.nano_usd + other.nano_usd)

    @classmethod
    def of(cls, usage: Usage) -> Used:
        return cls(usage.tokens, usage.cost_nano_usd or 0)

    def spent(self, total: Budget) -> str:
        """What of the experiment's budget is used up, in words; empty while nothing is."""
        words, dollars = "the experiment's budget is spent", self.nano_usd / NANO
        if total.tokens is not None and self.tokens >= total.tokens:
            return f"{words}: {self.tokens:,} of {total.tokens:,} tokens"
        if total.cost_usd is not None and dollars >= total.cost_usd:
            return f"{words}: ${dollars:.4f} of ${total.cost_usd:.4f}"
        return ""


def limits(total: Budget) -> bool:
    """Whether there is anything to hold."""
    return total.tokens is not None or total.cost_usd is not None


def recorded(folder: ExperimentFolder) -> Used:
    """What the experiment's runs have used as its journals tell, those that were cut off included."""
    rows = LiveExperiment(folder).rows("interrupted")
    return Used(sum(row.tokens for row in rows), sum(row.cost_nano_usd or 0 for row in rows))


class Purse(Protocol):
    """What a worker pays from."""

    def used(self) -> Used:
        """By all workers, from the experiment's start."""
        ...

    def add(self, used: Used) -> None:
        """This worker has used so much more."""
        ...


class FilePurse:
    """In a file with a place for each worker: `place` 0 is for what was used before they began."""

    def __init__(self, folder: Path, place: int) -> None:
        self._file, self._at = folder / FILE, place * _PLACE.size
        self._lock = threading.Lock()

    @staticmethod
    def begin(folder: Path, before: Used, workers: int) -> None:
        """Make the file, before any worker begins."""
        places = [_PLACE.pack(before.tokens, before.nano_usd), *[_PLACE.pack(0, 0)] * workers]
        write_atomically(folder / FILE, b"".join(places))

    def used(self) -> Used:
        places = _PLACE.iter_unpack(self._file.read_bytes())
        return sum((Used(*place) for place in places), Used())

    def add(self, used: Used) -> None:
        try:
            with self._lock, open(self._file, "r+b", buffering=0) as file:
                file.seek(self._at)
                now = Used(*_PLACE.unpack(file.read(_PLACE.size))) + used
                file.seek(self._at)
                file.write(_PLACE.pack(now.tokens, now.nano_usd))
        except OSError as error:
            raise TraceError(f"{self._file}: cannot be written: {reason(error)}") from None


class OnePurse:
    """In memory: for an actor that all nodes of a cluster ask."""

    def __init__(self, before: Used) -> None:
        self._used = before

    def used(self) -> Used:
        return self._used

    def add(self, used: Used) -> None:
        self._used += used


class Allowed:
    """The experiment's budget, as the models of one share meet it. `halt` ends the share once it is spent."""

    def __init__(self, total: Budget, purse: Purse, halt: Halt) -> None:
        self._total, self._purse, self._halt = total, purse, halt

    async def call(self) -> None:
        """Return where a call may be made; else never, and the share ends."""
        if self._purse.used().spent(self._total):
            self._halt()
            with before_sending():
                await asyncio.get_running_loop().create_future()

    def add(self, usage: Usage) -> None:
        self._purse.add(Used.of(usage))

    def cut_off(self, request: Request, card: Card, seconds: float) -> Usage | None:
        """A call was cancelled: what it used; None for a simulated one that was stopped with its share, since it will
        be made again from its seed."""
        if card.simulated and self._halt.asked:
            return None
        used = counting.unfinished(request, card, seconds)
        self.add(used)
        return used


class Charged:
    """A model whose calls are paid from the experiment's budget. A cancelled call says what it used: the usage is the
    argument of the CancelledError."""

    def __init__(self, model: Model, allowed: Allowed) -> None:
        self._model, self._allowed = model, allowed

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        await self._allowed.call()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            reply = await self._model.chat(request)
        except asyncio.CancelledError as cancelled:
            if NOT_SENT in cancelled.args:
                raise
            used = self._allowed.cut_off(request, self.card, round(loop.time() - start, 6))
            raise asyncio.CancelledError(NOT_SENT if used is None else used) from None
        self._allowed.add(reply.usage)
        return reply
