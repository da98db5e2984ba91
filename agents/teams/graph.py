"""The case's task graph, executed as it is: a workflow rather than a team that plans."""

from __future__ import annotations

import asyncio

from agents.asking import PlannedTask
from agents.limits import TRIES
from agents.teams.crew import assignment, case_tasks, on_duty, spread
from agents.workspace import Workspace
from marketplace.bus import Undelivered
from traces.errors import ModelError

DISPATCHER = "dispatcher"


async def graph(work: Workspace) -> str:
    """A fixed workflow: subtasks run side by side where the graph allows, and join where it must; nobody plans."""
    work.bus.join(DISPATCHER)
    workers = work.staff()
    tasks = case_tasks(work)
    holders = spread(tasks, workers)
    able = {task.id: _able(holders[task.id], [w.name for w in workers if w.role == task.role]) for task in tasks}
    reports: dict[str, str] = {}
    running: dict[str, asyncio.Task[None]] = {}

    async def node(task: PlannedTask) -> None:
        await asyncio.gather(*(running[need] for need in task.needs))
        reports[task.id] = await _run(work, task, able[task.id], reports)

    async with on_duty(work, workers), asyncio.TaskGroup() as group:
        for task in tasks:
            running[task.id] = group.create_task(node(task))
        await asyncio.gather(*running.values())
    answer = reports[tasks[-1].id]
    work.hand_in(DISPATCHER, answer)
    return answer


def _able(holder: str, others: list[str]) -> list[str]:
    """Who may do a node, its holder first."""
    return [holder, *(name for name in others if name != holder)]


async def _run(work: Workspace, task: PlannedTask, able: list[str], reports: dict[str, str]) -> str:
    """One node: its holder tries, as often as the stop rule has it; then whoever else can do it."""
    text = assignment(task, reports)
    tries = work.settings.stop.max_rounds or TRIES
    order = [able[0]] * tries + able[1:]
    for number, name in enumerate(order, 1):
        failure, report = await _tried(work, name, text)
        if not failure:
            return report
        follows = order[number] if number < len(order) else "nobody"
        work.note(DISPATCHER, "node_failed", f"{task.id}: {name} failed ({failure}); {follows} is next")
    raise ModelError(f"{task.id}: all {len(order)} tries failed: {failure}")


async def _tried(work: Workspace, name: str, text: str) -> tuple[str, str]:
    """(why it failed, or nothing; the report)"""
    try:
        reply = await work.bus.ask(DISPATCHER, name, text, kind="node", trusted=False)
    except Undelivered as lost:
        return str(lost), ""
    return (reply.content, "") if reply.kind == "failed" else ("", reply.content)
