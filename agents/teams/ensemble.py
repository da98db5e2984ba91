"""Independent attempts, then a vote: self-consistency (Wang et al. 2023) over whole agents."""

from __future__ import annotations

from agents.agent import Agent
from agents.teams.attempt import carry_on, propose
from agents.teams.voting import Proposal, elect
from agents.workspace import Workspace, gather


async def ensemble(work: Workspace) -> str:
    """The members propose without acting; the most frequent proposal wins, and its first author carries it out."""
    members = work.staff()
    judge = work.one(work.settings.lead, "reviewer")
    tools = members[0].tools
    proposals = await gather(*(_propose(work, member) for member in members))
    winner = await elect(work, judge, proposals)
    answer = await carry_on(work, winner.agent, tools, winner.text)
    work.hand_in(winner.agent.name, answer)
    return answer


async def _propose(work: Workspace, member: Agent) -> Proposal:
    text = await propose(work, member)
    work.bus.send(member.name, text, to=None, topic="proposals", kind="proposal", trusted=False)
    work.hand_in(member.name, text)
    return Proposal(member, text)
