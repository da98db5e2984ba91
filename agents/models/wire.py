"""Our requests and replies in the form of OpenAI's chat completions, which is what LiteLLM speaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

from agents.models.model import Request
from traces.errors import ModelError
from traces.kernel import ChatMessage, ToolCall


def body(request: Request, *, native_schema: bool) -> dict[str, Any]:
    """The call's arguments, all of them ours to give away: LiteLLM changes what it is given in place. A schema that the
    provider does not take is written into the prompt instead."""
    messages = [message(m) for m in request.messages]
    arguments: dict[str, Any] = {"messages": messages}
    if request.tools:
        arguments["tools"] = copy.deepcopy(list(request.tools))
    if request.max_tokens is not None:
        arguments["max_tokens"] = request.max_tokens
    if request.schema is not None:
        if native_schema:
            arguments["response_format"] = _response_format(copy.deepcopy(request.schema))
        else:
            messages.append({"role": "user", "content": _asked_for(request.schema)})
    return arguments


def message(message: ChatMessage) -> dict[str, Any]:
    """An entry of a prompt, or a reply, as chat completions has it."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    name = "".join(c if c.isalnum() else "_" for c in str(schema.get("title", "Reply")))
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": _is_closed(schema)}}


def _is_closed(schema: Any) -> bool:
    """Whether each object lists all of its members as required and takes no others: OpenAI's rule for `strict`."""
    if isinstance(schema, list):
        return all(_is_closed(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        members = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or members != set(schema.get("required", ())):
            return False
    return all(_is_closed(part) for part in schema.values())


def _asked_for(schema: dict[str, Any]) -> str:
    return (
        "Reply with one JSON value and nothing else: no prose, no code fence. It must obey this JSON schema:\n"
        + json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    )


def choice(response: Any, name: str) -> Any:
    """The only choice of a response; ModelError where there is none."""
    choices = getattr(response, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise ModelError(f"model {name!r}: its server sent a reply without a message in it")
    return choices[0]


def tool_calls(calls: Iterable[Any] | None) -> tuple[ToolCall, ...]:
    """Arguments stay the JSON text that came; a call without an id gets one."""
    return tuple(
        ToolCall(call.id or f"call_{number}", call.function.name or "", call.function.arguments or "{}")
        for number, call in enumerate(calls or ())
    )
