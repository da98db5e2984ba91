"""The case's task graph, executed as it is: a workflow rather than a team that plans."""

from __future__ import annotations

from agents.teams.crew import WORKERS, carry_out, case_tasks, on_duty, spread
from agents.workspace import Workspace

DISPATCHER = "dispatcher"


async def graph(work: Workspace) -> str:
    """A fixed workflow: subtasks run side by side where the graph allows, and join where it must; nobody plans."""
    work.bus.join(DISPATCHER)
    workers = [work.hire(role, name) for role, name in WORKERS]
    tasks = case_tasks(work)
    reports: dict[str, str] = {}
    async with on_duty(work, workers):
        await carry_out(work, DISPATCHER, tasks, spread(tasks, workers), reports)
    answer = reports[tasks[-1].id]
    work.hand_in(DISPATCHER, answer)
    return answer
