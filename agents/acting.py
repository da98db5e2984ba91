"""Two ways of acting behind one interface: native tool calls, or a JSON reply in a fixed form for models whose tool
calls cannot be relied on. The model's card decides."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from jsonschema import Draft202012Validator

from agents.limits import TEXT, THOUGHT
from agents.models import history, intext
from agents.models.model import Card, Reply
from traces import bounds, strict
from traces.errors import MalformedOutput
from traces.kernel import ChatMessage, ToolCall


class Turn(msgspec.Struct, frozen=True):
    """What an agent decided: calls to make, or (without any) what it has to say."""

    text: str
    calls: tuple[ToolCall, ...] = ()


class Acting(Protocol):
    """`offer` says how the tools go into the request (native tools, schema); `read` takes the turn out of the reply,
    or raises MalformedOutput; `in_prose` is the turn of one that never comes in the form asked for; `said` (by its
    reply), `called` (by the calls) and `result` are how a turn and a result stand in the conversation."""

    def offer(self, specs: tuple[dict[str, Any], ...]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any] | None]: ...

    def read(self, reply: Reply) -> Turn: ...

    def in_prose(self, reply: Reply) -> Turn | None: ...

    def said(self, reply: Reply) -> ChatMessage: ...

    def called(self, text: str, calls: tuple[ToolCall, ...]) -> ChatMessage: ...

    def result(self, call: ToolCall, text: str, trusted: bool) -> ChatMessage: ...


class NativeCalls:
    """Tool calls as the chat-completion APIs have them."""

    def offer(self, specs: tuple[dict[str, Any], ...]) -> tuple[tuple[dict[str, Any], ...], None]:
        return specs, None

    def read(self, reply: Reply) -> Turn:
        if not reply.tool_calls:
            check_text(reply)
        return Turn(reply.text, reply.tool_calls)

    def in_prose(self, reply: Reply) -> Turn | None:
        return None

    def said(self, reply: Reply) -> ChatMessage:
        return self.called(reply.text, reply.tool_calls)

    def called(self, text: str, calls: tuple[ToolCall, ...]) -> ChatMessage:
        return ChatMessage("assistant", text, calls)

    def result(self, call: ToolCall, text: str, trusted: bool) -> ChatMessage:
        return ChatMessage("tool", text, tool_call_id=call.id, trusted=trusted)


class JsonActions:
    """The model answers `{"thought", "next": {"action", "arguments"}}`; the action "finish" has an "answer" instead.
    The tools are described in the schema."""

    def __init__(self) -> None:
        self._calls = 0

    def offer(self, specs: tuple[dict[str, Any], ...]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
        return (), action_schema(specs)

    def read(self, reply: Reply) -> Turn:
        check_said(reply)
        whole = read_json(reply.text)
        action = whole["next"] if isinstance(whole.get("next"), dict) else whole
        name = action.get("action")
        if not isinstance(name, str):
            raise MalformedOutput('the reply has no "action": give the name of a tool, or "finish"')
        if name == "finish":
            answer = str(action.get("answer") or whole.get("thought") or "").strip()
            if not answer:
                raise MalformedOutput('the action "finish" needs an "answer"')
            return Turn(answer)
        if not _is_whole(reply.text):
            raise MalformedOutput(f"the call of {name!r} was not made: its JSON is broken or cut off")
        self._calls += 1
        arguments = action.get("arguments") or {}
        return Turn(
            str(whole.get("thought", "")),
            (ToolCall(f"json-{self._calls}", name, msgspec.json.encode(arguments).decode()),),
        )

    def in_prose(self, reply: Reply) -> Turn | None:
        whole = reply.finish_reason == "stop" and bool(reply.text.strip())
        return Turn(reply.text) if whole and not {"{", "["} & set(reply.text) else None

    def said(self, reply: Reply) -> ChatMessage:
        return ChatMessage("assistant", reply.text)

    def called(self, text: str, calls: tuple[ToolCall, ...]) -> ChatMessage:
        whole: dict[str, Any] = {"thought": "", "next": {"action": "finish", "answer": text}}
        for call in calls[:1]:
            arguments = msgspec.json.decode(history.arguments(call.arguments))
            whole = {"thought": text, "next": {"action": call.name, "arguments": arguments}}
        return ChatMessage("assistant", msgspec.json.encode(whole).decode())

    def result(self, call: ToolCall, text: str, trusted: bool) -> ChatMessage:
        return ChatMessage("user", f"Result of {call.name}:\n{text}", trusted=trusted)


def acting_for(card: Card) -> Acting:
    return NativeCalls() if card.tool_calls else JsonActions()


def action_schema(specs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The schema of the next action: a closed object for each tool, so that a schema-constrained reply can only be a
    call that the tool takes, and one to finish. Thoughts and arguments have an end, since small models ramble."""
    tools = [_choice(f["name"], "arguments", _closed(f["parameters"])) for f in (spec["function"] for spec in specs)]
    answer = {"type": "string"}
    described = "; ".join(f"{s['function']['name']}: {s['function']['description']}" for s in specs)
    return {
        "title": "Action",
        "description": f"The next action: a tool, or finish with the answer. Tools: {described or 'none'}",
        "type": "object",
        "properties": {
            "thought": {"type": "string", "maxLength": THOUGHT},
            "next": {"anyOf": [*tools, _choice("finish", "answer", answer)]},
        },
        "required": ["thought", "next"],
        "additionalProperties": False,
    }


