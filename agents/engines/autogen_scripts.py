"""What our agents say in a group chat where their part is more than to work: plan, review, decide, debate, judge."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import count

from msgspec import Struct

from agents import stopping
from agents.agent import Agent, problem_lines
from agents.asking import UNCHECKED, PlannedTask, Review
from agents.limits import MENDINGS
from agents.teams import supervisor as hub
from agents.teams.attempt import carry_on, propose, proposed
from agents.teams.crew import SENT_BACK, assignment, plan, spread
from agents.teams.debate import ATTACK, mending
from agents.teams.voting import Proposal, agreement, elect
from agents.workspace import Workspace

FINAL = "The work is done. Reply with the final answer alone. {style}"
ACCEPTED = "Right and complete."


class Line(Struct, frozen=True):
    """What is said; `final` ends the chat."""

    text: str
    final: bool = False


START = Line("")
"""What a script yields before its first turn; it is not said."""

Heard = list[tuple[str, str]]
"""(who, what) since the last turn."""

Script = AsyncGenerator[Line, Heard | None]


def _last(heard: Heard | None) -> str:
    return heard[-1][1] if heard else ""


async def supervise(work: Workspace, boss: Agent, workers: list[Agent], reviewer: Agent | None) -> Script:
    """The supervisor's part: assign what was planned, one task after the other, since a chat has one speaker."""
    yield START
    tasks = await plan(work, boss, workers)
    holders, until = spread(tasks, workers), stopping.rule(work.settings.stop, rounds=1 + MENDINGS)
    reports: dict[str, str] = {}
    problems: dict[str, str] = {}
    todo = tasks
    for rounds in count(1):
        for task in todo:
            reports[task.id] = _last((yield Line(_assign(task, holders[task.id], reports, problems))))
        answer = reports[tasks[-1].id]
        work.hand_in(boss.name, answer)
        met = until(work.standing(rounds))
        if met is not None:
            work.stopped(met, boss.name)
            break
        review = hub.NO_REVIEW
        if reviewer is not None:
            review = _last((yield Line(f"{reviewer.name}: {hub.for_review(tasks, reports)}")))
        decision = await hub.decide(boss, tasks, reports, review)
        answer = hub.answer_after(work, boss, decision, answer)
        problems = hub.problems_of(decision, tasks)
        todo = hub.still_to_do(work, boss, decision, tasks, problems, rounds)
        if not todo:
            break
    yield Line(answer, final=True)


def _assign(task: PlannedTask, who: str, reports: dict[str, str], problems: dict[str, str]) -> str:
    text = assignment(task, {})
    if task.id in problems:
        text = SENT_BACK.format(id=task.id, problems=problems[task.id])
    return f"{who}, this is yours:\n{text}"


async def review(reviewer: Agent) -> Script:
    """The reviewer's part: a look with fresh eyes at what it is shown."""
    heard = yield START
    while True:
        fresh = reviewer.fresh()
        found = await fresh.ask(_last(heard), Review, purpose="review", trusted=False, otherwise=UNCHECKED)
        heard = yield Line(problem_lines(found) or ACCEPTED)


class Stand:
    """Where a debate stands: each debater's proposal, and the attacks on it that it has not answered."""

    def __init__(self, work: Workspace, debaters: list[Agent]) -> None:
        self.work, self.debaters = work, debaters
        self.tools = debaters[0].tools
        self.proposals: dict[str, Proposal] = {}
        self.attacks: dict[str, str] = {}

    @property
    def all(self) -> list[Proposal]:
        return [self.proposals[debater.name] for debater in self.debaters]


async def debate(stand: Stand, debater: Agent) -> Script:
    """A debater's part: propose; then answer to the attack on it, and attack the next one's proposal."""
    yield START
    text = await propose(stand.work, debater)
    while True:
        stand.proposals[debater.name] = Proposal(debater, text)
        stand.work.hand_in(debater.name, text)
        said = text
        target = _target(stand, debater)
        if target is not None and target.text != text:
            attack = await _attack(debater, target)
            stand.attacks[target.agent.name] = attack
            said += f"\n\nOn {target.agent.name}'s proposal: {attack or 'I find nothing wrong.'}"
        yield Line(said)
        attacked = stand.attacks.pop(debater.name, "")
        if attacked:
            theirs = [(p.agent, p.text) for p in stand.all if p.agent is not debater]
            text = await debater.work(mending(attacked, theirs), trusted=False)


def _target(stand: Stand, debater: Agent) -> Proposal | None:
    place = stand.debaters.index(debater)
    return stand.proposals.get(stand.debaters[(place + 1) % len(stand.debaters)].name)


async def _attack(attacker: Agent, target: Proposal) -> str:
    text = ATTACK.format(author=target.agent.name, delivery=proposed(target.agent, target.text))
    aside = attacker.aside()
    return problem_lines(await aside.ask(text, Review, purpose="attack", trusted=False, otherwise=UNCHECKED))


async def judge(stand: Stand, arbiter: Agent) -> Script:
    """The judge's part: let them go on until a stop rule is met, then pick; the winner carries out what it proposed."""
    yield START
    work = stand.work
    until = stopping.rule(work.settings.stop, rounds=MENDINGS)
    for rounds in count():
        met = until(work.standing(rounds, agreement(stand.all)))
        if met is not None:
            work.stopped(met, arbiter.name)
            break
        yield Line("You differ. Answer to what was said of your proposal.")
    winner = await elect(work, arbiter, stand.all)
    answer = await carry_on(work, winner.agent, stand.tools, winner.text)
    work.hand_in(winner.agent.name, answer)
    yield Line(answer, final=True)
