"""Reading a trial's database without touching it: each reader has a connection of its own to a copy that cannot write.

Copies are made from a snapshot of the database's content, which is kept until the database changes. While something
writes, readers get the snapshot from before it, so that nobody waits and nobody sees half of a change.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

from tools.guard import Guard, refuse_writing

T = TypeVar("T", bound="Snapshot | None")
_KEPT = 8  # connections that wait for the next query
_SHARED = 1 << 20  # bytes of a content whose connections wait beyond one trial


class Snapshot:
    """The content of a database, None for an empty one, at a version of it, and the connections to it that wait for the
    next query. One that is `shared` by many databases, as what their file makes, keeps them when one is closed."""

    def __init__(self, version: tuple[int, int], content: bytes | None, *, shared: bool = False) -> None:
        self.version, self.content = version, content
        self._kept = shared and len(content or b"") <= _SHARED
        self._closed = False
        self._idle: deque[Guard] = deque()

    @contextmanager
    def guarded(self) -> Iterator[Guard]:
        """A connection for queries of models, of this thread alone for as long as it is in use."""
        try:
            guard = self._idle.pop()
        except IndexError:
            guard = Guard(opened(self.content))
        yield guard
        if len(self._idle) < _KEPT and not self._closed:  # one that was left by an error is not used again
            self._idle.append(guard)
        else:
            guard.close()

    def close(self) -> None:
        """Let go of the connections, unless others go on with them."""
        if not self._kept:
            self._closed = True
            while self._idle:
                self._idle.pop().close()


class Snapshots:
    """Of one database. `db` itself is looked at only while nothing writes."""

    def __init__(self, db: sqlite3.Connection, first: Snapshot | None = None) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._writers = 0
        self._last = first

    def now(self) -> Snapshot:
        """The content as it is; while something writes, as it was before."""
        with self._lock:
            return self._now()

    def begin_write(self) -> None:
        """From here on, until the same number of calls of `end_write`, the database is somebody else's."""
        with self._lock:
            self._now()
            self._writers += 1

    def end_write(self) -> None:
        with self._lock:
            self._writers -= 1

    @property
    def written(self) -> bool:
        """Whether something writes."""
        return self._writers > 0

    def guarded(self) -> AbstractContextManager[Guard]:
        """A connection for queries of models, of this thread alone for as long as it is in use."""
        return self.now().guarded()

    def copy(self, *, writable: bool = False) -> sqlite3.Connection:
        """A connection to a copy, for whoever asks to close."""
        db = opened(self.now().content)
        if not writable:
            refuse_writing(db)
        return db

    def close(self) -> None:
        with self._lock:
            self._put(None)

    def _now(self) -> Snapshot:
        if self._writers and self._last is not None:
            return self._last
        version = version_of(self._db)
        if self._last is not None and self._last.version == version and not self._db.in_transaction:
            return self._last
        # What an open transaction has written may be rolled back, and counts as a change all the same.
        return self._put(Snapshot((-1, -1) if self._db.in_transaction else version, content_of(self._db)))

    def _put(self, following: T) -> T:
        if self._last is not None:
            self._last.close()
        self._last = following
        return following


def version_of(db: sqlite3.Connection) -> tuple[int, int]:
    return db.total_changes, db.execute("PRAGMA schema_version").fetchone()[0]


def content_of(db: sqlite3.Connection) -> bytes | None:
    """The whole content, with what an open transaction has written; None for a database without any."""
    with suppress(sqlite3.OperationalError):  # "unable to serialize": there is not one page yet
        return db.serialize()
    return None


def opened(content: bytes | None) -> sqlite3.Connection:
    """A new database in memory with this content."""
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    if content is not None:
        db.deserialize(content)
    return db