def _choice(action: str, field: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": [action]}, field: schema},
        "required": ["action", field],
        "additionalProperties": False,
    }


def _closed(parameters: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {"maxLength": TEXT, **schema} if schema.get("type") == "string" else schema
        for name, schema in parameters.get("properties", {}).items()
    }
    return {**parameters, "properties": properties, "additionalProperties": False}


def read_json(text: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object in a model's reply, mended where that is possible (code fences, trailing commas, cut ends).

    Raises MalformedOutput that says what is wrong, in words for the model.
    """
    try:
        value = strict.loads(text)
    except bounds.Malformed:
        value = _mended(text)
    if not isinstance(value, dict):
        raise MalformedOutput("the reply is not a JSON object")
    if schema is not None:
        error = next(iter(sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: list(e.path))), None)
        if error is not None:
            place = ".".join(map(str, error.path))
            raise MalformedOutput(f"{place}: {error.message}" if place else error.message)
    return value


def _is_whole(text: str) -> bool:
    """Whether there is a valid JSON object in a text, perhaps in a code fence or among prose: nothing to be mended."""
    try:
        return isinstance(strict.loads(text[text.index("{") : text.rindex("}") + 1]), dict)
    except (ValueError, bounds.Malformed):
        return False


def check_said(reply: Reply) -> None:
    """Raises MalformedOutput where a reply has no text, with the reason."""
    if not reply.text.strip():
        raise MalformedOutput(_EMPTY.get(reply.finish_reason, _ONLY_REASONING if reply.reasoning else _NOTHING))


def check_text(reply: Reply) -> None:
    """Raises MalformedOutput where there is nothing in a reply without calls that could be an answer."""
    check_said(reply)
    if intext.has_call(reply.text):
        raise MalformedOutput("a tool call is written in the text and cannot be read there: make it as a tool call")


_NOTHING = "the reply is empty: neither text nor a tool call"
_ONLY_REASONING = "the reply is empty: the model has only reasoned"
_EMPTY = {
    "length": "the reply is empty: it was cut at its limit of tokens before there was any text",
    "content_filter": "the reply is empty: the server's content filter withheld it",
}


def _mended(text: str) -> Any:
    try:
        return strict.mended(text)
    except bounds.Malformed as error:
        raise MalformedOutput(f"the reply cannot be read as JSON: {error}") from None
