"""Debate (Du et al. 2023; with a judge: Liang et al. 2023): propose, attack, mend, until they agree or time is up.

It goes in the bus's rounds: what all say in one is heard by all in the next, whoever was quicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from agents import stopping
from agents.agent import Agent, problem_lines
from agents.asking import UNCHECKED, Review
from agents.limits import MENDINGS
from agents.teams.attempt import MEND, carry_on, propose, proposed
from agents.teams.voting import Proposal, agreement, elect
from agents.workspace import Workspace, gather
from traces.kernel import Message

TOPIC = "debate"
ATTACK = """{author} proposes another answer to the same request. Hold it against what you found yourself: is anything
in it wrong or missing?

Delivered:
{delivery}"""
AGREES = "I find nothing wrong."
OTHERS = "\n\nWhat the others propose:\n\n{proposals}"
PEER = "[proposal by {name}]\n{text}"


@dataclass
class Debater:
    """`proposals` is what it has heard each propose, itself too, by name."""

    work: Workspace
    agent: Agent
    proposals: dict[str, str] = field(default_factory=dict)

    @property
    def proposal(self) -> Proposal:
        return Proposal(self.agent, self.proposals[self.agent.name])

    async def propose(self) -> None:
        await self._stand(await propose(self.work, self.agent))

    async def turn(self, others: Sequence[Agent]) -> None:
        """Attack what the first of the others proposes; then answer to the attack on its own."""
        target = others[0]
        text = ATTACK.format(author=target.name, delivery=proposed(target, self.proposals[target.name]))
        aside = self.agent.aside()
        found = await aside.ask(text, Review, purpose="attack", trusted=False, otherwise=UNCHECKED)
        problems = problem_lines(found)
        kind, said = ("attack", problems) if problems else ("agrees", AGREES)
        self.work.bus.send(self.agent.name, said, to=target.name, kind=kind, trusted=False)
        attacks = [heard.content for heard in await self._hear() if heard.content != AGREES]
        if attacks:
            theirs = [(other, self.proposals[other.name]) for other in others]
            await self._stand(await self.agent.work(mending("\n".join(attacks), theirs), trusted=False))
        else:
            await self._hear()

    async def _stand(self, text: str) -> None:
        self.proposals[self.agent.name] = text
        self.work.bus.send(self.agent.name, text, topic=TOPIC, kind="proposal", trusted=False)
        self.work.hand_in(self.agent.name, text)
        await self._hear()

    async def _hear(self) -> list[Message]:
        """End the round, and hear what was said in it."""
        heard = await self.work.bus.end_round(self.agent.name)
        self.proposals.update({message.sender: message.content for message in heard if message.kind == "proposal"})
        return heard


def mending(problems: str, theirs: Iterable[tuple[Agent, str]]) -> str:
    """What a debater is asked whose proposal was attacked: it is shown what the others propose (Du et al. 2023)."""
    proposals = (PEER.format(name=agent.name, text=proposed(agent, text)) for agent, text in theirs)
    return MEND.format(problems=problems) + OTHERS.format(proposals="\n\n".join(proposals))


async def debate(work: Workspace) -> str:
    """Each debater attacks the next one's proposal, and mends its own; a judge picks where they still differ."""
    debaters = [Debater(work, agent) for agent in work.staff()]
    judge = work.one(work.settings.lead, "reviewer")
    tools = debaters[0].agent.tools
    for debater in debaters:
        work.bus.subscribe(debater.agent.name, TOPIC)
    with work.bus.rounds(debater.agent.name for debater in debaters):
        await _debated(work, debaters, judge)
    winner = await elect(work, judge, [debater.proposal for debater in debaters])
    answer = await carry_on(work, winner.agent, tools, winner.text)
    work.hand_in(winner.agent.name, answer)
    return answer


async def _debated(work: Workspace, debaters: list[Debater], judge: Agent) -> None:
    until = stopping.rule(work.settings.stop, rounds=MENDINGS)
    agents = [debater.agent for debater in debaters]
    await gather(*(debater.propose() for debater in debaters))
    for rounds in count():
        met = until(work.standing(rounds, agreement([debater.proposal for debater in debaters])))
        if met is not None:
            work.stopped(met, judge.name)
            return
        await gather(*(one.turn([*agents[n + 1 :], *agents[:n]]) for n, one in enumerate(debaters)))
