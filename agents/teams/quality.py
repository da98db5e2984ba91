"""Whether what was delivered in a market is good enough: three ways to find out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from agents.agent import Agent
from agents.models.simulated.index import index_of
from agents.teams.crew import REVIEW
from agents.teams.voting import Proposal, elect
from agents.workspace import Workspace
from marketplace.board import Posting

OTHERWISE = "* it: {agent} did it again and found something else, which {judge} thinks more of: {found}"
NOTE = re.compile(r"^- ([^:\n]+): (.*?)(?: \[[^\]]*\])?$", re.MULTILINE)


@dataclass(frozen=True)
class Delivery:
    """What was delivered for a posting, the text that it was assigned with, and what it rests on."""

    posting: Posting
    assigned: str
    rests_on: str


Judgement = Callable[["Floor", Delivery], Awaitable[str]]
"""The problems as lines that an agent can be sent; empty where it is accepted."""


@dataclass(frozen=True)
class Floor:
    """Who is there to judge: the reviewer, the workers, and on whose behalf they are asked."""

    work: Workspace
    poster: Agent
    reviewer: Agent
    workers: list[Agent]


async def by_reviewer(floor: Floor, made: Delivery) -> str:
    """The reviewer reads it beside what it rests on."""
    posting = made.posting
    delivery = f"{posting.delivery}\n\nIt rests on:\n{made.rests_on}" if made.rests_on else posting.delivery
    text = REVIEW.format(id=posting.id, goal=posting.goal, delivery=delivery)
    reply = await floor.work.bus.ask(floor.poster.name, floor.reviewer.name, text, kind="review", trusted=False)
    return reply.content if reply.kind == "problems" else ""


async def by_grader(floor: Floor, made: Delivery) -> str:
    """The case's reference says what the subtask should find out: the delivery must say all of it. That is knowing the
    truth, which no team has: a ceiling for experiments. A subtask that the reference does not have, or that finds
    nothing out, goes to the reviewer."""
    case = floor.work.case
    index = index_of(case)
    steps = [step for step in index.steps_in((made.posting.id,)) if step.tool and not step.optional]
    facts = [name for step in steps for name in step.facts]
    if not facts:
        return await by_reviewer(floor, made)
    truth = index.truth
    return "\n".join(f"* {name}: is not right" for name in facts if truth(name) not in made.posting.delivery)


async def by_redundancy(floor: Floor, made: Delivery) -> str:
    """A second worker of the role does it again, without what has an effect outside. Where both found the same it is
    accepted; where not, the reviewer votes. Without a second worker, the reviewer reads it."""
    posting = made.posting
    others = [w for w in floor.workers if w.role == posting.role and w.name != posting.holder]
    holder = next((w for w in floor.workers if w.name == posting.holder), None)
    if not others or holder is None:
        return await by_reviewer(floor, made)
    fresh = others[0].fresh()
    second = replace(fresh, tools=floor.work.without_effects(fresh.tools))
    again = await second.work(made.assigned, trusted=False)
    if agree(posting.delivery, again):
        floor.work.note(second.name, "vote", f"did {posting.id} again and found the same")
        return ""
    proposals = [Proposal(holder.fresh(), posting.delivery), Proposal(second, again)]
    winner = await elect(floor.work, floor.reviewer, proposals)
    if winner is proposals[0]:
        return ""
    return OTHERWISE.format(agent=second.name, judge=floor.reviewer.name, found=" ".join(again.split()))


def agree(one: str, other: str) -> bool:
    """Whether two reports say the same: the same notes (`- name: value [source]`) of what both noted, or, where they
    have no note in common, the same text but for case and white space."""
    first, second = dict(NOTE.findall(one)), dict(NOTE.findall(other))
    common = first.keys() & second.keys()
    if not common:
        return one.casefold().split() == other.casefold().split()
    return all(first[name].strip().casefold() == second[name].strip().casefold() for name in common)


JUDGEMENTS: dict[str, Judgement] = {"reviewer": by_reviewer, "grader": by_grader, "redundancy": by_redundancy}
