"""The recorder: the one place where a run's events get their order, their times and their way into the journal."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import msgspec

from traces.journal import Journal
from traces.kernel import Event, MessageSent, Record

_encode = msgspec.json.Encoder().encode


class Recorder:
    """Records one run. Times are seconds since it was made on the running event loop's clock, or, if it was made
    outside a loop, since the first event.

    `digest` is equal for two runs with equal events at equal times of their clocks, whatever the wall clock said.
    With `keep`, `records` holds everything recorded.
    """

    def __init__(self, run: int, journal: Journal | None = None, keep: bool = False) -> None:
        self.run = run
        self.messages = 0
        self.records: list[Record] = []
        self._journal = journal
        self._keep = keep
        self._seq = 0
        self._head = b'{"run":%d,"seq":' % run
        self._hash = hashlib.blake2b(digest_size=16)
        self._loop = _running_loop()
        self._start = self._loop.time() if self._loop else 0.0

    @property
    def events(self) -> int:
        """How many events were recorded."""
        return self._seq

    @property
    def digest(self) -> str:
        """Of every event so far, in hex: over the encoded records without their wall times."""
        return self._hash.hexdigest()

    def now(self) -> float:
        """Seconds of the run's clock since its start."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._start = self._loop.time()
        return round(self._loop.time() - self._start, 6)

    def record(self, event: Event) -> int:
        """Write down what happened just now; returns its sequence number."""
        seq, t, wall = self._seq, self.now(), time.time()
        body = encoded(event)
        head = self._count(seq, t, body, event)
        if self._journal is not None:
            self._journal.write(b'%b,"wall":%.6f,"event":%b' % (head, wall, body))
        if self._keep:
            self.records.append(Record(self.run, seq, t, wall, event))
        return seq

    def _count(self, seq: int, t: float, body: bytes, event: Event) -> bytes:
        """Take an event into the sums; returns the start of its line."""
        self._seq = seq + 1
        head = b'%b%d,"t":%a' % (self._head, seq, t)
        self._hash.update(b'%b,"event":%b}' % (head, body))
        if type(event) is MessageSent:
            self.messages += 1
        return head

    def sync(self) -> None:
        """Return when everything recorded would survive a loss of power: before an outside effect. Under the virtual
        clock nothing is outside, what a run changes dies with its process, and nothing is waited for."""
        if self._journal is not None and not getattr(self._loop, "is_virtual", False):
            self._journal.sync()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def encoded(event: Any) -> bytes:
    """An event's JSON."""
    try:
        return _encode(event)
    except UnicodeEncodeError:  # half a surrogate pair, as models and JSON escapes can produce: not text at all
        return _encode(_scrubbed(msgspec.to_builtins(event)))


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_scrubbed(k): _scrubbed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(v) for v in value]
    return value
