"""A hub with side channels: the supervisor plans and decides, the workers get what they need from each other."""

from __future__ import annotations

from agents import actions
from agents.teams.supervisor import lead, on_the_job
from agents.workspace import Workspace


async def hybrid(work: Workspace) -> str:
    """A supervisor, and direct messages between its workers."""
    async with on_the_job(work) as (boss, workers, reviewer):
        for worker in workers:
            action = actions.ask_colleague(work.bus, worker.name, [w.name for w in workers])
            worker.actions[action.name] = action
        return await lead(work, boss, workers, reviewer, direct=True)
