"""The journal: what happened, as JSON lines, one event a line, only ever appended to.

A line is a `Record` with a checksum as its last field: `{"run":0,"seq":0,...,"event":{...},"crc":"0a1b2c3d"}`, where
`crc` is the CRC-32 of the bytes before `,"crc"`. One call of the system writes a line, or several, so another process
that reads sees whole lines, and at most the last one torn. After a power loss the end may be torn, garbled or zeroed,
and a disk may garble anything: the checksums say which lines are whole, and a damaged place costs the events that it
hit.

A journal grows in segments of about SEGMENT bytes: `journal-0.jsonl`, then `journal-0.0001.jsonl`, and so on; one that
is opened again goes on in a new segment. The last line of a segment that has a successor names it,
`{"next":"journal-0.0001.jsonl","crc":"..."}`, so that one that goes missing is missed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from traces import bounds
from traces.errors import TraceError
from traces.kernel import Record

SEGMENT = 64 << 20
DEEPEST = 150  # objects and lists within each other in an event
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_CRC = len(b',"crc":"01234567"}')
_NEXT = b'{"next":'
_NAME = re.compile(r"(.+?)(?:\.(\d{4,}))?\.jsonl")


@dataclass(frozen=True)
class Damage:
    """A place in a journal that is not whole events: its first byte, how many bytes it has (0 where a whole segment is
    missing), and what is wrong."""

    path: Path
    offset: int
    lost_bytes: int
    reason: str

    def __str__(self) -> str:
        if not self.lost_bytes:
            return f"{self.path}: {self.reason}"
        return f"{self.path}: {self.reason} at byte {self.offset}; {self.lost_bytes} bytes from there are not read"


class Journal:
    """A journal, open for appending; one process and one thread at a time. `path` is its first segment.

    What `append` was given survives the death of the process at once, and a loss of power after `sync`, or after the
    first append that comes `fsync_every` seconds after the last sync. It goes on in a new segment as soon as one has
    `segment` bytes. A damaged end that an earlier crash left is cut off when the journal is opened: `repaired` says
    what, and the bytes are kept beside it in `<name>.damaged`.
    """

    def __init__(self, path: Path, fsync_every: float = 0.05, segment: int = SEGMENT) -> None:
        there = segments(path)
        self.path = there[-1] if there else path
        self.repaired = _repair(self.path)
        self._every = fsync_every
        self._segment = segment
        if there and successor(self.path) is not None:  # that one is missing, and must stay missed
            self.path = _numbered(path, place(self.path)[1] + 2)
        self._fd, self._size = _appending(self.path)
        self._opened_again = self._size > 0
        self._synced = time.monotonic()
        self._dirty = False
        self._thread = ThreadPoolExecutor(1, "journal")
        self._syncing: Future[None] | None = None

    def append(self, record: Record) -> None:
        """Write one event."""
        self.write([_encode(record)[:-1]])

    def write(self, bodies: Sequence[bytes]) -> None:
        """Write events that are already encoded, together or not at all: records' JSON without the closing braces."""
        if self._opened_again:  # what was written elsewhere in between must not come to stand behind both parts
            self._opened_again = False
            self._rotate()
        pieces = [piece for body in bodies for piece in (body, b',"crc":"%08x"}\n' % zlib.crc32(body))]
        self._put(b"".join(pieces))
        if self._size >= self._segment:
            self._rotate()
        elif time.monotonic() - self._synced >= self._every:
            self._sync_soon()

    def _put(self, lines: bytes) -> None:
        try:
            written = os.write(self._fd, lines)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be written: {error.strerror}") from None
        if written != len(lines):
            os.ftruncate(self._fd, self._size)  # what follows must not join a torn line
            raise TraceError(f"{self.path}: cannot be written: no room for a whole event")
        self._size += written
        self._dirty = True

    def _rotate(self) -> None:
        """Go on in the next segment. It is on the disk before this one names it: a name alone means a loss."""
        following = _numbered(self.path, place(self.path)[1] + 1)
        fd, size = _appending(following)
        try:
            name = _NEXT + _encode(following.name)
            self._put(b'%b,"crc":"%08x"}\n' % (name, zlib.crc32(name)))
            self.sync()
        except TraceError:
            os.close(fd)
            raise
        os.close(self._fd)
        self.path, self._fd, self._size = following, fd, size

    def sync(self) -> None:
        """Return when everything appended so far would survive a loss of power."""
        if self._syncing is not None:
            self._syncing.result()
            self._syncing = None
        if self._dirty:
            self._flush(self._fd)
            self._dirty = False
        self._synced = time.monotonic()

    def _flush(self, fd: int) -> None:
        try:
            os.fsync(fd)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be written: {error.strerror}") from None

    def _sync_soon(self) -> None:
        """Sync in the background: whoever appends need not wait for the disk. Raises what the last one met."""
        if self._syncing is None or self._syncing.done():
            if self._syncing is not None:
                self._syncing.result()
            self._syncing = self._thread.submit(self._flush, self._fd)
            self._dirty = False
            self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close; may be called twice."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1
            self._thread.shutdown()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def whole(line: bytes) -> bool:
    """Whether these bytes are one line as it was written, by its checksum."""
    return line.endswith(b',"crc":"%08x"}\n' % zlib.crc32(line[: -_CRC - 1]))


