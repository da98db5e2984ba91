"""Which tools there are: the built-in ones, and a scenario's own; and the world that a trial's tools work on."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from tools import retrieval, sandbox, sql, usercode
from tools.snapshots import Snapshot, content_of, version_of
from tools.tool import Retriever, Tool, World
from tools.usercode import Failed
from traces import bounds, paths, yamltree
from traces.errors import ScenarioError, reason

T = TypeVar("T")
LOAD_S = 60.0
"""Seconds in which a scenario's Python file must be loaded."""
_TEMPLATES = threading.Lock()
_SQL = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z)|\s+)|(?P<end>;)"""
    r"""|'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[^]]*(?:\]|\Z)|[^-/;'"`\[\s]+|.""",
    re.DOTALL,
)


@cache
def builtin() -> dict[str, Tool]:
    """search, query_database and run_python."""
    return {tool.name: tool for tool in (retrieval.tool(), sql.tool(), sandbox.tool())}


def load(folder: Path) -> dict[str, Tool]:
    """The built-in tools and those of the scenario's tools.py, by name. Raises ScenarioError where that is broken."""
    path = folder / "tools.py"
    if not path.is_file():
        return dict(builtin())
    return {**builtin(), **{tool.name: tool for tool in load_module(path, _own)}}


def _own(module: ModuleType) -> list[Tool]:
    found = [getattr(value, "__tool__", None) for value in vars(module).values()]
    return [tool for tool in found if isinstance(tool, Tool)]


def load_module(path: Path, then: Callable[[ModuleType], T]) -> T:
    """`then(module)` of a scenario's Python file, loaded by its path under a name of its own. Whatever it raises or
    takes too long for is a ScenarioError with its place."""
    name = f"scenario_{hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        load = partial(spec.loader.exec_module, module)
        return usercode.call_now(load, LOAD_S, lambda _: then(module), virtual=False)
    except Failed as failed:
        line = _line_in(path, failed.error) if failed.error is not None else None
        raise ScenarioError(str(path), str(failed), line=line) from failed.error


def _line_in(path: Path, error: BaseException) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return frames[-1].lineno if frames else None


def world(
    folder: Path, database: str | None, setup: str = "", retriever: Retriever | None = None, results: int = 4
) -> World:
    """A fresh world: the scenario's database as its SQL file makes it, after the case's `setup`."""
    db = _empty()
    first: Snapshot | None = None
    try:
        if database:
            path = folder / database
            with _TEMPLATES:
                template, first = _template(path, _stamp(path))
                template.backup(db)
        if setup:
            _execute(db, setup, f"{folder} (a case's setup)")
    except ScenarioError:
        db.close()
        raise
    return World(db, retriever, results, first=first)


def _empty() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        return paths.stamp(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error


@lru_cache(maxsize=64)
def _template(path: Path, stamp: tuple[int, int]) -> tuple[sqlite3.Connection, Snapshot]:
    """The database as the file makes it, to be copied page by page: one that was deserialized would keep what an open
    transaction writes to itself, and no snapshot of it could have that. And what all copies hold at first."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        _execute(db, yamltree.decoded(yamltree.content(path, bounds.SIZE), str(path)).replace("\r\n", "\n"), str(path))
        with closing(_empty()) as fresh:
            db.backup(fresh)
            return db, Snapshot(version_of(fresh), content_of(fresh), shared=True)
    except BaseException:
        db.close()
        raise


def _execute(db: sqlite3.Connection, script: str, place: str) -> None:
    """Run a script, statement by statement, so that a mistake is told with its line."""
    nul = script.find("\0")
    if nul >= 0:
        raise ScenarioError(place, "holds the character U+0000: take it out", line=1 + script.count("\n", 0, nul))
    start, line = 0, 1
    for end in _ends(script):
        _statement(db, script[start:end], place, line)
        line += script.count("\n", start, end)
        start = end
    db.commit()


def _ends(script: str) -> Iterator[int]:
    """Where its statements end: behind each semicolon outside of texts, comments and the bodies of triggers, and at its
    end, where something is left but comments."""
    start, empty = 0, True
    for token in _SQL.finditer(script):
        if token.lastgroup == "end" and (empty or sqlite3.complete_statement(script[start : token.end()])):
            yield token.end()
            start, empty = token.end(), True
        elif token.lastgroup != "comment":
            empty = False
    if not empty:
        yield len(script)


def _statement(db: sqlite3.Connection, statement: str, place: str, line: int) -> None:
    try:
        db.execute(statement)
    except (sqlite3.Error, sqlite3.Warning) as error:
        blank = statement[: len(statement) - len(statement.lstrip())].count("\n")
        raise ScenarioError(place, f"SQL: {error}", line=line + blank) from error
