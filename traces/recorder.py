"""The recorder: the one place where a run's events get their order, their times and their way into the journal."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, get_args

import msgspec
from msgspec import inspect

from traces import bounds, journal
from traces.errors import TraceError
from traces.kernel import Event, MessageSent, Record, RunFinished

TOGETHER = 128
WAIT_S = 0.05
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Unwritable(TraceError):
    """An event that could not be read again: a number that is not finite or out of range, or a field of another kind.
    It is not written."""


class Writer(Protocol):
    """What a recorder writes to: a Journal (traces/journal.py), or what carries the lines to one."""

    def write(self, bodies: Sequence[bytes], /) -> None:
        """Take events, together or not at all: records' JSON without the closing braces."""
        ...

    def sync(self) -> None:
        """Return when everything written so far would survive a loss of power, wherever it is kept."""
        ...

    def close(self) -> None: ...


class Recorder:
    """Records one run. Times are seconds since it was made on the running event loop's clock, or, if it was made
    outside a loop, since the first event.

    An event is in the journal when `record` returns. In a simulated run, which is the same again from its seed, up to
    TOGETHER events or WAIT_S seconds of them wait to be written at once, until the run is over or `sync` is called.

    `digest` is equal for two runs with equal events at equal times of their clocks, whatever the wall clock said.
    With `keep`, `records` holds everything recorded.
    """

    def __init__(self, run: int, journal: Writer | None = None, keep: bool = False) -> None:
        self.run = run
        self.messages = 0
        self.records: list[Record] = []
        self._journal = journal
        self._keep = keep
        self._seq = 0
        self._waiting: list[bytes] = []  # lines without their closing braces
        self._since = 0.0  # when the first of them was recorded
        self._wall = time.time
        self._closed = False
        self._lost: TraceError | None = None
        self._hash = hashlib.sha256()
        self._loop = _running_loop()
        self._start = self._loop.time() if self._loop else 0.0
        self._at, self._now = self._start, 0.0

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
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            self._start = self._at = loop.time()
        at = loop.time()
        if at != self._at:  # virtual time often stands still
            self._at, self._now = at, round(at - self._start, 6)
        return self._now

    def record(self, event: Event) -> int:
        """Write down what happened just now; returns its sequence number. Raises Unwritable."""
        if self._closed:
            return self._seq
        seq, wall, waiting = self._seq, self._wall(), self._waiting
        record = Record(self.run, seq, self.now(), wall, event)
        line = readable(record)
        if not waiting:
            self._since = wall
        waiting.append(line[:-1])
        self._seq = seq + 1
        if self._keep:
            self.records.append(record)
        kind = type(event)
        if kind is MessageSent:
            self.messages += 1
        if len(waiting) >= TOGETHER or wall - self._since >= WAIT_S or kind is RunFinished or not self._simulates:
            self._settle()
        return seq

    @property
    def _simulates(self) -> bool:
        """Whether time is virtual: nothing is outside, and what a run changes dies with its process."""
        return bool(getattr(self._loop, "is_virtual", False))

    def _settle(self) -> None:
        """Take the events that wait into the digest, and write them down."""
        lines, self._waiting = self._waiting, []
        self._hash.update(undated(lines))
        if lines and self._journal is not None:
            if self._lost is not None:
                raise TraceError(str(self._lost))
            try:
                self._journal.write(lines)
            except TraceError as error:  # a full disk: what follows a loss would not count
                self._lost = error
                raise

    def close(self) -> None:
        """Write down what waits; what happens from now on is not recorded."""
        self._settle()
        self._closed = True

    def sync(self) -> None:
        """Return when everything recorded would survive a loss of power: before an outside effect. Under the virtual
        clock the disk is not waited for."""
        self._settle()
        if self._journal is not None and not self._simulates:
            self._journal.sync()


def readable(record: Record) -> bytes:
    """The JSON of a record that can be read again. Numbers that are not finite would become null. Raises Unwritable."""
    line = encoded(record)
    try:
        if type(record.event) in _OPEN:
            bounds.check_depth(line, journal.DEEPEST)
            if b"null" in line:
                bounds.check(msgspec.to_builtins(record.event), depth=journal.DEEPEST)
        _decode(line)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unwritable(f"{type(record.event).__name__} cannot be recorded: {error}") from None
    return line


def _is_open(type_: inspect.Type) -> bool:
    """Whether there is room in it for a null that was another number, or for any depth: reading it again would not
    tell."""
    if isinstance(type_, inspect.UnionType):
        kinds = {type(one) for one in type_.types}
        return {inspect.NoneType, inspect.FloatType} <= kinds or any(map(_is_open, type_.types))
    if isinstance(type_, inspect.StructType):
        return any(_is_open(field.type) for field in type_.fields)
    if isinstance(type_, inspect.DictType):
        return _is_open(type_.value_type)
    if isinstance(type_, inspect.VarTupleType | inspect.ListType):
        return _is_open(type_.item_type)
    return not isinstance(type_, _CLOSED)


_CLOSED = (inspect.StrType, inspect.IntType, inspect.FloatType, inspect.BoolType, inspect.NoneType, inspect.LiteralType)
_OPEN = frozenset(kind for kind in get_args(Event) if _is_open(inspect.type_info(kind)))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def undated(lines: Iterable[bytes]) -> bytes:
    """What the digest takes of records, given as their JSON without the closing braces: all but the wall times."""
    pieces: list[bytes] = []
    for line in lines:
        before, key, event = line.partition(b',"event":')
        pieces += (before[: before.rindex(b',"wall":')], key, event, b"}")
    return b"".join(pieces)


def encoded(value: Any) -> bytes:
    """The JSON of an event, or of a record."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, as models and JSON escapes can produce: not text at all
        return _encode(_scrubbed(msgspec.to_builtins(value)))


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_scrubbed(k): _scrubbed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(v) for v in value]
    return value
