"""Our requests and replies in the form of OpenAI's chat completions, which is what LiteLLM speaks."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from typing import Any

from msgspec import structs

from agents.models import history, intext, parts, schemas
from agents.models.abilities import Abilities
from agents.models.model import Reply, Request
from traces import bounds, strict
from traces.errors import ModelError
from traces.kernel import ToolCall, Usage


def body(request: Request, server: Abilities) -> dict[str, Any]:
    """The call's arguments, all of them ours to give away: LiteLLM changes what it is given in place. A schema that the
    server does not take is written into the prompt instead."""
    messages = history.wellformed(request.messages, server)
    arguments: dict[str, Any] = {"messages": messages}
    if request.tools:
        tools = list(map(schemas.simpler_tool, request.tools)) if server.simple_tools else list(request.tools)
        arguments["tools"] = copy.deepcopy(tools)
    if request.max_tokens is not None:
        arguments["max_completion_tokens" if server.newer_limit else "max_tokens"] = request.max_tokens
    if request.schema is not None:
        format_ = schemas.response_format(request.schema, server.schemas)
        if format_ is not None:
            arguments["response_format"] = format_
        if server.schemas in ("json", "prompt"):
            _say(messages, schemas.in_prompt(request.schema))
    return arguments


def _say(messages: list[dict[str, Any]], text: str) -> None:
    """As the end of what the user said last: some servers want user and assistant in turn."""
    if messages and messages[-1]["role"] == "user":
        messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}\n\n{text}"}
    else:
        messages.append({"role": "user", "content": text})


def reply(response: Any, name: str, request: Request, server: str) -> Reply:
    """Our reply from LiteLLM's, with reasoning and tool calls taken out of the text where the server left them in it.
    Raises ModelError where there is none."""
    choices = getattr(response, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    if message is None or not choices:
        raise ModelError(f"model {name!r}: its server sent a reply without a message in it")
    said, refusal = parts.content(message.content), "" if message.content else _refusal(message)
    tools = {spec["function"]["name"]: _properties(spec) for spec in request.tools}
    finish = "refusal" if refusal else choices[0].finish_reason or "stop"
    calls = tool_calls(message.tool_calls, tools, cut=finish == "length")
    within = intext.read(said or refusal, None if calls else tools)
    calls = calls or within.calls
    reasoning = parts.text(getattr(message, "reasoning_content", None)) or within.reasoning
    text = within.text.lstrip() if reasoning else within.text
    if request.schema is not None and not text and finish == "stop" and _is_json(reasoning):
        text, reasoning = reasoning, ""  # servers that are set up to part reasoning take a plain answer for it
    return Reply(
        text=text,
        usage=Usage(),
        model=name,
        tool_calls=calls,
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        server=server,
        reasoning=reasoning,
    )


def _properties(spec: dict[str, Any]) -> dict[str, Any]:
    properties = (spec["function"].get("parameters") or {}).get("properties")
    return properties if isinstance(properties, dict) else {}


def _is_json(text: str) -> bool:
    try:
        return isinstance(strict.loads(text), dict)
    except bounds.Malformed:
        return False


def _refusal(message: Any) -> str:
    further = getattr(message, "provider_specific_fields", None) or {}
    return parts.text(getattr(message, "refusal", None) or further.get("refusal"))


def tool_calls(calls: Iterable[Any] | None, tools: Collection[str] = (), cut: bool = False) -> tuple[ToolCall, ...]:
    """Arguments stay the JSON text that came; a call without an id gets one. In a reply that was cut off, a call
    without arguments is none: they were still to come."""
    made = (
        ToolCall(
            parts.text(call.id) or f"call_{number}",
            _name(parts.text(call.function.name), tools),
            _arguments(parts.text(call.function.arguments)),
        )
        for number, call in enumerate(calls or ())
    )
    return tuple(structs.replace(call, arguments=call.arguments or "{}") for call in made if call.arguments or not cut)


def _name(name: str, tools: Collection[str]) -> str:
    """The tool that is meant: gpt-oss lets its control tokens into names (`find<|channel|>json`), and Kimi its own."""
    if name in tools:
        return name
    plain = name.partition("<|")[0].strip().removeprefix("functions.").partition(":")[0]
    return plain if plain in tools else name


def _arguments(text: str) -> str:
    """Arguments that are the JSON of a text which is that of an object are taken out of it."""
    if text.lstrip()[:1] != '"':
        return text
    try:
        inner = strict.loads(text)
    except bounds.Malformed:
        return text
    return inner if isinstance(inner, str) and _is_json(inner) else text
