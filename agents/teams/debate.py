"""Debate (Du et al. 2023; with a judge: Liang et al. 2023): propose, attack, mend, until they agree or time is up."""

from __future__ import annotations

from itertools import count

from agents import stopping
from agents.agent import Agent, problem_lines
from agents.asking import Review
from agents.teams.attempt import MEND, carry_on, propose, proposed
from agents.teams.voting import Proposal, agreement, elect
from agents.workspace import Workspace, gather

ATTACK = """{author} proposes another answer to the same request. Hold it against what you found yourself: is anything
in it wrong or missing?

Delivered:
{delivery}"""


async def debate(work: Workspace) -> str:
    """Each debater attacks the next one's proposal, and mends its own; a judge picks where they still differ."""
    debaters = work.staff()
    judge = work.one(work.settings.lead, "reviewer")
    tools = debaters[0].tools
    until = stopping.rule(work.settings.stop, rounds=2)
    proposals = await gather(*(_propose(work, debater) for debater in debaters))
    for rounds in count():
        met = until(work.standing(rounds, agreement(proposals)))
        if met is not None:
            work.stopped(met, judge.name)
            break
        proposals = await _round(work, proposals)
    winner = await elect(work, judge, proposals)
    answer = await carry_on(work, winner.agent, tools, winner.text)
    work.hand_in(winner.agent.name, answer)
    return answer


async def _propose(work: Workspace, debater: Agent) -> Proposal:
    return _stand(work, debater, await propose(work, debater))


def _stand(work: Workspace, debater: Agent, text: str) -> Proposal:
    work.bus.send(debater.name, text, topic="debate", kind="proposal", trusted=False)
    work.hand_in(debater.name, text)
    return Proposal(debater, text)


async def _round(work: Workspace, proposals: list[Proposal]) -> list[Proposal]:
    """Everyone attacks the next one's proposal at once, then everyone answers to the attack."""
    targets = [*proposals[1:], proposals[0]]
    attacks = await gather(*(_attack(work, own.agent, target) for own, target in zip(proposals, targets, strict=True)))
    attacked = [attacks[-1], *attacks[:-1]]
    return await gather(*(_answer(work, own, attack) for own, attack in zip(proposals, attacked, strict=True)))


async def _attack(work: Workspace, attacker: Agent, target: Proposal) -> str:
    text = ATTACK.format(author=target.agent.name, delivery=proposed(target.agent, target.text))
    problems = problem_lines(await attacker.aside().ask(text, Review, purpose="attack", trusted=False))
    kind = "attack" if problems else "agrees"
    work.bus.send(attacker.name, problems or "I find nothing wrong.", to=target.agent.name, kind=kind, trusted=False)
    return problems


async def _answer(work: Workspace, own: Proposal, attack: str) -> Proposal:
    if not attack:
        return own
    return _stand(work, own.agent, await own.agent.work(MEND.format(problems=attack), trusted=False))
