"""Paths as users give them. pathlib raises an error of the system for a name that is too long, a folder that may not be
entered or a home that is not there; for whoever asks whether there is such a file, these are no files."""

from __future__ import annotations

import os
from pathlib import Path


def given(name: str | Path) -> Path:
    """The path, with `~` as the home folder."""
    return Path(os.path.expanduser(name))


def is_file(path: str | Path) -> bool:
    return os.path.isfile(path)


def is_dir(path: str | Path) -> bool:
    return os.path.isdir(path)


def exists(path: str | Path) -> bool:
    return os.path.exists(path)


def stamp(path: Path) -> tuple[int, int]:
    """What tells that a file has changed: its time and size. Raises OSError, and ValueError for a name that cannot be
    one."""
    seen = path.stat()
    return seen.st_mtime_ns, seen.st_size
