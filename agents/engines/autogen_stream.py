"""AutoGen's events as ours: each message, selection, handoff and stop once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseChatMessage,
    HandoffMessage,
    SelectSpeakerEvent,
    StopMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

from agents.engines.autogen_floor import Floor
from traces.kernel import ToolCall

MANAGER = "chat manager"
CHAT = "chat"


async def follow(floor: Floor, stream: AsyncGenerator[Any, None], *, alone: bool) -> str:
    """Record what AutoGen tells until it is done; the answer. `alone`: one agent, so nothing is said to anybody."""
    work, told, counted = floor.work, "", 0
    asked: dict[str, ToolCall] = {}
    async for event in stream:
        usage = getattr(event, "models_usage", None)
        counted += usage.prompt_tokens + usage.completion_tokens if usage is not None else 0
        if isinstance(event, TaskResult):
            work.note(MANAGER, "stop", event.stop_reason or "everyone has spoken")
            work.note(MANAGER, "usage", f"AutoGen counted {counted:,} tokens")
        elif isinstance(event, SelectSpeakerEvent):
            work.note(MANAGER, "select", ", ".join(event.content))
        elif isinstance(event, ToolCallRequestEvent):
            asked.update((call.id, ToolCall(call.id, call.name, call.arguments)) for call in event.content)
        elif isinstance(event, ToolCallExecutionEvent):
            await _refused(floor, event, asked)
        elif isinstance(event, BaseChatMessage) and event.source in floor.work.agents | {MANAGER: None}:
            told = event.to_model_text()
            if not alone:
                _say(floor, event, told)
        elif isinstance(event, BaseChatMessage) and event.source not in ("user", "headcount"):
            work.bus.send(event.source, event.to_model_text(), topic=CHAT, kind="say", trusted=False)
            told = event.to_model_text()
    return work.answer if not alone and work.answer else told


def _say(floor: Floor, event: BaseChatMessage, text: str) -> None:
    work = floor.work
    if isinstance(event, HandoffMessage):
        work.bus.send(event.source, text, to=event.target, kind="handoff", trusted=False)
        return
    work.bus.send(event.source, text, topic=CHAT, kind="say", trusted=False)
    if not isinstance(event, StopMessage) and work.settings.shape in HANDS_IN:
        work.hand_in(event.source, text)


HANDS_IN = ("pipeline", "graph", "swarm", "magentic")
"""Chats whose newest message is the best answer so far; in the others a script says which is."""


async def _refused(floor: Floor, event: ToolCallExecutionEvent, asked: dict[str, ToolCall]) -> None:
    """Calls that AutoGen itself refused (no such tool, arguments that are no JSON) never reached our toolbox: they are
    refused there as well, so that they are in the trace."""
    client = floor.clients[event.source]
    for result in event.content:
        call = asked[result.call_id]
        if result.is_error and call.id not in client.results:
            await client.agent.refuse(call)
