"""What a tool is: a described function that declares its effect."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, TypeVar

from pydantic import ConfigDict, create_model

from traces.kernel import Chunk

F = TypeVar("F", bound=Callable[..., Any])


class Effect(StrEnum):
    """What a call changes. `OUTSIDE` (mail sent, money moved) passes the policy gate before it runs."""

    READ = "read"
    WRITE = "write"
    OUTSIDE = "outside"


class ToolError(Exception):
    """The tool refuses, or the call cannot work: the message goes back to the agent as the result."""


@dataclass(frozen=True)
class ToolOutput:
    """What a tool gives back when text alone is not all: the chunks it retrieved."""

    text: str
    chunks: tuple[Chunk, ...] = ()


class Retriever(Protocol):
    """Search over the scenario's knowledge, best first."""

    def search(self, query: str, limit: int) -> list[Chunk]: ...

    def chunk(self, chunk_id: str) -> Chunk | None: ...


@dataclass
class World:
    """What a trial's tools work on: a database of its own, and the knowledge that all trials share."""

    db: sqlite3.Connection
    retriever: Retriever | None = None
    results: int = 4
    scratch: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tool:
    """`function` takes the World first, then the arguments that `parameters` (a JSON schema) describes, by name.
    It returns text or a ToolOutput, and raises ToolError. `latency_s` is charged under the virtual clock.
    `trusted` says that its results are the run's own words and not text from outside."""

    name: str
    description: str
    parameters: dict[str, Any]
    effect: Effect
    function: Callable[..., str | ToolOutput]
    latency_s: float = 0.05
    trusted: bool = False

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The form in which chat-completion APIs take a tool."""
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": self.parameters},
        }


def tool(*, effect: Effect = Effect.READ, latency_s: float = 0.05, trusted: bool = False) -> Callable[[F], F]:
    """Mark a function `(world, argument: type, ...) -> str` as a tool: its name, docstring and annotated arguments
    become what the model sees."""

    def mark(function: F) -> F:
        function.__tool__ = from_function(function, effect=effect, latency_s=latency_s, trusted=trusted)  # type: ignore[attr-defined]
        return function

    return mark


def from_function(
    function: Callable[..., Any], *, effect: Effect, latency_s: float = 0.05, trusted: bool = False
) -> Tool:
    arguments = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    fields: dict[str, Any] = {
        a.name: (a.annotation, ... if a.default is inspect.Parameter.empty else a.default) for a in arguments
    }
    schema = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields).model_json_schema()
    schema.pop("title", None)
    for prop in schema.get("properties", {}).values():
        prop.pop("title", None)
    description = inspect.cleandoc(function.__doc__ or "")
    return Tool(function.__name__, description, schema, effect, function, latency_s, trusted)
