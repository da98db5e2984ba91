"""A hub: the supervisor plans, assigns, collects, has the result reviewed, sends work back, and decides when done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from agents import stopping
from agents.agent import Agent
from agents.asking import DONE, Decision, PlannedTask
from agents.limits import MENDINGS
from agents.teams.crew import REVIEW, carry_out, on_duty, plan, spread
from agents.workspace import Workspace

DECIDE = """The subtasks have come back:
{reports}

The review of the result says:
{review}

Is the job done? If not, which subtasks must be done again, and why? An empty answer hands in the last report."""
NO_REVIEW = "There is no reviewer; judge for yourself."


async def supervisor(work: Workspace) -> str:
    """Everything passes through the supervisor; independent subtasks run side by side."""
    async with on_the_job(work) as (boss, workers, reviewer):
        return await lead(work, boss, workers, reviewer)


@asynccontextmanager
async def on_the_job(work: Workspace) -> AsyncIterator[tuple[Agent, list[Agent], Agent | None]]:
    """The supervisor, its workers and the reviewer, if the team has one; all but the supervisor on duty."""
    settings = work.settings
    boss = work.one(settings.lead, "supervisor")
    workers = work.staff()
    reviewer = work.one(settings.reviewer, "reviewer") if settings.reviewer is not None else None
    async with on_duty(work, [*workers, reviewer] if reviewer is not None else workers):
        yield boss, workers, reviewer


async def lead(
    work: Workspace, boss: Agent, workers: list[Agent], reviewer: Agent | None, *, direct: bool = False
) -> str:
    """Plan, have it done, decide; again until done or a stop rule is met. `direct`: workers ask each other."""
    tasks = await plan(work, boss, workers)
    holders = spread(tasks, workers)
    until = stopping.rule(work.settings.stop, rounds=1 + MENDINGS)
    reports: dict[str, str] = {}
    problems: dict[str, str] = {}
    todo = tasks
    for rounds in count(1):
        await carry_out(work, boss.name, todo, holders, reports, problems, direct=direct)
        answer = reports[tasks[-1].id]
        work.hand_in(boss.name, answer)
        met = until(work.standing(rounds))
        if met is not None:
            work.stopped(met, boss.name)
            break
        review = await _review(work, boss, reviewer, tasks, reports) if reviewer is not None else NO_REVIEW
        decision = await decide(boss, tasks, reports, review)
        answer = answer_after(work, boss, decision, answer)
        problems = problems_of(decision, tasks)
        todo = still_to_do(work, boss, decision, tasks, problems, rounds)
        if not todo:
            break
    return answer


def answer_after(work: Workspace, boss: Agent, decision: Decision, answer: str) -> str:
    """The answer that stands after the supervisor's decision: its own, handed in, if it gave one."""
    if not decision.answer.strip():
        return answer
    work.hand_in(boss.name, decision.answer)
    return decision.answer


def still_to_do(
    work: Workspace,
    boss: Agent,
    decision: Decision,
    tasks: list[PlannedTask],
    problems: dict[str, str],
    rounds: int,
) -> list[PlannedTask]:
    """The tasks of another round, noted in the trace; none where the supervisor is done."""
    todo = [] if decision.done else again(tasks, set(problems))
    if todo:
        work.note(boss.name, "re-plan", f"round {rounds + 1}: {', '.join(t.id for t in todo)} again")
    return todo


async def _review(
    work: Workspace, boss: Agent, reviewer: Agent, tasks: list[PlannedTask], reports: dict[str, str]
) -> str:
    asked = for_review(tasks, reports)
    return (await work.bus.ask(boss.name, reviewer.name, asked, kind="review", trusted=False)).content


def for_review(tasks: list[PlannedTask], reports: dict[str, str]) -> str:
    """What the reviewer is shown: the result, and what it rests on."""
    last = tasks[-1]
    found = "\n".join(reports[task.id] for task in tasks[:-1])
    delivery = f"{reports[last.id]}\n\nIt rests on:\n{found}" if found else reports[last.id]
    return REVIEW.format(id=last.id, goal=last.goal, delivery=delivery)


async def decide(boss: Agent, tasks: list[PlannedTask], reports: dict[str, str], review: str) -> Decision:
    """Done, or what is to be done again."""
    collected = "\n\n".join(f"[report: {task.id}]\n{reports[task.id]}" for task in tasks)
    question = DECIDE.format(reports=collected, review=review)
    return await boss.ask(question, Decision, purpose="decide", trusted=False, otherwise=DONE)


def problems_of(decision: Decision, tasks: list[PlannedTask]) -> dict[str, str]:
    """Subtask → the problem lines that go back with it."""
    ids = {task.id for task in tasks}
    lines: dict[str, list[str]] = {}
    for redo in decision.redo:
        if redo.subtask in ids:
            lines.setdefault(redo.subtask, []).append(f"* {redo.about or redo.subtask}: {redo.reason}")
    return {subtask: "\n".join(found) for subtask, found in lines.items()}


def again(tasks: list[PlannedTask], wrong: set[str]) -> list[PlannedTask]:
    """The wrong subtasks and everything that rests on them, in order."""
    again = set(wrong)
    for task in tasks:
        if again & set(task.needs):
            again.add(task.id)
    return [task for task in tasks if task.id in again]
