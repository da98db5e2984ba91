"""Reading a trial's database without touching it: each reader has a connection of its own to a copy that cannot write.

Copies are made from a snapshot of the database's content, which is kept until the database changes. While something
writes, readers get the snapshot from before it, so that nobody waits and nobody sees half of a change.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from tools.guard import Guard, refuse_writing

_KEPT = 8  # connections that wait for the next query


class Snapshot(Struct, frozen=True, gc=False):
    """The content of a database, None for an empty one, at a version of it."""

    version: tuple[int, int]
    content: bytes | None


class Snapshots:
    """Of one database. `db` itself is looked at only while nothing writes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._writers = 0
        self._last: Snapshot | None = None
        self._idle: list[tuple[Snapshot, Guard]] = []

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

    @contextmanager
    def guarded(self) -> Iterator[Guard]:
        """A connection for queries of models, of this thread alone for as long as it is in use."""
        snapshot = self.now()
        guard = self._waiting(snapshot) or Guard(opened(snapshot.content))
        yield guard
        with self._lock:  # one that was left by an error is not used again
            if len(self._idle) < _KEPT:
                self._idle.append((snapshot, guard))
                return
        guard.close()

    def copy(self, *, writable: bool = False) -> sqlite3.Connection:
        """A connection to a copy, for whoever asks to close."""
        db = opened(self.now().content)
        if not writable:
            refuse_writing(db)
        return db

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, guard in idle:
            guard.close()

    def _now(self) -> Snapshot:
        if self._writers and self._last is not None:
            return self._last
        version = (self._db.total_changes, self._db.execute("PRAGMA schema_version").fetchone()[0])
        if self._last is not None and self._last.version == version and not self._db.in_transaction:
            return self._last
        found = Snapshot(version, content_of(self._db))
        # What an open transaction has written may be rolled back, and counts as a change all the same.
        self._last = found if not self._db.in_transaction else Snapshot((-1, -1), found.content)
        return self._last

    def _waiting(self, snapshot: Snapshot) -> Guard | None:
        with self._lock:
            stale = [guard for kept, guard in self._idle if kept is not snapshot]
            fresh = [guard for kept, guard in self._idle if kept is snapshot]
            found = fresh.pop() if fresh else None
            self._idle = [(snapshot, guard) for guard in fresh]
        for guard in stale:
            guard.close()
        return found


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
