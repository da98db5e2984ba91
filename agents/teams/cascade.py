"""A cascade (Chen, Zaharia & Zou 2023, "FrugalGPT"): the cheap model first, the next one where a check fails."""

from __future__ import annotations

from agents.teams.attempt import WHOLE, carry_on, propose, proposed
from agents.teams.crew import REVIEW, on_duty
from agents.workspace import Workspace


async def cascade(work: Workspace) -> str:
    """Level by level: propose, be checked by the reviewer, carry out what passes; the last level is not checked."""
    judge = work.one(work.settings.lead, "reviewer")
    levels = work.settings.members
    async with on_duty(work, [judge]):
        for number, member in enumerate(levels, 1):
            agent = work.hire(member.role, f"level-{number}", model=member.model)
            tools = agent.tools
            proposal = await propose(work, agent)
            work.hand_in(agent.name, proposal)
            if number == len(levels):
                break
            text = REVIEW.format(id=WHOLE, goal=work.case.request.strip(), delivery=proposed(agent, proposal))
            verdict = await work.bus.ask(agent.name, judge.name, text, kind="review", trusted=False)
            if verdict.kind == "accepted":
                break
            work.note(judge.name, "cascade", f"level {number} of {len(levels)} failed the check; the next one tries")
        answer = await carry_on(work, agent, tools, proposal)
    work.note(judge.name, "cascade", f"level {number} of {len(levels)} gave the answer ({agent.model.card.name})")
    work.hand_in(agent.name, answer)
    return answer
