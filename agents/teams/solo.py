"""One agent with all the tools: plan, act, check."""

from __future__ import annotations

from agents import stopping
from agents.limits import MENDINGS
from agents.teams.attempt import attempt
from agents.workspace import Workspace


async def solo(work: Workspace) -> str:
    """The baseline: the whole budget, every tool, a look before each outside effect, and a check at the end."""
    settings = work.settings
    checks = settings.agent.check != "none"
    agent = work.one(next(iter(settings.members), None), "solo", checks_effects=checks)
    return await attempt(work, agent, stopping.rule(settings.stop, rounds=MENDINGS))
