"""The seam: what an engine is. Foreign frameworks plug in here, with our models and tools underneath theirs."""

from __future__ import annotations

from typing import Protocol

from agents.workspace import Workspace


class Engine(Protocol):
    """`offers` says why a team is not offered ("" when it is). `run` does the case and returns the answer; every
    model call goes through the workspace's models and every tool call through its toolbox. It raises LimitReached
    and ModelError as they come. `prepare` loads what the framework takes seconds to load, so that it is not in any
    run's time; an engine from outside may lack it."""

    def prepare(self) -> None: ...

    def offers(self, team: str) -> str: ...

    async def run(self, team: str, work: Workspace) -> str: ...
