"""Values that were costly to come by, kept on the disk under their keys, for every process that uses the file."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

log = logging.getLogger("headcount")


class Kept:
    """`safe`: a value is on the disk before the call that sets it returns; else a crash of the machine may lose the
    last ones, which a cache can bear."""

    def __init__(self, file: Path, *, safe: bool = True) -> None:
        self._file = file
        self._synchronous = "full" if safe else "off"
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._make()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            log.warning("%s is damaged: put aside as .damaged, and begun anew", file)
            file.replace(file.with_name(f"{file.name}.damaged"))
            self._make()

    def _make(self) -> None:
        with self._open() as database:
            database.execute("pragma journal_mode=wal")
            database.execute("create table if not exists kept (key blob primary key, value blob) without rowid")

    def get(self, key: bytes) -> bytes | None:
        with self._open() as database:
            row = database.execute("select value from kept where key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def __setitem__(self, key: bytes, value: bytes) -> None:
        with self._open() as database:
            database.execute("insert or replace into kept values (?, ?)", (key, value))
            database.commit()

    def _open(self) -> closing[sqlite3.Connection]:
        connection = sqlite3.connect(self._file, timeout=10)
        try:
            connection.execute(f"pragma synchronous={self._synchronous}")
        except sqlite3.Error:
            connection.close()
            raise
        return closing(connection)
