"""The messages of a model call's span, in any of the conventions: what the model was told, and what it replied."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from traces.kernel import ChatMessage, ToolCall
from traces.otlp.attributes import answered, asked, calls, listed, parsed, text, unflattened
from traces.otlp.span import Span

_ROLES: dict[str, Literal["system", "user", "assistant", "tool"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}


class Reply(Struct, frozen=True):
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


def told(span: Span) -> tuple[ChatMessage, ...]:
    """The prompt; empty where the span does not hold it (content is often left out)."""
    at = span.attributes
    system = parsed(at.get("gen_ai.system_instructions"))
    before = (ChatMessage("system", _content(system)),) if system else ()
    for found in (
        parsed(_with_events(span, "gen_ai.input.messages")),
        unflattened(at, "llm.input_messages"),
        unflattened(at, "gen_ai.prompt"),
        parsed(at.get("gen_ai.prompt") or _event(span, "gen_ai.content.prompt", "gen_ai.prompt")),
        _in_events(span),
    ):
        if isinstance(found, list) and found:
            return before + tuple(message(one) for one in found if isinstance(one, dict))
        if isinstance(found, str) and found:
            return (*before, ChatMessage("user", found, trusted=False))
    given = asked(span)
    return (*before, ChatMessage("user", given, trusted=False)) if given else before


def replied(span: Span) -> Reply:
    """The reply; empty where the span does not hold it."""
    at = span.attributes
    for found in (
        parsed(_with_events(span, "gen_ai.output.messages")),
        unflattened(at, "llm.output_messages"),
        unflattened(at, "gen_ai.completion"),
        parsed(at.get("gen_ai.completion") or _event(span, "gen_ai.content.completion", "gen_ai.completion")),
        _choices(span),
    ):
        if isinstance(found, list) and found and isinstance(found[0], dict):
            first = message(found[0])
            return Reply(first.content, first.tool_calls)
        if isinstance(found, str) and found:
            return Reply(found)
    return Reply(answered(span))


def message(data: dict[str, Any]) -> ChatMessage:
    """One message: a role with parts (OpenTelemetry), `message.*` (OpenInference), or content and tool_calls."""
    data = data.get("message", data) if isinstance(data.get("message"), dict) else data
    role = _ROLES.get(str(data.get("role", "user")).lower(), "user")
    parts = [part for part in listed(data.get("parts")) if isinstance(part, dict)]
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    if answers:
        role = "tool"
    made = calls([*listed(data.get("tool_calls")), *(part for part in parts if part.get("type") == "tool_call")])
    call_id = data.get("tool_call_id") or data.get("id") or (answers[0].get("id") if answers else None)
    content = _content(parts) if parts else _content(_first_content(data))
    return ChatMessage(
        role,
        content,
        made,
        str(call_id) if role == "tool" and call_id else None,
        trusted=role in ("system", "assistant"),
    )


def _first_content(data: dict[str, Any]) -> Any:
    contents = listed(data.get("contents"))
    if contents:
        return [one.get("message_content", one) for one in contents if isinstance(one, dict)]
    return parsed(data.get("content"))


def _content(value: Any) -> str:
    """The text of parts; what is no text is named by its type."""
    if not isinstance(value, list):
        return text(value)
    said = [_part(part) for part in value]
    return "\n".join(part for part in said if part)


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return text(part)
    kind = part.get("type", "text")
    if kind == "tool_call":
        return ""
    found = part.get("content") or part.get("text") or part.get("response") or part.get("result")
    return text(found) if found else ("" if kind == "text" else f"[{kind}]")


def _event(span: Span, name: str, attribute: str) -> Any:
    return next((event.attributes.get(attribute) for event in span.events if event.name == name), None)


def _with_events(span: Span, name: str) -> Any:
    """An attribute of the span or, where content is kept in events, of one of its events."""
    return span.attributes.get(name) or _event(span, "gen_ai.client.inference.operation.details", name)


def _in_events(span: Span) -> list[dict[str, Any]]:
    """The prompt as an event a message (`gen_ai.user.message`, ...), as the conventions had it before 1.37."""
    found = []
    for event in span.events:
        parts = event.name.split(".")
        if len(parts) == 3 and parts[0] == "gen_ai" and parts[2] == "message" and parts[1] in _ROLES:
            content = {name.removeprefix("gen_ai."): parsed(value) for name, value in event.attributes.items()}
            found.append({"role": parts[1], **content})
    return found


def _choices(span: Span) -> list[Any]:
    for event in span.events:
        if event.name == "gen_ai.choice":
            inner = parsed(event.attributes.get("message"))
            return [inner if isinstance(inner, dict) else {"role": "assistant", "content": text(inner)}]
    return []
