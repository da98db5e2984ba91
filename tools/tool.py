"""What a tool is: a described function that declares its effect."""

from __future__ import annotations

import inspect
import math
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import InitVar, dataclass, field, replace
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import ConfigDict, create_model

from tools.snapshots import Snapshot, Snapshots
from tools.usercode import LIMIT_S
from traces.kernel import Chunk

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

F = TypeVar("F", bound=Callable[..., Any])


class Effect(StrEnum):
    """What a call changes. `OUTSIDE` (mail sent, money moved) passes the policy gate before it runs."""

    READ = "read"
    WRITE = "write"
    OUTSIDE = "outside"


class ToolError(Exception):
    """The tool refuses, or the call cannot work: the message goes back to the agent as the result."""


effect_key: ContextVar[str] = ContextVar("effect_key", default="")
"""While a tool with an outside effect runs: the idempotency key of the effect, to be passed on to the outside."""


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
    """What a trial's tools work on: a database of its own, and the knowledge that all trials share. `first` is what the
    database holds, where that is known already."""

    db: sqlite3.Connection
    retriever: Retriever | None = None
    results: int = 4
    scratch: dict[str, Any] = field(default_factory=dict)
    first: InitVar[Snapshot | None] = None
    snapshots: Snapshots = field(init=False, repr=False, compare=False)

    def __post_init__(self, first: Snapshot | None) -> None:
        self.snapshots = Snapshots(self.db, first)

    def close(self) -> None:
        """Let go of the database: the trial is over. A call that runs beyond its limit keeps it until it ends."""
        self.snapshots.close()
        if not self.snapshots.written:
            self.db.close()


@dataclass(frozen=True)
class Tool:
    """`function` takes the World first, then the arguments that `parameters` (a JSON schema) describes, by name.
    It returns text or a ToolOutput, and raises ToolError. `latency_s` is charged under the virtual clock.
    `trusted` says that its results are the run's own words and not text from outside. `timeout_s`: how long a call may
    take; beyond it, it is an error. One that is `ours` keeps limits of its own, and is called without a thread under
    the virtual clock. The function may be async.

    How a recorded call is done again: one of a `simulated` tool, or of a `stable` one without an outside effect, is
    made again; any other gets its recorded result, and what it wrote into the world's database is written again.
    `simulated`: it stands in for something outside, and works on the trial's world alone. `stable`: equal calls in
    equal worlds give equal results. `done(world, key)` says whether an outside effect was made, by its idempotency
    key: the result that it had, or None; without it an effect whose result was lost is never made a second time."""

    name: str
    description: str
    parameters: dict[str, Any]
    effect: Effect
    function: Callable[..., str | ToolOutput]
    latency_s: float = 0.05
    trusted: bool = False
    simulated: bool = False
    stable: bool = True
    done: Callable[[World, str], str | ToolOutput | None] | None = None
    timeout_s: float = LIMIT_S
    ours: bool = False

    @property
    def repeats(self) -> bool:
        """Whether a recorded call can be made again."""
        return self.simulated or (self.stable and self.effect is not Effect.OUTSIDE)

    @cached_property
    def validator(self) -> Draft202012Validator:
        """Of its arguments."""
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self.parameters)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The form in which chat-completion APIs take a tool."""
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": self.parameters},
        }


def tool(
    *,
    effect: Effect = Effect.READ,
    latency_s: float = 0.05,
    trusted: bool = False,
    simulated: bool = False,
    stable: bool = True,
    done: Callable[[World, str], str | ToolOutput | None] | None = None,
    timeout_s: float = LIMIT_S,
) -> Callable[[F], F]:
    """Mark a function `(world, argument: type, ...) -> str` as a tool: its name, docstring and annotated arguments
    become what the model sees. The options are those of `Tool`. Raises ValueError for a `timeout_s` that
    is not above 0."""
    if not (isinstance(timeout_s, int | float) and 0 < timeout_s < math.inf):
        raise ValueError(f"timeout_s must be a number of seconds above 0, not {timeout_s!r}")

    def mark(function: F) -> F:
        made = from_function(function, effect=effect, latency_s=latency_s, trusted=trusted)
        function.__tool__ = replace(  # type: ignore[attr-defined]
            made, simulated=simulated, stable=stable, done=done, timeout_s=float(timeout_s)
        )
        return function

    return mark


def from_function(
    function: Callable[..., Any], *, effect: Effect, latency_s: float = 0.05, trusted: bool = False, ours: bool = False
) -> Tool:
    """A tool of a function, a method, a partial or an object that can be called."""
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    name = getattr(inner, "__name__", type(inner).__name__)
    arguments = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    fields: dict[str, Any] = {
        a.name: (a.annotation, ... if a.default is inspect.Parameter.empty else a.default) for a in arguments
    }
    schema = create_model(name, __config__=ConfigDict(extra="forbid"), **fields).model_json_schema()
    schema.pop("title", None)
    for prop in schema.get("properties", {}).values():
        prop.pop("title", None)
    return Tool(name, inspect.cleandoc(inner.__doc__ or ""), schema, effect, function, latency_s, trusted, ours=ours)
