"""Replies that were paid for once, kept on the disk for every experiment."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from agents.models.model import Reply
from traces.kept import Kept


class KeptReplies:
    """Keys are hashed together with `trial`, so that the trials of a case stay independent of each other. Several
    processes may use one file."""

    def __init__(self, file: Path, trial: str) -> None:
        self._trial = trial.encode()
        self._kept = Kept(file)

    def get(self, key: bytes) -> Reply | None:
        found = self._kept.get(self._key(key))
        return msgspec.json.decode(found, type=Reply) if found is not None else None

    def __setitem__(self, key: bytes, reply: Reply) -> None:
        self._kept[self._key(key)] = msgspec.json.encode(reply)

    def _key(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=hashlib.blake2b(self._trial).digest()[:64]).digest()
