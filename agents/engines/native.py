"""Our own engine: a team is a function over the bus and the board."""

from __future__ import annotations

from agents import table
from agents.workspace import Workspace


class Native:
    def offers(self, team: str) -> str:
        table.team(team)
        return ""

    async def run(self, team: str, work: Workspace) -> str:
        return await table.team(team).shape(work)
