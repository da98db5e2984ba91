"""Our agents, dressed as AutoGen's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, StopMessage, TextMessage
from autogen_core import CancellationToken
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import UserMessage

from agents.agent import Agent
from agents.engines import autogen_scripts as scripts
from agents.engines.autogen_client import TRUSTED, Client, OurTool
from agents.engines.autogen_scripts import Script
from agents.engines.failing import Failure
from agents.settings import Member
from agents.workspace import Workspace


class Floor:
    """What the teams are made of: our agents, dressed as AutoGen's."""

    def __init__(self, work: Workspace) -> None:
        self.work, self.failure = work, Failure()
        self.clients: dict[str, Client] = {}

    def hire(self, role: str, name: str, model: str | None = None, **options: Any) -> Agent:
        """Ours, under a name that AutoGen takes: an identifier."""
        return self.work.hire(role, name.replace("-", "_"), model=model, **options)

    def client(self, agent: Agent, **options: Any) -> Client:
        return self.clients.setdefault(agent.name, Client(agent, self.failure, **options))

    def assistant(self, agent: Agent, told: str = "", handoffs: list[Any] | None = None) -> AssistantAgent:
        """AutoGen's own agent and tool loop. `told` is the first thing that it hears."""
        client = self.client(agent)
        first = [UserMessage(content=told, source=TRUSTED)] if told else []
        return AssistantAgent(
            agent.name,
            client,
            tools=[OurTool(client, spec) for spec in agent.specs],
            handoffs=handoffs,
            system_message=agent.messages[0].content,
            description=f"{agent.role}: uses {', '.join(agent.tools) or 'no tools'}",
            model_context=UnboundedChatCompletionContext(initial_messages=list(first)),
            max_tool_iterations=sys.maxsize,  # what ends its work is ours: the budget, its allowance
        )

    def scripted(self, agent: Agent, script: Script) -> ScriptedAgent:
        return ScriptedAgent(agent, script, self.failure)

    def staff(self, members: Sequence[Member]) -> list[Agent]:
        return [
            self.hire(member.role, f"{member.role}_{number}", member.model)
            for member in members
            for number in range(1, member.count + 1)
        ]


class ScriptedAgent(BaseChatAgent):
    """One of our agents that takes part in a chat by a script: hears what was said since its last turn, and says its
    next line. Roles that answer in forms (supervisor, reviewer, judge) are this; workers are AssistantAgents."""

    def __init__(self, agent: Agent, script: Script, failure: Failure) -> None:
        super().__init__(agent.name, f"{agent.role}")
        self._script, self._failure, self._begun = script, failure, False

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, StopMessage)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        heard = [(message.source, message.to_model_text()) for message in messages]
        line = await self._failure.kept_while(self._line(heard))
        kind = StopMessage if line.final else TextMessage
        return Response(chat_message=kind(content=line.text, source=self.name))

    async def _line(self, heard: scripts.Heard) -> scripts.Line:
        if not self._begun:
            await anext(self._script)
            self._begun = True
        return await self._script.asend(heard)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """A script is played once."""
