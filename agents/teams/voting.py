"""Choosing among proposals: the vote of self-consistency (Wang et al. 2023), or a judge where no two are equal."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from agents.agent import Agent
from agents.asking import FIRST, Ballot
from agents.teams.attempt import proposed
from agents.workspace import Workspace

JUDGE = """These are proposals for the final answer, of which at most one is taken as it is. Which one is right?

{candidates}"""
CANDIDATE = "[candidate: {number}]\n{text}"


class Proposal(Struct, frozen=True):
    agent: Agent
    text: str


def groups(proposals: Sequence[Proposal]) -> list[list[Proposal]]:
    """Equal proposals together (case and white space aside), the largest group first; of equally large ones, that with
    the earliest proposal first."""
    found: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        found.setdefault(" ".join(proposal.text.casefold().split()), []).append(proposal)
    return sorted(found.values(), key=lambda group: -len(group))


def agreement(proposals: Sequence[Proposal]) -> float:
    """The share of the proposals that are equal to the most frequent one."""
    return len(groups(proposals)[0]) / len(proposals)


async def elect(work: Workspace, judge: Agent, proposals: Sequence[Proposal]) -> Proposal:
    """The most frequent proposal; where all differ, the one that the judge picks."""
    first = groups(proposals)[0]
    if len(first) > 1 or len(proposals) == 1:
        winner, how = first[0], f"{len(first)} of {len(proposals)} proposals are equal"
        if len(groups(proposals)) > 1 and len(groups(proposals)[1]) == len(first):
            how += ", as are as many others: the earliest wins"
    else:
        winner, how = await _judged(judge, proposals)
    work.note(judge.name, "vote", f"{winner.agent.name}: {how}")
    return winner


async def _judged(judge: Agent, proposals: Sequence[Proposal]) -> tuple[Proposal, str]:
    texts = (proposed(p.agent, p.text) for p in proposals)
    candidates = "\n\n".join(CANDIDATE.format(number=n, text=text) for n, text in enumerate(texts, 1))
    question = JUDGE.format(candidates=candidates)
    ballot = await judge.fresh().ask(question, Ballot, purpose="judge", trusted=False, otherwise=FIRST)
    if ballot.choice > len(proposals):
        return proposals[0], f"all differ, and the judge chose number {ballot.choice}, which is none: the first"
    return proposals[
        ballot.choice - 1
    ], f"all {len(proposals)} differ, the judge chose this one. {ballot.reason}".strip()
