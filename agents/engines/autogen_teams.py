"""The teams that AutoGen's group chats can be: who takes part, what each is told, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Any

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import ChatAgent, Response, Team
from autogen_agentchat.conditions import StopMessageTermination, TextMessageTermination
from autogen_agentchat.messages import BaseChatMessage, StopMessage, TextMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import CancellationToken
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import UserMessage

from agents import stopping
from agents.agent import Agent
from agents.engines import autogen_scripts as scripts
from agents.engines.autogen_client import TRUSTED, Client, Handover, OurTool
from agents.engines.autogen_scripts import Script
from agents.engines.autogen_stream import follow
from agents.engines.failing import Failure
from agents.settings import Member
from agents.teams.attempt import TASK, attempt
from agents.teams.crew import ASSIGNMENT, case_tasks
from agents.workspace import Workspace

MAX_TURNS = 40


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
            max_tool_iterations=agent.max_steps,
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


async def run(work: Workspace) -> str:
    """The case, done by the team that the settings name. What was raised inside comes out as it was."""
    floor = Floor(work)
    shape = work.settings.shape
    if shape == "solo":
        return await _solo(floor)
    return await _chat(floor, BUILD[shape](floor))


async def _solo(floor: Floor) -> str:
    work = floor.work
    checks = work.settings.agent.check != "none"
    agent = floor.hire("solo", "solo", checks_effects=checks)
    assistant = floor.assistant(agent)
    solo = _Speaking(floor, agent, assistant)
    until = stopping.rule(work.settings.stop, rounds=2)
    return await attempt(work, solo, until, TASK)  # type: ignore[arg-type]  # an agent whose work AutoGen does


class _Speaking:
    """An agent whose tool loop is AutoGen's."""

    def __init__(self, floor: Floor, agent: Agent, assistant: AssistantAgent) -> None:
        self._floor, self._agent, self._assistant, self._asked = floor, agent, assistant, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    async def work(self, task: str, *, trusted: bool = True) -> str:
        words = [TextMessage(content=task, source=TRUSTED)]
        if not self._asked:
            words.insert(0, TextMessage(content=self._floor.work.request, source="user"))
            self._asked = True
        return await _chat(self._floor, self._assistant, words, alone=True)


async def _chat(
    floor: Floor, team: Team | AssistantAgent, words: list[TextMessage] | None = None, *, alone: bool = False
) -> str:
    token = CancellationToken()
    task: Any = words or [TextMessage(content=floor.work.request, source="user")]
    chat = asyncio.ensure_future(follow(floor, team.run_stream(task=task, cancellation_token=token), alone=alone))
    try:
        return await asyncio.shield(chat)
    except asyncio.CancelledError:
        floor.failure.cancel()  # else AutoGen waits until its agents have spoken
        token.cancel()
        chat.cancel()
        await asyncio.wait([chat])
        raise
    except Exception:
        floor.failure.again()
        raise


def _pipeline(floor: Floor) -> Team:
    stages = [(role, list(tasks)) for role, tasks in groupby(case_tasks(floor.work), key=lambda task: task.role)]
    agents: list[ChatAgent] = []
    for number, (role, tasks) in enumerate(stages, 1):
        told = "\n".join(ASSIGNMENT.format(id=task.id, goal=task.goal) for task in tasks)
        agents.append(floor.assistant(floor.hire(role, f"{role}_{number}"), told))
    return RoundRobinGroupChat(agents, max_turns=len(agents))


def _graph(floor: Floor) -> Team:
    tasks = case_tasks(floor.work)
    nodes = {
        task.id: floor.assistant(
            floor.hire(task.role, f"{task.role}_{task.id}"), ASSIGNMENT.format(id=task.id, goal=task.goal)
        )
        for task in tasks
    }
    flow = DiGraphBuilder()
    for node in nodes.values():
        flow.add_node(node)
    for task in tasks:
        for need in task.needs:
            flow.add_edge(nodes[need], nodes[task.id])
    return GraphFlow(list(nodes.values()), graph=flow.build())


def _supervisor(floor: Floor) -> Team:
    settings, work = floor.work.settings, floor.work
    boss = floor.hire("supervisor", "supervisor", settings.lead.model if settings.lead else None)
    workers = floor.staff(settings.members)
    reviewer = floor.hire("reviewer", "reviewer", settings.reviewer.model) if settings.reviewer else None
    agents: list[ChatAgent] = [floor.scripted(boss, scripts.supervise(work, boss, workers, reviewer))]
    agents += [floor.assistant(worker) for worker in workers]
    if reviewer is not None:
        agents.append(floor.scripted(reviewer, scripts.review(reviewer)))

    def after(thread: Sequence[Any]) -> str | None:
        """Everything comes back to the supervisor; whom it speaks to is for the selector to see."""
        return None if thread and thread[-1].source == boss.name else boss.name

    selector = floor.client(boss.named("selector"), selects=True)
    return SelectorGroupChat(
        agents,
        selector,
        selector_func=after,
        allow_repeated_speaker=True,
        termination_condition=StopMessageTermination(),
        max_turns=MAX_TURNS,
        emit_team_events=True,
    )


def _debate(floor: Floor) -> Team:
    settings, work = floor.work.settings, floor.work
    debaters = floor.staff(settings.members)
    judge = floor.hire("reviewer", "reviewer", settings.lead.model if settings.lead else None)
    stand = scripts.Stand(work, debaters)
    agents: list[ChatAgent] = [floor.scripted(debater, scripts.debate(stand, debater)) for debater in debaters]
    agents.append(floor.scripted(judge, scripts.judge(stand, judge)))
    return RoundRobinGroupChat(agents, termination_condition=StopMessageTermination(), max_turns=MAX_TURNS)


def _swarm(floor: Floor) -> Team:
    """Whoever needs what another role has hands over to it; the first answer in words ends it."""
    workers = floor.staff([Member(role=role) for role in dict.fromkeys(m.role for m in floor.work.settings.members)])
    agents: list[ChatAgent] = [
        floor.assistant(worker, TASK, [Handover(target=other.name) for other in workers if other is not worker])
        for worker in workers
    ]
    answered = reduce(or_, (TextMessageTermination(worker.name) for worker in workers))
    return Swarm(agents, termination_condition=answered, max_turns=MAX_TURNS, emit_team_events=True)


def _magentic(floor: Floor) -> Team:
    """MagenticOne's orchestrator (Fourney et al. 2024) over the same workers."""
    settings = floor.work.settings
    boss = floor.hire("supervisor", "supervisor", settings.lead.model if settings.lead else None)
    workers = floor.staff(settings.members)
    client = floor.client(boss, purpose="orchestrate")
    return MagenticOneGroupChat(
        [floor.assistant(worker) for worker in workers],
        client,
        max_turns=MAX_TURNS,
        final_answer_prompt=scripts.FINAL.format(style=floor.work.scenario.file.answer_style.strip()),
        emit_team_events=True,
    )


BUILD: dict[str, Callable[[Floor], Team]] = {
    "pipeline": _pipeline,
    "graph": _graph,
    "supervisor": _supervisor,
    "debate": _debate,
    "swarm": _swarm,
    "magentic": _magentic,
}
