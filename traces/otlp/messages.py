"""What was said, in the JSON of the GenAI conventions: messages of a role and parts (text, tool_call,
tool_call_response)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from traces.kernel import Chat, ChatMessage, ToolCall


def message(told: ChatMessage) -> dict[str, Any]:
    """One message of a prompt."""
    if told.role == "tool":
        part = {"type": "tool_call_response", "id": told.tool_call_id, "response": told.content}
        return {"role": "tool", "parts": [part]}
    return {"role": told.role, "parts": [*_text(told.content), *map(_call, told.tool_calls)]}


def reply(chat: Chat) -> dict[str, Any]:
    """What a model call gave back."""
    parts = [*_text(chat.text), *map(_call, chat.tool_calls)]
    return {"role": "assistant", "parts": parts, "finish_reason": chat.finish_reason}


def said(role: str, text: str) -> dict[str, Any]:
    """A message of text alone."""
    return {"role": role, "parts": _text(text)}


def as_json(value: Any) -> str:
    """Spans hold structures as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def _text(content: str) -> list[dict[str, Any]]:
    return [{"type": "text", "content": content}] if content else []


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments: Any = msgspec.json.decode(call.arguments)
    except msgspec.MsgspecError:
        arguments = call.arguments
    return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments}
