"""The teams that AutoGen's group chats can be: who takes part, what each is told, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.conditions import StopMessageTermination, TextMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import CancellationToken

from agents import stopping
from agents.agent import Agent
from agents.engines import autogen_scripts as scripts
from agents.engines.autogen_client import TRUSTED, Handover
from agents.engines.autogen_floor import Floor
from agents.engines.autogen_stream import follow
from agents.limits import MENDINGS
from agents.settings import Member
from agents.teams.attempt import TASK, attempt
from agents.teams.crew import ASSIGNMENT, case_tasks
from agents.workspace import Workspace


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
    until = stopping.rule(work.settings.stop, rounds=MENDINGS)
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
        emit_team_events=True,
    )


def _debate(floor: Floor) -> Team:
    settings, work = floor.work.settings, floor.work
    debaters = floor.staff(settings.members)
    judge = floor.hire("reviewer", "reviewer", settings.lead.model if settings.lead else None)
    stand = scripts.Stand(work, debaters)
    agents: list[ChatAgent] = [floor.scripted(debater, scripts.debate(stand, debater)) for debater in debaters]
    agents.append(floor.scripted(judge, scripts.judge(stand, judge)))
    return RoundRobinGroupChat(agents, termination_condition=StopMessageTermination())


def _swarm(floor: Floor) -> Team:
    """Whoever needs what another role has hands over to it; the first answer in words ends it."""
    workers = floor.staff([Member(role=role) for role in dict.fromkeys(m.role for m in floor.work.settings.members)])
    agents: list[ChatAgent] = [
        floor.assistant(worker, TASK, [Handover(target=other.name) for other in workers if other is not worker])
        for worker in workers
    ]
    answered = reduce(or_, (TextMessageTermination(worker.name) for worker in workers))
    return Swarm(agents, termination_condition=answered, emit_team_events=True)


def _magentic(floor: Floor) -> Team:
    """MagenticOne's orchestrator (Fourney et al. 2024) over the same workers."""
    settings = floor.work.settings
    boss = floor.hire("supervisor", "supervisor", settings.lead.model if settings.lead else None)
    workers = floor.staff(settings.members)
    client = floor.client(boss, purpose="orchestrate")
    return MagenticOneGroupChat(
        [floor.assistant(worker) for worker in workers],
        client,
        max_turns=None,
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
