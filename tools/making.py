"""Making a tool call: the function is run, its time passes, and what it gives back is text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from tools.tool import Effect, Tool, ToolError, ToolOutput, World, effect_key
from traces.clock import is_virtual
from traces.kernel import Chunk

LONGEST = 8000
_READING = ("SELECT", "PRAGMA", "EXPLAIN", "VALUES", "--")


class Made(Struct, frozen=True):
    """What a call gave back. `writes`: the SQL with which a call that cannot be made again changed the world."""

    text: str
    ok: bool
    chunks: tuple[Chunk, ...] = ()
    writes: tuple[str, ...] = ()


class Maker:
    """Makes the calls of one trial on its world: at once under the virtual clock, which is charged the tool's latency;
    in a thread in real time, where calls that may write follow one another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._writing = threading.Lock()

    async def make(self, agent: str, tool: Tool, call_id: str, arguments: dict[str, Any], key: str) -> Made:
        """Never raises for what a tool does wrong: that is a result with `ok` False."""
        if is_virtual():
            await asyncio.sleep(tool.latency_s)
            return self.now(tool, arguments, key)
        return await asyncio.to_thread(self.now, tool, arguments, key)

    def now(self, tool: Tool, arguments: dict[str, Any], key: str) -> Made:
        """The same, here and without any latency."""
        if tool.effect is Effect.READ:
            return _made(tool, self.world, arguments)
        with self._writing:
            if tool.repeats:
                return _made(tool, self.world, arguments)
            token = effect_key.set(key)
            try:
                with _written(self.world) as writes:
                    made = _made(tool, self.world, arguments)
            finally:
                effect_key.reset(token)
            return Made(made.text, made.ok, made.chunks, tuple(writes))


def _made(tool: Tool, world: World, arguments: dict[str, Any]) -> Made:
    try:
        return made_of(tool.function(world, **arguments))
    except ToolError as error:
        return Made(cut(f"error: {error}"), False)
    except Exception as error:  # a tool of the user's may raise anything; the run goes on, and the trace shows it
        return Made(cut(f"error: the tool failed: {type(error).__name__}: {error}"), False)


def made_of(output: str | ToolOutput) -> Made:
    """What a tool's function returned, as a result."""
    if isinstance(output, ToolOutput):
        return Made(cut(output.text), True, output.chunks)
    return Made(cut(str(output)), True)


@contextmanager
def _written(world: World) -> Iterator[list[str]]:
    """The statements other than queries that are run on the world's database meanwhile."""
    statements: list[str] = []

    def note(statement: str) -> None:
        if not statement.lstrip().upper().startswith(_READING):
            statements.append(statement)

    world.db.set_trace_callback(note)
    try:
        yield statements
    finally:
        world.db.set_trace_callback(None)


def cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n(cut: {len(text) - LONGEST:,} more characters are not shown)"
