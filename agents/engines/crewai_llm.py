"""Our model and our tools in the forms that CrewAI takes."""

from __future__ import annotations

from typing import Any

import msgspec
from crewai import BaseLLM
from crewai.tools import BaseTool
from pydantic import BaseModel, ConfigDict, PrivateAttr

from agents import memory
from agents.acting import Turn
from agents.agent import Agent
from agents.engines.bridge import Bridge
from agents.engines.failing import Failure
from agents.models import history
from marketplace.bus import Bus
from tools.toolbox import ToolResult
from traces.kernel import ChatMessage, ToolCall


class Mind:
    """What one agent's model and tools share: the agent, the bridge, and the calls that it decided on. `reports_to`:
    the manager that has work done by it."""

    def __init__(self, agent: Agent, bus: Bus, bridge: Bridge, failure: Failure, reports_to: str = "") -> None:
        self.agent, self.bus, self.bridge, self.failure = agent, bus, bridge, failure
        self.reports_to = reports_to
        self.pending: list[ToolCall] = []
        self.results: dict[str, ToolResult] = {}

    def take(self, name: str, arguments: dict[str, Any]) -> ToolCall:
        """The pending call that this is, with the id that the model gave it."""
        call = next((c for c in self.pending if c.name == name), None)
        if call is None:
            return ToolCall(name, name, msgspec.json.encode(arguments).decode())
        self.pending.remove(call)
        return call

    async def decide(self, messages: list[ChatMessage], specs: tuple[dict[str, Any], ...]) -> str | list[Any]:
        await self._refuse_pending()
        turn = await self.agent.decide(messages, specs, "act")
        self.pending = list(turn.calls)
        self._tell(turn)
        if not turn.calls:
            return turn.text
        functions = ({"name": call.name, "arguments": history.arguments(call.arguments)} for call in turn.calls)
        return [
            {"id": call.id, "type": "function", "function": function}
            for call, function in zip(turn.calls, functions, strict=True)
        ]

    def _tell(self, turn: Turn) -> None:
        """Delegation, and the report that comes back, are messages: CrewAI passes them on as a tool call's result."""
        for call in turn.calls:
            if call.name in DELEGATION:
                told = msgspec.json.decode(history.arguments(call.arguments))
                text = f"{told.get('task') or told.get('question') or ''}\n\n{told.get('context') or ''}".strip()
                self.bus.send(self.agent.name, text, topic=str(told.get("coworker")), kind="delegate", trusted=False)
        if self.reports_to and not turn.calls:
            self.bus.send(self.agent.name, turn.text, to=self.reports_to, kind="report", trusted=False)

    async def _refuse_pending(self) -> None:
        """Calls that CrewAI itself refused never reached our toolbox: they are refused there too, so that they are in
        the trace. Delegation is CrewAI's own: its work is in the trace as the coworker's."""
        for call in self.pending:
            if call.name not in DELEGATION:
                await self.agent.refuse(call)
        self.pending = []


DELEGATION = ("delegate_work_to_coworker", "ask_question_to_coworker")


class OurLLM(BaseLLM):
    """An agent's model as CrewAI's: each call is metered and recorded under the agent's name.

    `usage_metrics` of a crew count these calls too: they equal our meter's, since both are told by the same replies.
    """

    _mind: Mind = PrivateAttr()

    def __init__(self, mind: Mind) -> None:
        super().__init__(model=mind.agent.model.card.name, provider="headcount")
        self._mind = mind

    def call(
        self,
        messages: str | list[Any],
        tools: list[dict[str, Any]] | None = None,
        callbacks: list[Any] | None = None,
        available_functions: dict[str, Any] | None = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[BaseModel] | None = None,
    ) -> str | list[Any]:
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        conversation = [self._said(message) for message in said]
        before = self._mind.agent.used
        with self._mind.failure.kept():
            reply = self._mind.bridge.do(self._mind.decide(conversation, self._specs(tools)))
        now = self._mind.agent.used
        self._track_token_usage_internal(
            {
                "prompt_tokens": now.input_tokens - before.input_tokens,
                "completion_tokens": now.output_tokens - before.output_tokens,
                "total_tokens": now.tokens - before.tokens,
            }
        )
        return reply

    def _specs(self, tools: list[dict[str, Any]] | None) -> tuple[dict[str, Any], ...]:
        """Our tools as they are; CrewAI's own (delegation) as CrewAI describes them."""
        ours = {spec["function"]["name"]: spec for spec in self._mind.agent.specs}
        return tuple(ours.get(tool["function"]["name"], tool) for tool in tools or ())

    def _said(self, message: dict[str, Any]) -> ChatMessage:
        role, text = message["role"], str(message.get("content") or "")
        acting = self._mind.agent.acting
        if role == "system":
            return ChatMessage("system", text)
        if role == "tool":
            call_id = message.get("tool_call_id") or ""
            known = self._mind.results.get(call_id)
            call = ToolCall(call_id, message.get("name") or "", "{}")
            return acting.result(call, text, known is not None and known.trusted)
        if role == "assistant":
            functions = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
            calls = tuple(ToolCall(id_, f["name"], f["arguments"]) for id_, f in functions)
            return acting.called(text, calls)
        return ChatMessage("user", text, trusted=False)

    def supports_function_calling(self) -> bool:
        return True

    def supports_stop_words(self) -> bool:
        return False

    def get_input_tokens_count(self, messages: Any, tools: Any = None, response_model: Any = None) -> int:
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return sum(memory.size(self._said(message)) for message in said)

    def get_context_window_size(self) -> int:
        return self._mind.agent.model.card.context_window or 1_000_000


class _Arguments(BaseModel):
    """Taken as they come: our toolbox reads and checks them."""

    model_config = ConfigDict(extra="allow")


class OurTool(BaseTool):
    """A tool of the agent's, called through its toolbox: policy, recording and trust marks as on every engine."""

    name: str
    description: str
    args_schema: type[BaseModel] = _Arguments
    _mind: Mind = PrivateAttr()

    def __init__(self, mind: Mind, spec: dict[str, Any]) -> None:
        function = spec["function"]
        super().__init__(name=function["name"], description=function["description"])
        self._mind = mind

    def _run(self, **arguments: Any) -> str:
        call = self._mind.take(self.name, arguments)
        with self._mind.failure.kept():
            result = self._mind.bridge.do(self._mind.agent.use(call))
        self._mind.results[call.id] = result
        return result.text
