"""A hub: the supervisor plans, assigns, collects, has the result reviewed, sends work back, and decides when done."""

from __future__ import annotations

from agents.agent import Agent
from agents.asking import Decision, PlannedTask
from agents.teams.crew import REVIEW, WORKERS, carry_out, on_duty, plan, spread
from agents.workspace import Workspace

ROUNDS = 3
DECIDE = """The subtasks have come back:
{reports}

The review of the result says:
{review}

Is the job done? If not, which subtasks must be done again, and why? An empty answer hands in the last report."""


async def supervisor(work: Workspace) -> str:
    """Everything passes through the supervisor; independent subtasks run side by side."""
    boss = work.hire("supervisor")
    workers = [work.hire(role, name) for role, name in WORKERS]
    reviewer = work.hire("reviewer")
    async with on_duty(work, [*workers, reviewer]):
        return await _lead(work, boss, workers, reviewer)


async def _lead(work: Workspace, boss: Agent, workers: list[Agent], reviewer: Agent) -> str:
    tasks = await plan(work, boss, workers)
    holders = spread(tasks, workers)
    reports: dict[str, str] = {}
    problems: dict[str, str] = {}
    todo = tasks
    for round_ in range(1, ROUNDS + 1):
        await carry_out(work, boss.name, todo, holders, reports, problems)
        answer = reports[tasks[-1].id]
        work.hand_in(boss.name, answer)
        if round_ == ROUNDS:
            break
        decision = await _decide(work, boss, reviewer, tasks, reports)
        if decision.answer.strip():
            answer = decision.answer
            work.hand_in(boss.name, answer)
        problems = _problems(decision, tasks)
        todo = _again(tasks, set(problems))
        if decision.done or not todo:
            break
        work.note(boss.name, "re-plan", f"round {round_ + 1}: {', '.join(t.id for t in todo)} again")
    return answer


async def _decide(
    work: Workspace, boss: Agent, reviewer: Agent, tasks: list[PlannedTask], reports: dict[str, str]
) -> Decision:
    last = tasks[-1]
    found = "\n".join(reports[task.id] for task in tasks[:-1])
    delivery = f"{reports[last.id]}\n\nIt rests on:\n{found}" if found else reports[last.id]
    asked = REVIEW.format(id=last.id, goal=last.goal, delivery=delivery)
    review = await work.bus.ask(boss.name, reviewer.name, asked, kind="review", trusted=False)
    collected = "\n\n".join(f"[report: {task.id}]\n{reports[task.id]}" for task in tasks)
    question = DECIDE.format(reports=collected, review=review.content)
    return await boss.ask(question, Decision, purpose="decide", trusted=False)


def _problems(decision: Decision, tasks: list[PlannedTask]) -> dict[str, str]:
    """Subtask → the problem lines that go back with it."""
    ids = {task.id for task in tasks}
    lines: dict[str, list[str]] = {}
    for redo in decision.redo:
        if redo.subtask in ids:
            lines.setdefault(redo.subtask, []).append(f"* {redo.about or redo.subtask}: {redo.reason}")
    return {subtask: "\n".join(found) for subtask, found in lines.items()}


def _again(tasks: list[PlannedTask], wrong: set[str]) -> list[PlannedTask]:
    """The wrong subtasks and everything that rests on them, in order."""
    again = set(wrong)
    for task in tasks:
        if again & set(task.needs):
            again.add(task.id)
    return [task for task in tasks if task.id in again]
