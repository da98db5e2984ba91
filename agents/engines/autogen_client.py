"""Our model and our tools in the forms that AutoGen takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from autogen_agentchat.base import Handoff
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
)
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel

from agents import memory
from agents.agent import Agent
from agents.asking import NOBODY, Form, Ledger, Selection
from agents.engines.failing import Failure
from tools.toolbox import ToolResult
from traces.kernel import ChatMessage, ToolCall, Usage

FORMS: dict[str, type[Form]] = {"LedgerEntry": Ledger}


class Client(ChatCompletionClient):
    """An agent's model as AutoGen's client: each call is metered and recorded under the agent's name.

    The calls that AutoGen makes besides the agent's own turns (who speaks next, progress ledgers) are asked for in
    our forms, so that every model answers them; `purpose` says in the trace what a plain call is for.
    """

    component_type = "model"

    def __init__(self, agent: Agent, failure: Failure, *, purpose: str = "act", selects: bool = False) -> None:
        self.agent, self._failure, self._purpose, self._selects = agent, failure, purpose, selects
        self.results: dict[str, ToolResult] = {}
        self._last = Usage()

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        before = self.agent.used
        asked = self._content(self._conversation(messages), tools, json_output)
        content, thought = await self._failure.kept_while(asked)
        self._last = _since(before, self.agent.used)
        finish: Literal["stop", "function_calls"] = "stop" if isinstance(content, str) else "function_calls"
        return CreateResult(
            finish_reason=finish, content=content, usage=_usage(self._last), cached=False, thought=thought
        )

    async def _content(
        self, messages: list[ChatMessage], tools: Sequence[Tool | ToolSchema], form: bool | type[BaseModel] | None
    ) -> tuple[str | list[FunctionCall], str | None]:
        if self._selects:
            self.agent.messages = messages[:-1]
            question = messages[-1].content
            chosen = await self.agent.ask(question, Selection, purpose="select", trusted=False, otherwise=NOBODY)
            return f" {chosen.speaker} ", None
        if isinstance(form, type):
            self.agent.messages = messages[:-1]
            filled = await self.agent.ask(messages[-1].content, FORMS[form.__name__], purpose="ledger", trusted=False)
            return filled.model_dump_json(), None
        turn = await self.agent.decide(messages, tuple(map(_spec, tools)), self._purpose)
        if not turn.calls:
            return turn.text, None
        calls = [FunctionCall(id=call.id, name=call.name, arguments=call.arguments) for call in turn.calls]
        return calls, turn.text or None

    def _conversation(self, messages: Sequence[LLMMessage]) -> list[ChatMessage]:
        return [said for message in messages for said in self._said(message)]

    def _said(self, message: LLMMessage) -> list[ChatMessage]:
        if isinstance(message, SystemMessage):
            return [ChatMessage("system", message.content)]
        if isinstance(message, FunctionExecutionResultMessage):
            return [self._result(r.call_id, r.name, r.content) for r in message.content]
        if isinstance(message, AssistantMessage):
            if isinstance(message.content, str):
                return [self.agent.acting.called(message.content, ())]
            calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in message.content)
            return [self.agent.acting.called(message.thought or "", calls)]
        text = message.content if isinstance(message.content, str) else " ".join(map(str, message.content))
        return [ChatMessage("user", text, trusted=message.source == TRUSTED)]

    def _result(self, call_id: str, name: str, text: str) -> ChatMessage:
        known = self.results.get(call_id)
        trusted = known is not None and known.trusted
        return self.agent.acting.result(ToolCall(call_id, name, "{}"), text, trusted)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        yield await self.create(messages, tools=tools, json_output=json_output, cancellation_token=cancellation_token)

    async def close(self) -> None:
        """Nothing is held open."""

    def actual_usage(self) -> RequestUsage:
        return _usage(self._last)

    def total_usage(self) -> RequestUsage:
        return _usage(self.agent.used)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        return sum(map(memory.size, self._conversation(messages)))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        window = self.agent.model.card.context_window
        return (window or 1_000_000) - self.count_tokens(messages)

    @property
    def capabilities(self) -> ModelInfo:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=True, json_output=True, family=ModelFamily.UNKNOWN, structured_output=True
        )


class OurTool(BaseTool[BaseModel, str]):
    """A tool of the agent's, called through its toolbox: policy, recording and trust marks as on every engine."""

    def __init__(self, client: Client, spec: dict[str, Any]) -> None:
        function = spec["function"]
        super().__init__(BaseModel, str, function["name"], function["description"])
        self._client, self._parameters = client, function["parameters"]

    @property
    def schema(self) -> ToolSchema:
        return ToolSchema(name=self.name, description=self.description, parameters=self._parameters)

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> str:
        call = ToolCall(call_id or self.name, self.name, msgspec.json.encode(dict(args)).decode())
        result = await self._client._failure.kept_while(self._client.agent.use(call))
        self._client.results[call.id] = result
        return result.text

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> str:
        return await self.run_json(args.model_dump(), cancellation_token)


class Report(BaseModel):
    """What was found out so far: the next agent sees nothing else of your work."""

    report: str


class _HandoverTool(BaseTool[Report, str]):
    async def run(self, args: Report, cancellation_token: CancellationToken) -> str:
        return args.report


class Handover(Handoff):
    """A handoff that carries a report: AutoGen's own carries nothing of what its agent's tools found."""

    @property
    def handoff_tool(self) -> BaseTool[BaseModel, BaseModel]:
        return _HandoverTool(Report, str, self.name, self.description)


TRUSTED = "headcount"
"""The source of messages that are the run's own words."""


def _spec(tool: Tool | ToolSchema) -> dict[str, Any]:
    schema = tool if isinstance(tool, dict) else tool.schema
    return {
        "type": "function",
        "function": {
            "name": schema["name"],
            "description": schema.get("description", ""),
            "parameters": schema.get("parameters", {"type": "object", "properties": {}}),
        },
    }


def _since(before: Usage, now: Usage) -> Usage:
    return Usage(now.input_tokens - before.input_tokens, now.output_tokens - before.output_tokens)


def _usage(usage: Usage) -> RequestUsage:
    return RequestUsage(usage.input_tokens, usage.output_tokens)
