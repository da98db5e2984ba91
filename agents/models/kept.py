"""Replies that were paid for once, kept on the disk for every experiment."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from agents.models.model import Reply


class KeptReplies:
    """Keys are hashed together with `trial`, so that the trials of a case stay independent of each other. Several
    processes may use one file."""

    def __init__(self, file: Path, trial: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._trial = trial.encode()
        self._file = file
        with self._open() as database:
            database.execute("pragma journal_mode=wal")
            database.execute("create table if not exists replies (key blob primary key, reply blob) without rowid")

    def get(self, key: bytes) -> Reply | None:
        with self._open() as database:
            row = database.execute("select reply from replies where key = ?", (self._key(key),)).fetchone()
        return msgspec.json.decode(row[0], type=Reply) if row else None

    def __setitem__(self, key: bytes, reply: Reply) -> None:
        with self._open() as database:
            row = (self._key(key), msgspec.json.encode(reply))
            database.execute("insert or replace into replies values (?, ?)", row)
            database.commit()

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self._file, timeout=10))

    def _key(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=hashlib.blake2b(self._trial).digest()[:64]).digest()
