"""Where a team works: one trial's request, tools, models, bus and recorder, the same for every team and engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents import actions, longterm, roles
from agents.actions import NobodyThere, Person
from agents.agent import Agent
from agents.allowance import Allowance
from agents.longterm import Fact
from agents.models.model import Model
from agents.settings import Mailbox, Member, Settings
from agents.stopping import Met, Standing
from marketplace.bus import Bus
from tasks.case import Case
from tasks.scenario import Scenario
from tools.tool import Effect
from tools.toolbox import Toolbox
from traces.kernel import AgentCreated, AnswerHandedIn, ChatMessage, Event, LimitHit, Noted
from traces.streams import stream

T = TypeVar("T")

RECALLED = "From earlier cases, which may not fit this one:\n{facts}"


@dataclass
class Workspace:
    """`model_for(name)` gives a model, metered and recorded: the experiment's for None. `used` is the share of the
    token budget that is used, None where there is none. `draw(purpose)` gives random numbers of this trial's own.
    `answer` is the best so far: what is graded if the run is cut short. `ended_by` is the stop rule that ended the
    team's rounds. `recalled`: facts from earlier cases, for those who search."""

    scenario: Scenario
    case: Case
    settings: Settings
    toolbox: Toolbox
    record: Callable[[Event], object]
    model_for: Callable[[str | None], Model]
    bus: Bus
    used: Callable[[], float | None] = lambda: None
    draw: Callable[[str], random.Random] = lambda purpose: stream(0, purpose)
    person: Person = field(default_factory=NobodyThere)
    recalled: Sequence[Fact] = ()
    answer: str = ""
    ended_by: Met | None = None
    agents: dict[str, Agent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.allowance = Allowance(lambda: self.settings.agent.max_steps)

    @property
    def request(self) -> str:
        """The request in the words in which every agent hears it. Untrusted text."""
        return f"The request:\n{self.case.request.strip()}"

    def hire(
        self,
        role: str,
        name: str = "",
        *,
        model: str | None = None,
        checks_effects: bool = False,
        inbox: Mailbox | None = None,
    ) -> Agent:
        """A new agent on the bus, with its instructions and the request in mind. `name` is the role unless given;
        without an `inbox` it has one without a limit."""
        name, inside = name or role, self.settings.agent
        found = roles.find(role)
        mind = self.model_for(model)
        tools = roles.tools_of(role, self.scenario)
        self.record(AgentCreated(name, role, mind.card.name, found.prompt_version, tools))
        box = inbox or Mailbox()
        self.bus.join(name, capacity=box.limit, full=box.full)
        agent = Agent(
            name,
            role,
            mind,
            self.toolbox,
            tools,
            self.record,
            allowance=self.allowance,
            checks_effects=checks_effects,
            sums_up=inside.memory == "summary",
        )
        if inside.escalate:
            agent.actions["ask_person"] = actions.ask_person(self.person, self.record, name)
        agent.messages.append(ChatMessage("system", roles.instructions(found, name, self.scenario)))
        agent.hear(self.request, trusted=False)
        self._recall(agent)
        self.agents[name] = agent
        return agent

    def staff(self, members: tuple[Member, ...] | None = None) -> list[Agent]:
        """The team's members, or these: `role-1`, `role-2`, ..."""
        staff: list[Agent] = []
        for member in self.settings.members if members is None else members:
            for _ in range(member.count):
                number = 1 + sum(agent.role == member.role for agent in staff)
                name, inbox = f"{member.role}-{number}", self.settings.inbox
                staff.append(self.hire(member.role, name, model=member.model, inbox=inbox))
        return staff

    def one(self, member: Member | None, role: str, name: str = "", *, checks_effects: bool = False) -> Agent:
        """The agent for a part that the settings may have named (lead, reviewer); else in `role`."""
        chosen = member or Member(role=role)
        return self.hire(chosen.role, name, model=chosen.model, checks_effects=checks_effects)

    def without_effects(self, tools: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the tools that change nothing outside the run: for attempts that may come to nothing."""
        return tuple(tool for tool in tools if self.toolbox.effect(tool) is not Effect.OUTSIDE)

    def hand_in(self, agent: str, answer: str) -> None:
        """This is the best answer now."""
        self.answer = answer
        self.record(AnswerHandedIn(agent, answer))

    def note(self, agent: str, kind: str, text: str) -> None:
        self.record(Noted(agent, kind, text))

    def standing(self, rounds: int, agreement: float = 0.0) -> Standing:
        return Standing(rounds, agreement, self.used())

    def stopped(self, met: Met, agent: str) -> None:
        """A stop rule has ended the team's rounds."""
        self.ended_by = met
        self.record(LimitHit(met.kind, met.value, met.limit, agent))

    def _recall(self, agent: Agent) -> None:
        facts = self.recalled
        if facts and roles.find(agent.role).finds:
            agent.hear(RECALLED.format(facts="\n".join(fact.line for fact in facts)), trusted=False)
            self.note(agent.name, "recalled", longterm.recalled_note(facts))


async def gather(*jobs: Coroutine[Any, Any, T]) -> list[T]:
    """The results of all; where one fails, the others are cancelled and its error comes out."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
    return [task.result() for task in tasks]
