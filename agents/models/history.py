"""What goes back to a server, well-formed whatever the model has said: the trace keeps what it was.

Always: arguments of earlier calls are JSON objects, every call has an id of its own, a name that servers take and
exactly one result, and texts can be written. Where the server asks for it: messages of one role joined and user and
assistant in turn, the system message where it may be, no message without text, reasoning with what the assistant said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from agents.models.abilities import Abilities
from traces import bounds, strict
from traces.kernel import ChatMessage, ToolCall
from traces.strict import writable

NO_RESULT = "(no result)"
NO_TEXT = "(nothing)"
GO_ON = "(goes on)"
NOT_KEPT = "(not kept)"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[\x21-\x7e]{1,64}")

Wire = dict[str, Any]


def wellformed(messages: Sequence[ChatMessage], server: Abilities) -> list[Wire]:
    """The messages in chat completions' form."""
    found = _paired(messages)
    if server.system != "any":
        found = _system_where_it_may_be(found, server.system == "none")
    if server.alternating:
        found = _in_turn(found)
    if not server.empty:
        found = [_with_text(message) for message in found]
    if server.reasoning_back:
        found = [{"reasoning_content": NOT_KEPT, **m} if m["role"] == "assistant" else m for m in found]
    return found


def plain(message: ChatMessage) -> Wire:
    """An entry of a prompt, or a reply, as it is."""
    wire: Wire = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def arguments(text: str) -> str:
    """The arguments of a call as the text of a JSON object: what is meant where that can be told, else none."""
    try:
        value = strict.loads(text or "{}")
    except bounds.Malformed:
        try:
            value = strict.mended(text)
        except bounds.Malformed:
            return "{}"
    else:
        if isinstance(value, dict):
            return text or "{}"
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else "{}"


def _paired(messages: Sequence[ChatMessage]) -> list[Wire]:
    """Every call with one result right after it; a result without its call becomes what a user says."""
    found: list[Wire] = []
    taken: set[str] = set()
    waiting: dict[str, list[str]] = {}  # the ids that came, with those that were sent
    for message in messages:
        if message.role == "tool":
            found.append(_result(message, waiting))
            continue
        found += _missing(waiting)
        waiting = {}
        if not message.tool_calls:
            found.append({"role": message.role, "content": writable(message.content)})
            continue
        calls = [_sent(call, taken) for call in message.tool_calls]
        for call, sent in zip(message.tool_calls, calls, strict=True):
            waiting.setdefault(call.id, []).append(sent["id"])
        found.append({"role": "assistant", "content": writable(message.content) or None, "tool_calls": calls})
    return found + _missing(waiting)


def _sent(call: ToolCall, taken: set[str]) -> Wire:
    id_ = call.id if _ID.fullmatch(call.id) else "call"
    while id_ in taken:
        id_ = f"{id_[:48]}_{len(taken)}"
    taken.add(id_)
    name = call.name if _NAME.fullmatch(call.name) else re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:64] or "unnamed"
    return _call(id_, name, arguments(call.arguments))


def _call(id_: str, name: str, arguments: str) -> Wire:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def _result(message: ChatMessage, waiting: dict[str, list[str]]) -> Wire:
    content = writable(message.content)
    sent = waiting.get(message.tool_call_id or "")
    if not sent:
        return {"role": "user", "content": f"Result of an earlier call:\n{content}"}
    return {"role": "tool", "content": content, "tool_call_id": sent.pop(0)}


def _missing(waiting: dict[str, list[str]]) -> list[Wire]:
    without = (id_ for sent in waiting.values() for id_ in sent)
    return [{"role": "tool", "content": NO_RESULT, "tool_call_id": id_} for id_ in without]


def _system_where_it_may_be(messages: list[Wire], nowhere: bool) -> list[Wire]:
    """The system messages at the start as one; further ones, or where there may be none all, as what a user says."""
    start = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    head, rest = messages[:start], [_as_user(message) for message in messages[start:]]
    if not head:
        return rest
    told = "\n\n".join(message["content"] for message in head)
    if not nowhere:
        return [{"role": "system", "content": told}, *rest]
    if rest and rest[0]["role"] == "user":
        return [{"role": "user", "content": f"{told}\n\n{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "user", "content": told}, *rest]


def _as_user(message: Wire) -> Wire:
    return {**message, "role": "user"} if message["role"] == "system" else message


def _in_turn(messages: Iterable[Wire]) -> list[Wire]:
    """User and assistant in turn, with results of tools between them; the assistant is neither first nor last."""
    found: list[Wire] = []
    for message in messages:
        before = found[-1] if found else None
        role = message["role"]
        if before is not None and role == before["role"] and role in ("user", "system", "assistant"):
            if "tool_calls" not in before and "tool_calls" not in message:
                before["content"] = f"{before['content']}\n\n{message['content']}".strip()
                continue
            if role == "assistant" and "tool_calls" not in before:
                found[-1] = {**message, "content": f"{before['content']}\n\n{message['content'] or ''}".strip()}
                continue
        if role == "assistant" and (before is None or before["role"] == "system"):
            found.append({"role": "user", "content": GO_ON})
        elif role == "user" and before is not None and before["role"] == "tool":
            found.append({"role": "assistant", "content": GO_ON})
        found.append(dict(message))
    if found and found[-1]["role"] == "assistant":
        found.append({"role": "user", "content": GO_ON})
    return found


def _with_text(message: Wire) -> Wire:
    if (message["content"] or "").strip():
        return message
    return {**message, "content": NO_TEXT}
