"""Our own engine: a team is a function over the bus and the board."""

from __future__ import annotations

import inspect
import reprlib

from agents import table
from agents.workspace import Workspace


class Native:
    def prepare(self) -> None:
        """Everything is here."""

    def offers(self, team: str) -> str:
        shape = table.team(team).settings.shape
        where = table.ELSEWHERE.get(shape)
        return f"{shape} is a team of the engine {where}: use --engines {where}" if where else ""

    async def run(self, team: str, work: Workspace) -> str:
        made = table.Team(team, work.settings).shape(work)
        try:
            answer: object = await made if inspect.isawaitable(made) else made
        except GeneratorExit as error:  # raised by a team's own code: as it is, it would end whoever waits for it
            raise RuntimeError("the team's code raised GeneratorExit") from error
        if not isinstance(answer, str):
            raise TypeError(
                f"the team gave back {reprlib.repr(answer)} ({type(answer).__name__}), not the answer's text"
            )
        return answer
