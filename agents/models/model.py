"""What a model is: one method. Wrappers (metered, recorded, cached, ...) have the same shape as what they wrap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from msgspec import Struct

from traces.kernel import ChatMessage, Fault, ToolCall, Usage

DEFAULT = "sim:medium"
"""The model of an experiment that names none."""
UNREAD = "unread"
"""The `finish_reason` of a reply in which a server could not read its model's call or JSON; its text is what the server
said instead."""


class Price(Struct, frozen=True):
    """USD per million tokens; None is unknown, never 0. `gpu_hour`: USD for an hour of the servers, shared by the
    calls that they serve at a time; with it the price of a token is not needed."""

    input: float | None = None
    output: float | None = None
    gpu_hour: float | None = None

    @property
    def known(self) -> bool:
        return self.gpu_hour is not None or None not in (self.input, self.output)


class Card(Struct, frozen=True):
    """What is known of a model, layer by layer; None or empty is unknown.

    `tool_calls`: whether its native tool calls can be relied on (if not, agents act through a schema-constrained JSON
    reply). `parameters` and `training_tokens` are counts, `cutoff` the date of its newest training data (2024-06),
    `alignment` how it was trained to obey (base, instruct, preference), `kv_bytes` the bytes that a token of context
    takes in the KV cache, `decode_tps` the tokens a second that one call gets, `runs` where it runs (hosted by ...,
    own server ..., this machine), `residency` where data stays, `adapter_of` the model that a LoRA adapter changes.

    What its server takes (see `abilities`): `schemas`, how forms are asked for (strict, simple, json, prompt);
    `system_role`, where a system message may be (any, first, none); `alternating`, user and assistant in turn;
    `empty_messages`, messages without text; `simple_tools`, tools' parameters without what few servers can do;
    `reasoning_back`, reasoning with what the assistant said; `newer_limit`, max_completion_tokens for max_tokens.
    `probed` is the day on which that was found out."""

    name: str
    simulated: bool
    tool_calls: bool = True
    context_window: int | None = None
    price: Price = Price()
    parameters: float | None = None
    training_tokens: float | None = None
    cutoff: str = ""
    modalities: tuple[str, ...] = ()
    alignment: str = ""
    kv_bytes: int | None = None
    decode_tps: float | None = None
    runs: str = ""
    residency: str = ""
    tier: str = ""
    adapter_of: str = ""
    schemas: Literal["", "strict", "simple", "json", "prompt"] = ""
    system_role: Literal["", "any", "first", "none"] = ""
    alternating: bool | None = None
    empty_messages: bool | None = None
    simple_tools: bool = False
    reasoning_back: bool = False
    newer_limit: bool = False
    probed: str = ""


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
    """What came back. `fault` is the true label of a simulated error, for the trace alone; `server` is the address
    that answered; `notes` are for the trace: a kind and a text each. `reasoning` is what the model thought before it
    replied, where its server tells; `sent_as` how the call was put to a server that does not take all of it."""

    text: str
    usage: Usage
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    fault: Fault | None = None
    server: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    sent_as: tuple[str, ...] = ()


NOT_SENT = "the call was not sent yet"


@contextmanager
def before_sending() -> Iterator[None]:
    """What is cancelled in here is a call that has used nothing, so nobody counts it."""
    try:
        yield
    except asyncio.CancelledError:
        raise asyncio.CancelledError(NOT_SENT) from None


class Model(Protocol):
    """Answers one request. Raises ModelError when it failed for good."""

    @property
    def card(self) -> Card: ...

    async def chat(self, request: Request) -> Reply: ...
