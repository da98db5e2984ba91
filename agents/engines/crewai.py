"""CrewAI as an engine: its crews over our agents, models and tools.

Every model call goes through our model and meter, every tool call through our toolbox; CrewAI decides what each agent
is told, in its own prompts, and how its own tool loop goes on. See docs/teams.md for what it offers.
"""

from __future__ import annotations

import importlib
import importlib.util

from agents.engines import offering
from agents.models import quiet
from agents.workspace import Workspace
from traces.errors import Unavailable

CREWS = {"solo": "a crew of one", "pipeline": "a sequential crew", "supervisor": "a hierarchical crew"}
NOT_OFFERED = {
    "market": "CrewAI has no marketplace",
    "hybrid": "CrewAI's agents have no side channels beside delegation",
    "ensemble": "CrewAI has no vote over independent attempts",
    "debate": "CrewAI's tasks are done once, in order: it has no rounds",
    "graph": "CrewAI runs at most the last tasks of a crew side by side, not a graph",
    "cascade": "CrewAI has no cascade of models",
    "router": "CrewAI's crews have no router",
    "swarm": "CrewAI has no handoffs",
    "magentic": "MagenticOne is AutoGen's",
}


class CrewAI:
    """crewai 1.15."""

    def prepare(self) -> None:
        quiet.environment()
        quiet.silence("crewai")  # what goes wrong inside is told with the run
        importlib.import_module("agents.engines.crewai_crews")

    def offers(self, team: str) -> str:
        if not importlib.util.find_spec("crewai"):
            raise Unavailable("the engine crewai needs the package crewai: pip install crewai==1.15.30")
        otherwise = "a function over our bus cannot run in CrewAI's crews"
        return offering.why_not(team, CREWS, NOT_OFFERED, otherwise)

    async def run(self, team: str, work: Workspace) -> str:
        self.prepare()
        from agents.engines import crewai_crews

        return await crewai_crews.run(work)
