"""Making a tool call: the function is run, its time passes, and what it gives back is text."""

from __future__ import annotations

import asyncio
import inspect
import re
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec import Struct

from tools import usercode
from tools.tool import Effect, Tool, ToolError, ToolOutput, World, effect_key
from tools.usercode import Failed
from traces.clock import is_virtual
from traces.kernel import Chunk
from traces.strict import writable

LONGEST = 8000
NOTHING = "(nothing was given back)"
_REFUSED = re.compile("not authorized|readonly|prohibited")
_READING = ("SELECT", "PRAGMA", "EXPLAIN", "VALUES", "--")


class Made(Struct, frozen=True):
    """What a call gave back. `writes`: the SQL with which a call that cannot be made again changed the world."""

    text: str
    ok: bool
    chunks: tuple[Chunk, ...] = ()
    writes: tuple[str, ...] = ()


class Maker:
    """Makes the calls of one trial on its world, each within the tool's limit: at once under the virtual clock, which
    is charged the tool's latency; in a thread in real time. Calls that may write follow one another; the others read
    the database as it was before a call that writes meanwhile."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._writing = asyncio.Lock()
        self._unfinished: tuple[str, Future[None]] | None = None

    async def make(self, agent: str, tool: Tool, call_id: str, arguments: dict[str, Any], key: str) -> Made:
        """Never raises for what a tool does wrong: that is a result with `ok` False."""
        if is_virtual():
            await asyncio.sleep(tool.latency_s)
        return await self.now(tool, arguments, key)

    async def now(self, tool: Tool, arguments: dict[str, Any], key: str) -> Made:
        """The same without its latency."""
        if tool.effect is Effect.READ:
            return await self._read(tool, arguments)
        async with self._writing:
            return await self._write(tool, arguments, key)

    async def _read(self, tool: Tool, arguments: dict[str, Any]) -> Made:
        if tool.ours and is_virtual():
            return _at_once(partial(tool.function, self.world, **arguments))
        if tool.ours:
            return await _called(partial(tool.function, self.world, **arguments), tool)
        with closing(_Copy(self.world)) as copy:
            return await _called(lambda: tool.function(copy.world(), **arguments), tool, copy.left)

    async def _write(self, tool: Tool, arguments: dict[str, Any], key: str) -> Made:
        if self._unfinished is not None and not self._unfinished[1].done():
            return Made(
                f"error: {self._unfinished[0]} is still at work, beyond its limit: nothing can be written", False
            )
        world, writes = self.world, list[str]()
        world.snapshots.begin_write()
        threads: list[Future[None]] = []
        work = partial(tool.function, world, **arguments)
        try:
            made = await _called(work if tool.repeats else _noting(work, world, key, writes), tool, threads.append)
        finally:
            if threads:
                self._unfinished = (tool.name, threads[0])
                threads[0].add_done_callback(lambda _: world.snapshots.end_write())
                world.db.interrupt()
            else:
                world.snapshots.end_write()
        return Made(made.text, made.ok, made.chunks, tuple(writes))


class _Copy:
    """A world whose database is a copy that cannot be written, made in the thread that asks for it."""

    def __init__(self, world: World) -> None:
        self._world, self._left = world, False
        self._made: World | None = None

    def world(self) -> World:
        self._made = replace(self._world, db=self._world.snapshots.copy())
        return self._made

    def left(self, ended: Future[None]) -> None:
        self._left = True

    def close(self) -> None:
        if self._made is not None and not self._left:
            self._made.close()


async def _called(
    work: Callable[[], Any], tool: Tool, left: Callable[[Future[None]], object] = usercode.forgotten
) -> Made:
    try:
        return await usercode.call(work, tool.timeout_s, made_of, left)
    except Failed as failed:
        return _failed(failed, tool)


def _at_once(work: Callable[[], Any]) -> Made:
    try:
        return made_of(work())
    except ToolError as error:
        return Made(cut(f"error: {error}"), False)
    except Exception as error:
        return Made(cut(f"error: the tool failed: {usercode.words_of(error)}"), False)


def _failed(failed: Failed, tool: Tool) -> Made:
    if isinstance(failed.error, ToolError):
        return Made(cut(f"error: {failed.said}"), False)
    hint = ""
    if tool.effect is Effect.READ and isinstance(failed.error, sqlite3.Error) and _REFUSED.search(failed.said):
        hint = " (a tool that writes is declared with effect=Effect.WRITE)"
    return Made(cut(f"error: the tool failed: {failed}{hint}"), False)


def made_of(output: Any) -> Made:
    """What a tool's function returned, as a result. Whatever cannot be text is a result with `ok` False."""
    if isinstance(output, ToolOutput):
        chunks = tuple(output.chunks)
        if not isinstance(output.text, str) or not all(isinstance(chunk, Chunk) for chunk in chunks):
            return _unusable("a ToolOutput whose text is not text, or whose chunks are no chunks")
        return Made(cut(output.text), True, chunks)
    if output is None:
        return Made(NOTHING, True)
    if isinstance(output, bytes | bytearray | memoryview):
        return Made(cut(bytes(output[: 4 * LONGEST]).decode("utf-8", "replace"), len(output)), True)
    if inspect.isawaitable(output) or inspect.isasyncgen(output) or inspect.isgenerator(output):
        if inspect.iscoroutine(output):
            output.close()
        return _unusable("something that still has to be awaited or run through, instead of a result")
    return Made(cut(output if isinstance(output, str) else str(output)), True)


def _unusable(what: str) -> Made:
    return Made(f"error: the tool failed: it gave back {what}", False)


def _noting(work: Callable[[], Any], world: World, key: str, writes: list[str]) -> Callable[[], Any]:
    """The same, with the effect's key, and with the statements that it runs on the world's database noted, queries
    apart."""

    def note(statement: str) -> None:
        if not statement.lstrip().upper().startswith(_READING):
            writes.append(statement)

    def noted() -> Any:
        effect_key.set(key)  # of this call's context alone
        world.db.set_trace_callback(note)
        try:
            found = work()
        except BaseException:
            world.db.set_trace_callback(None)
            raise
        if inspect.isawaitable(found):
            return _to_the_end(found, world)
        world.db.set_trace_callback(None)
        return found

    return noted


async def _to_the_end(found: Awaitable[Any], world: World) -> Any:
    try:
        return await found
    finally:
        world.db.set_trace_callback(None)


def cut(text: str, length: int = 0) -> str:
    """A text that can be written, of LONGEST characters at most; `length`: of the whole, where this is a part of it."""
    length = max(len(text), length)
    if length <= LONGEST:
        return writable(text)
    return f"{writable(text[:LONGEST])}\n(cut: {length - LONGEST:,} more characters are not shown)"
