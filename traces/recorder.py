"""The recorder: the one place where a run's events get their order, their times and their way into the journal."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import msgspec

from traces.journal import Journal
from traces.kernel import Event, MessageSent, Record, RunFinished

TOGETHER = 64
WAIT_S = 0.05
_encode = msgspec.json.Encoder().encode


class Recorder:
    """Records one run. Times are seconds since it was made on the running event loop's clock, or, if it was made
    outside a loop, since the first event.

    An event is in the journal when `record` returns. In a simulated run, which is the same again from its seed, up to
    TOGETHER events or WAIT_S seconds of them wait to be written at once, until the run is over or `sync` is called.

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
        self._waiting: list[tuple[int, float, float, bytes]] = []  # (seq, t, wall, the event's JSON)
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
        self._settle()
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
        self._waiting.append((seq, t, wall, encoded(event)))
        self._seq = seq + 1
        if type(event) is MessageSent:
            self.messages += 1
        if self._keep:
            self.records.append(Record(self.run, seq, t, wall, event))
        due = len(self._waiting) >= TOGETHER or wall - self._waiting[0][2] >= WAIT_S or type(event) is RunFinished
        if due or not self._simulates:
            self._settle()
        return seq

    @property
    def _simulates(self) -> bool:
        """Whether time is virtual: nothing is outside, and what a run changes dies with its process."""
        return bool(getattr(self._loop, "is_virtual", False))

    def _settle(self) -> None:
        """Take the events that wait into the digest, and write them down."""
        if not self._waiting:
            return
        hashed, lines = [], []
        for seq, t, wall, body in self._waiting:
            head = b'%b%d,"t":%a' % (self._head, seq, t)
            hashed.append(b'%b,"event":%b}' % (head, body))
            lines.append(b'%b,"wall":%.6f,"event":%b' % (head, wall, body))
        self._waiting.clear()
        self._hash.update(b"".join(hashed))
        if self._journal is not None:
            self._journal.write(lines)

    def sync(self) -> None:
        """Return when everything recorded would survive a loss of power: before an outside effect. Under the virtual
        clock the disk is not waited for."""
        self._settle()
        if self._journal is not None and not self._simulates:
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