def fault(line: bytes) -> str:
    """Why a whole line, or the JSON of a record, is no event that this version can read; empty where it is one."""
    try:
        if line.count(b"{") + line.count(b"[") > DEEPEST:
            bounds.check_depth(line, DEEPEST)
        _decode(line)
    except (msgspec.MsgspecError, ValueError) as error:
        return str(error)
    return ""


def lines(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """The events' lines of a segment from a byte offset on, each with the offset after it. What is not whole is passed
    over."""
    with _open(path) as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if whole(line) and not names_next(line):
                yield line, offset


def read(path: Path, offset: int = 0) -> Iterator[tuple[Record, int]]:
    """The events of a segment from a byte offset on, each with the offset after it."""
    for line, after in lines(path, offset):
        yield decode(line, path), after


def decode(line: bytes, path: Path | None = None) -> Record:
    """The event of a line; raises TraceError if this version does not know it."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TraceError(f"{path or 'journal'}: an event that this version cannot read: {error}") from None


def names_next(line: bytes) -> bool:
    """Whether a whole line is no event, but the name of the next segment."""
    return line.startswith(_NEXT)


def place(path: Path) -> tuple[str, int]:
    """Which journal a file belongs to, and its number among the segments: segments sort by it."""
    found = _NAME.fullmatch(path.name)
    return (found[1], int(found[2] or 0)) if found else (path.name, 0)


def segments(path: Path) -> list[Path]:
    """The segments that there are of the journal that `path` belongs to, in order."""
    name = place(path)[0]
    found = (other for other in path.parent.glob(f"{name}*.jsonl") if place(other)[0] == name)
    return sorted(found, key=place)


def successor(path: Path) -> str | None:
    """The name of the next segment, as the last line of this one gives it; None where it seems to be the last."""
    with _open(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        line = file.read().splitlines(keepends=True)[-1:]
    return str(msgspec.json.decode(line[0])["next"]) if line and whole(line[0]) and names_next(line[0]) else None


def missing(paths: Iterable[Path]) -> list[Damage]:
    """The segments that are gone, of those that belong together with these."""
    found = []
    journals: dict[str, list[Path]] = {}
    for path in sorted(paths, key=place):
        journals.setdefault(place(path)[0], []).append(path)
    for there in journals.values():
        numbers = {place(path)[1] for path in there}
        known = max(numbers) + (successor(there[-1]) is not None)
        gone = sorted(set(range(known + 1)) - numbers)
        found += [Damage(_numbered(there[0], number), 0, 0, "this segment is missing") for number in gone]
    return found


def damaged(path: Path) -> list[Damage]:
    """Every place in a segment that is not whole events. A line that is just being written looks torn."""
    found: list[Damage] = []
    with _open(path) as file:
        offset = 0
        for line in file:
            if not whole(line):
                add_damage(found, path, offset, line)
            offset += len(line)
    return found


def add_damage(found: list[Damage], path: Path, offset: int, line: bytes) -> None:
    """Note a damaged line; one that follows another makes one place with it."""
    last = found[-1] if found else None
    if last is not None and last.path == path and last.offset + last.lost_bytes == offset:
        found[-1] = Damage(path, last.offset, last.lost_bytes + len(line), last.reason)
    else:
        found.append(Damage(path, offset, len(line), _reason(line)))


def _reason(line: bytes) -> str:
    if not line.strip(b"\0\n"):
        return "zeros instead of an event"
    return "a line whose checksum does not fit" if line.endswith(b"\n") else "a line that breaks off"


def _repair(path: Path) -> Damage | None:
    """Cut off what follows the last whole line."""
    if not path.exists():
        return None
    places = damaged(path)
    size = path.stat().st_size
    damage = places[-1] if places and places[-1].offset + places[-1].lost_bytes == size else None
    if damage is not None:
        with open(path, "r+b") as file, open(path.with_name(f"{path.name}.damaged"), "ab") as kept:
            file.seek(damage.offset)
            while piece := file.read(1 << 20):
                kept.write(piece)
            kept.flush()
            os.fsync(kept.fileno())
            file.truncate(damage.offset)
            os.fsync(file.fileno())
    return damage


def _numbered(path: Path, number: int) -> Path:
    name = place(path)[0]
    return path.with_name(f"{name}.{number:04}.jsonl" if number else f"{name}.jsonl")


def _appending(path: Path) -> tuple[int, int]:
    """A segment's descriptor and size; if it is new, its name is on the disk."""
    new = not path.exists()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise TraceError(f"{path}: cannot be written: {error.strerror}") from None
    if new:
        _sync_folder(path.parent)
    return fd, os.fstat(fd).st_size


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system opens a folder
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _open(path: Path) -> BinaryIO:
    try:
        return open(path, "rb", buffering=1 << 18)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None
