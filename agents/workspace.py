"""Where a team works: one trial's request, tools, models, bus and recorder, the same for every team and engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agents import roles
from agents.agent import Agent
from agents.models.model import Model
from marketplace.bus import Bus
from tasks.case import Case
from tasks.scenario import Scenario
from tools.toolbox import Toolbox
from traces.kernel import AgentCreated, AnswerHandedIn, ChatMessage, Event, Noted


@dataclass
class Workspace:
    """`model_for(agent, role)` gives the model that an agent thinks with, metered and recorded. `answer` is the best
    so far: what is graded if the run is cut short."""

    scenario: Scenario
    case: Case
    toolbox: Toolbox
    record: Callable[[Event], object]
    model_for: Callable[[str, str], Model]
    bus: Bus
    answer: str = ""
    agents: dict[str, Agent] = field(default_factory=dict)

    @property
    def request(self) -> str:
        """The request in the words in which every agent hears it. Untrusted text."""
        return f"The request:\n{self.case.request.strip()}"

    def hire(self, role: str, name: str = "", *, checks_effects: bool = False) -> Agent:
        """A new agent on the bus, with its instructions and the request in mind. `name` is the role unless given."""
        name = name or role
        found = roles.find(role)
        words = roles.instructions(found, name, self.scenario)
        model = self.model_for(name, role)
        tools = roles.tools_of(role, self.scenario)
        self.record(AgentCreated(name, role, model.card.name, found.prompt_version, tools))
        self.bus.join(name)
        agent = Agent(name, role, model, self.toolbox, tools, self.record, checks_effects=checks_effects)
        agent.messages.append(ChatMessage("system", words))
        agent.hear(self.request, trusted=False)
        self.agents[name] = agent
        return agent

    def hand_in(self, agent: str, answer: str) -> None:
        """This is the best answer now."""
        self.answer = answer
        self.record(AnswerHandedIn(agent, answer))

    def note(self, agent: str, kind: str, text: str) -> None:
        self.record(Noted(agent, kind, text))
