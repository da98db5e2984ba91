"""A model that says what it was told to: for tests of teams and tools, yours and ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from agents.models.model import Card, Reply, Request
from traces.errors import ModelError
from traces.kernel import ToolCall, Usage

Line = str | dict[str, Any] | tuple[str, dict[str, Any]] | Callable[[Request], "Line"] | Exception


class ScriptedModel:
    """Gives its lines one after the other: text, an object (given as JSON), a tool call `(name, arguments)`, an
    exception to raise, or a function of the request that gives one of these. `requests` keeps what it was asked."""

    def __init__(self, lines: Iterable[Line], *, tool_calls: bool = True, context_window: int | None = None) -> None:
        self._lines = iter(lines)
        self.requests: list[Request] = []
        self.card = Card("scripted", simulated=True, tool_calls=tool_calls, context_window=context_window)

    async def chat(self, request: Request) -> Reply:
        self.requests.append(request)
        try:
            line = next(self._lines)
        except StopIteration:
            raise ModelError(f"the script ended before request {len(self.requests)}") from None
        while callable(line):
            line = line(request)
        if isinstance(line, Exception):
            raise line
        usage = Usage(input_tokens=10, output_tokens=5, calls=1)
        if isinstance(line, tuple):
            call = ToolCall(f"call-{len(self.requests)}", line[0], msgspec.json.encode(line[1]).decode())
            return Reply("", usage, "scripted", (call,), "tool_calls")
        text = line if isinstance(line, str) else msgspec.json.encode(line).decode()
        return Reply(text, usage, "scripted")
