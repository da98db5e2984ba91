"""Our own engine: a team is a function over the bus and the board."""

from __future__ import annotations

from agents import table
from agents.workspace import Workspace


class Native:
    def offers(self, team: str) -> str:
        shape = table.team(team).settings.shape
        where = table.ELSEWHERE.get(shape)
        return f"{shape} is a team of the engine {where}: use --engines {where}" if where else ""

    async def run(self, team: str, work: Workspace) -> str:
        return await table.Team(team, work.settings).shape(work)
