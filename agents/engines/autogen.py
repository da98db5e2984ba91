"""AutoGen AgentChat as an engine: its group chats over our agents, models and tools.

Every model call goes through our model and meter, every tool call through our toolbox; AutoGen decides who speaks, what
each agent sees, and how its own tool loop goes on. See docs/teams.md for what it offers.
"""

from __future__ import annotations

import importlib
import importlib.util

from agents.engines import offering
from agents.models import quiet
from agents.workspace import Workspace
from traces.errors import Unavailable

CHATS = {
    "solo": "one AssistantAgent",
    "pipeline": "RoundRobinGroupChat",
    "supervisor": "SelectorGroupChat",
    "debate": "RoundRobinGroupChat with a judge",
    "graph": "GraphFlow",
    "swarm": "Swarm",
    "magentic": "MagenticOneGroupChat",
}
NOT_OFFERED = {
    "market": "AutoGen has no marketplace",
    "hybrid": "AutoGen's agents share one chat, they have no side channels",
    "ensemble": "AutoGen's group chats let every agent see what the others say, so attempts are not independent",
    "cascade": "AutoGen has no cascade of models",
    "router": "AutoGen has no router",
}


class AutoGen:
    """autogen-agentchat 0.7."""

    def prepare(self) -> None:
        quiet.environment()
        quiet.silence("autogen_core", "autogen_agentchat")  # what goes wrong inside is told with the run
        importlib.import_module("agents.engines.autogen_teams")

    def offers(self, team: str) -> str:
        if not importlib.util.find_spec("autogen_agentchat"):
            raise Unavailable(
                "the engine autogen needs the package autogen-agentchat: pip install autogen-agentchat==0.7.5"
            )
        otherwise = "a function over our bus cannot run in AutoGen's group chats"
        return offering.why_not(team, CHATS, NOT_OFFERED, otherwise)

    async def run(self, team: str, work: Workspace) -> str:
        self.prepare()
        from agents.engines import autogen_teams

        return await autogen_teams.run(work)
