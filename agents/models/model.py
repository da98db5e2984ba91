"""What a model is: one method. Wrappers (metered, recorded, cached, ...) have the same shape as what they wrap."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from traces.kernel import ChatMessage, Fault, ToolCall, Usage


class Card(Struct, frozen=True):
    """What is known of a model; None is unknown. `tool_calls`: whether its native tool calls can be relied on (if
    not, agents act through a schema-constrained JSON reply). Prices are USD per million tokens."""

    name: str
    simulated: bool
    tool_calls: bool = True
    context_window: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    parameters: float | None = None
    runs: str = ""


class Request(Struct, frozen=True):
    """One model call. `tools` are chat-completion tool specs; `schema` is the JSON schema that the reply must obey
    (its `title` names what is asked for: Plan, Review, Bid, ...). `agent` is for the trace, and is not sent."""

    agent: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[dict[str, Any], ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    purpose: str = "act"


class Reply(Struct, frozen=True):
    """What came back. `fault` is the true label of a simulated error, for the trace alone."""

    text: str
    usage: Usage
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    fault: Fault | None = None


class Model(Protocol):
    """Answers one request. Raises ModelError when it failed for good."""

    @property
    def card(self) -> Card: ...

    async def chat(self, request: Request) -> Reply: ...
