"""What servers send in answer to a chat completion, brought into the one form that the protocol has.

`whole` is for a reply in one piece, `streams.Deltas` for one that comes piece by piece. Both pass on what is
well-formed as it is, read what can be read, and raise Odd, which names what came instead, for the rest.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
from msgspec import Struct

from agents.models.parts import (
    Odd,
    arguments,
    check_error,
    content,
    head,
    json_of,
    reasoning_in,
    start,
    text,
    title,
    usage,
    without_choices,
)
from agents.models.streams import assembled
from traces import bounds, strict

_WRAPPERS = ("data", "result", "response")


class _Function(Struct):
    name: str
    arguments: str


class _Call(Struct):
    id: str
    function: _Function
    type: Literal["function"]


class _Message(Struct, forbid_unknown_fields=True):
    """LiteLLM fails on what else may be in one, where it is not of the form that it expects."""

    role: Literal["assistant"]
    content: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: str | None = None
    refusal: None = None
    function_call: None = None
    reasoning: None = None
    thinking: None = None
    annotations: None = None
    audio: None = None


class _Choice(Struct, forbid_unknown_fields=True):
    message: _Message
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    index: int = 0
    logprobs: None = None
    stop_reason: str | int | None = None
    token_ids: None = None


class _Details(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _Details | None = None


class _Completion(Struct):
    id: str
    choices: list[_Choice]
    usage: _Usage | None = None
    error: None = None


_WELL_FORMED = msgspec.json.Decoder(_Completion)


def whole(body: bytes, content_type: str = "application/json") -> bytes:
    """A chat completion as the protocol has it, from the body of a reply. Raises Odd."""
    try:
        seen = _WELL_FORMED.decode(body)
        if len(seen.choices) == 1 and b"\\u0000" not in body and _plain(seen):
            return body
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    return json.dumps(_completion(body, content_type), ensure_ascii=True).encode()


def _plain(seen: _Completion) -> bool:
    """Whether the figures are in range and the calls told apart by their ids."""
    calls = seen.choices[0].message.tool_calls or ()
    figures = (seen.usage.prompt_tokens, seen.usage.completion_tokens) if seen.usage else ()
    ids = {call.id for call in calls if call.id}
    shallow = all(bounds.is_shallow(call.function.arguments) for call in calls)
    return shallow and len(ids) == len(calls) and all(strict.count(figure) is not None for figure in figures)


def _completion(body: bytes, content_type: str) -> dict[str, Any]:
    value = _value(body, content_type)
    check_error(value)
    value = next((value[name] for name in _WRAPPERS if _has_choices(value.get(name))), value)
    choices = value.get("choices")
    if isinstance(choices, dict):
        choices = [choices]
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Odd(without_choices(value))
    found = {**head(value), "object": "chat.completion", "choices": [_choice(choices[0])]}
    used = usage(value.get("usage"))
    return found if used is None else {**found, "usage": used}


def _has_choices(value: Any) -> bool:
    return isinstance(value, dict) and "choices" in value


def _value(body: bytes, content_type: str) -> dict[str, Any]:
    first = body[:200].lstrip().lower()
    if not first:
        raise Odd("an empty reply")
    if first.startswith((b"data:", b"event:", b": ")):
        return assembled(body)
    if first.startswith(b"<") or "html" in content_type:
        raise Odd(f"a web page{title(body)} instead of a chat completion")
    value = json_of(body)
    if not isinstance(value, dict):
        raise Odd(f"JSON that is not a chat completion: {start(body)}")
    return value


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message", choice.get("delta"))
    if message is None and "text" in choice:
        message = {"content": choice["text"]}
    if isinstance(message, str):
        message = {"content": message}
    if not isinstance(message, dict):
        raise Odd("a choice without a message in it")
    found = _message(message)
    return {"index": 0, "message": found, "finish_reason": _finish(choice.get("finish_reason"), found)}


def _finish(reason: Any, message: dict[str, Any]) -> str:
    if reason in ("length", "content_filter"):
        return str(reason)
    return "tool_calls" if message.get("tool_calls") else "stop"


def _message(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant", "content": content(message.get("content"))}
    reasoning = reasoning_in(message)
    if reasoning:
        found["reasoning_content"] = reasoning
    if text(message.get("refusal")):
        found["refusal"] = text(message["refusal"])
    calls = _calls(message)
    if calls:
        found["tool_calls"] = calls
    return found


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls:
        old = message.get("function_call")
        calls = [{"function": old}] if isinstance(old, dict) else []
    found = [_call(call) for call in calls if isinstance(call, dict)]
    taken: set[str] = set()
    for number, call in enumerate(found):
        if not call["id"] or call["id"] in taken:
            call["id"] = f"{call['id'] or 'call'}_{number}"
        taken.add(call["id"])
    return found


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    named = {"name": text(inner.get("name")), "arguments": arguments(inner.get("arguments", inner.get("parameters")))}
    return {"id": text(call.get("id")), "type": "function", "function": named}
