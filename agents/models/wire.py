"""Our requests and replies in the form of OpenAI's chat completions, which is what LiteLLM speaks."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from agents.models import history, intext, replies, schemas
from agents.models.abilities import Abilities
from agents.models.model import Reply, Request
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
        arguments["max_tokens"] = request.max_tokens
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
    said, refusal = replies.content(message.content), "" if message.content else _refusal(message)
    within = intext.read(said or refusal, [spec["function"]["name"] for spec in request.tools])
    calls = tool_calls(message.tool_calls) or within.calls
    finish = "refusal" if refusal else choices[0].finish_reason or "stop"
    return Reply(
        text=within.text,
        usage=Usage(),
        model=name,
        tool_calls=calls,
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        server=server,
        reasoning=replies.text(getattr(message, "reasoning_content", None)) or within.reasoning,
    )


def _refusal(message: Any) -> str:
    further = getattr(message, "provider_specific_fields", None) or {}
    return replies.text(getattr(message, "refusal", None) or further.get("refusal"))


def tool_calls(calls: Iterable[Any] | None) -> tuple[ToolCall, ...]:
    """Arguments stay the JSON text that came; a call without an id gets one."""
    return tuple(
        ToolCall(
            replies.text(call.id) or f"call_{number}",
            replies.text(call.function.name),
            replies.text(call.function.arguments) or "{}",
        )
        for number, call in enumerate(calls or ())
    )
