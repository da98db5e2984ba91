"""The journal: what happened, as JSON lines, one event a line, only ever appended to.

A line is a `Record` with a checksum as its last field: `{"run":0,"seq":0,...,"event":{...},"crc":"0a1b2c3d"}`, where
`crc` is the CRC-32 of the bytes before `,"crc"`. A line is written by one call of the system, so another process that
reads sees whole lines, and at most the last one torn. After a power loss the end may be torn, garbled or zeroed; the
checksum says where the good part ends.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from traces.errors import TraceError
from traces.kernel import Record

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_CRC = len(b',"crc":"01234567"}')


@dataclass(frozen=True)
class Damage:
    """The first byte of a journal that is not a whole event, how many bytes follow from there, and what is wrong."""

    path: Path
    offset: int
    lost_bytes: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} at byte {self.offset}; {self.lost_bytes} bytes from there are not read"


class Journal:
    """A journal, open for appending; one process and one thread at a time.

    What `append` was given survives the death of the process at once, and a loss of power after `sync`, or after the
    first append that comes `fsync_every` seconds after the last sync. A damaged end that an earlier crash left is cut
    off when the journal is opened: `repaired` says what, and the bytes are kept beside it in `<name>.damaged`.
    """

    def __init__(self, path: Path, fsync_every: float = 0.05) -> None:
        self.path = path
        self.repaired = _repair(path)
        self._every = fsync_every
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise TraceError(f"{path}: cannot be written: {error.strerror}") from None
        self._synced = time.monotonic()
        self._dirty = False

    def append(self, record: Record) -> None:
        """Write one event."""
        self.write(_encode(record)[:-1])

    def write(self, body: bytes) -> None:
        """Write one event that is already encoded: a record's JSON without its closing brace."""
        line = b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be written: {error.strerror}") from None
        if written != len(line):
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)  # what follows must not join a torn line
            raise TraceError(f"{self.path}: cannot be written: no room for a whole event")
        self._dirty = True
        if time.monotonic() - self._synced >= self._every:
            self.sync()

    def sync(self) -> None:
        """Return when everything appended so far would survive a loss of power."""
        if self._dirty:
            os.fsync(self._fd)
            self._dirty = False
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close; may be called twice."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def whole(line: bytes) -> bool:
    """Whether these bytes are one line as it was written, by its checksum."""
    return line[-1:] == b"\n" and line[-19:] == b',"crc":"%08x"}\n' % zlib.crc32(line[: -_CRC - 1])


def lines(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """The whole lines from a byte offset on, each with the offset after it. Stops at the first damaged one."""
    with _open(path) as file:
        file.seek(offset)
        for line in file:
            if not whole(line):
                return
            offset += len(line)
            yield line, offset


def read(path: Path, offset: int = 0) -> Iterator[tuple[Record, int]]:
    """The events from a byte offset on, each with the offset after it. Stops at the first damaged line."""
    for line, after in lines(path, offset):
        yield decode(line, path), after


def decode(line: bytes, path: Path | None = None) -> Record:
    """The event of a line; raises TraceError if this version does not know it."""
    try:
        return _decode(line)
    except msgspec.MsgspecError as error:
        raise TraceError(f"{path or 'journal'}: an event that this version cannot read: {error}") from None


def tail(path: Path, offset: int = 0, limit: int = 64 << 20) -> tuple[list[bytes], int]:
    """The whole lines written since `offset` (about `limit` bytes of them at most), and the offset to go on from.
    A journal that does not exist yet has none."""
    found: list[bytes] = []
    stop = offset + limit
    if path.exists():
        for line, offset in lines(path, offset):  # noqa: B020
            found.append(line)
            if offset >= stop:
                break
    return found, offset


def good_size(path: Path) -> int:
    """How many bytes from the start are whole events."""
    size = 0
    for _, size in lines(path):  # noqa: B007
        pass
    return size


def check(path: Path) -> Damage | None:
    """Where a journal is damaged, or None. A line that is just being written looks torn."""
    return check_from(path, good_size(path))


def check_from(path: Path, good: int) -> Damage | None:
    """The same, where the first `good` bytes are known to be whole events."""
    with _open(path) as file:
        file.seek(good)
        line = file.readline()
        lost = file.seek(0, os.SEEK_END) - good
    if not line:
        return None
    return Damage(path, good, lost, _reason(line))


def _reason(line: bytes) -> str:
    if not line.strip(b"\0\n"):
        return "zeros instead of an event"
    return "a line whose checksum does not fit" if line.endswith(b"\n") else "a line that breaks off"


def _repair(path: Path) -> Damage | None:
    if not path.exists():
        return None
    damage = check(path)
    if damage is not None:
        with open(path, "r+b") as file, open(path.with_name(f"{path.name}.damaged"), "ab") as kept:
            file.seek(damage.offset)
            while piece := file.read(1 << 20):
                kept.write(piece)
            file.truncate(damage.offset)
            os.fsync(file.fileno())
    return damage


def _open(path: Path) -> BinaryIO:
    try:
        return open(path, "rb", buffering=1 << 18)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None
