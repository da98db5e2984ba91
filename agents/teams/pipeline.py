"""A chain of roles: each stage gets all that the stages before it found, and hands on what it adds."""

from __future__ import annotations

from itertools import groupby

from agents.asking import PlannedTask
from agents.teams.crew import ASSIGNMENT, FOUND, case_tasks, on_duty
from agents.workspace import Workspace

BELT = "belt"


async def pipeline(work: Workspace) -> str:
    """An assembly line: a stage for each run of subtasks with one role, in order; no plan and no way back."""
    work.bus.join(BELT)
    stages = [(role, list(tasks)) for role, tasks in groupby(case_tasks(work), key=lambda task: task.role)]
    agents = [work.hire(role, f"{role}-{number}") for number, (role, _) in enumerate(stages, 1)]
    reports: list[str] = []
    async with on_duty(work, agents):
        for agent, (_, tasks) in zip(agents, stages, strict=True):
            text = _stage(tasks, reports)
            reply = await work.bus.ask(BELT, agent.name, text, kind="stage", trusted=False)
            reports.append(reply.content)
            work.hand_in(agent.name, reply.content)
    return reports[-1]


def _stage(tasks: list[PlannedTask], reports: list[str]) -> str:
    text = "\n".join(ASSIGNMENT.format(id=task.id, goal=task.goal) for task in tasks)
    return text + (FOUND.format(reports="\n".join(reports)) if reports else "")
