"""What teams of several agents share: planning the subtasks, agents on duty, and passing work around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import regex

from agents.agent import Agent, problem_lines
from agents.asking import UNCHECKED, Plan, PlannedTask, Review, whole_job
from agents.workspace import Workspace
from marketplace.bus import Undelivered
from traces.errors import ModelError
from traces.kernel import Message

PLAN = """Split the job for this request into subtasks. These roles can be given one:
{roster}
The last subtask must be to write the final answer, and it needs the results of the others."""

WHOLE_JOB = "Do the whole job for the request and write the final answer."

ASSIGNMENT = "[subtask: {id}] {goal}"
FOUND = "\n\nWhat others found:\n{reports}"
CONTACTS = "\n\nDone already; ask them directly for what they found:\n{done}"
DONE = "[done: {id}] by {who}"
SENT_BACK = "[subtask: {id}] was sent back:\n{problems}\nPut that right and report again."
NOT_DONE = "[subtask: {id}] was not done: {who} had too much to do."
REVIEW = """[subtask: {id}] {goal}
Check this delivery against the request and what it rests on. Is it right and complete?

Delivered:
{delivery}"""


async def plan(work: Workspace, planner: Agent, workers: Iterable[Agent]) -> list[PlannedTask]:
    """The planner's subtasks, tidied: ids that can be quoted, needs that exist and come first, roles that are here."""
    workers = list(workers)
    roster = "\n".join(
        f"- {role}: uses {', '.join(tools) or 'no tools'}" for role, tools in {a.role: a.tools for a in workers}.items()
    )
    planned = await planner.ask(PLAN.format(roster=roster), Plan, purpose="plan", otherwise=whole_job(WHOLE_JOB))
    return tidy(planned.subtasks, {agent.role for agent in workers}, workers[0].role)


def tidy(tasks: list[PlannedTask], here: set[str], default: str) -> list[PlannedTask]:
    known: dict[str, PlannedTask] = {}
    called: dict[str, str] = {}
    for task in tasks:
        name = regex.sub(r"[^\w\p{M}]+", "_", task.id.lower()).strip("_") or f"task_{len(known) + 1}"
        if name in known:
            name = f"{name}_{len(known) + 1}"
        needs = [called.get(need, need) for need in task.needs if called.get(need, need) in known]
        called[task.id] = name
        role = task.role if task.role in here else default
        known[name] = PlannedTask(id=name, goal=task.goal, role=role, needs=needs)
    return list(known.values())


def assignment(task: PlannedTask, reports: Mapping[str, str], contacts: Mapping[str, str] | None = None) -> str:
    """What a worker is told: the subtask, and what those it rests on have found; or with `contacts` (subtask → who did
    it) only whom to ask for that."""
    needed = [need for need in task.needs if need in reports]
    text = ASSIGNMENT.format(id=task.id, goal=task.goal)
    if not needed:
        return text
    if contacts is not None:
        return text + CONTACTS.format(done="\n".join(DONE.format(id=need, who=contacts[need]) for need in needed))
    return text + FOUND.format(reports="\n".join(reports[need] for need in needed))


def spread(tasks: list[PlannedTask], workers: list[Agent]) -> dict[str, str]:
    """Who does which subtask: those of a role take turns."""
    holders: dict[str, str] = {}
    turns: dict[str, int] = {}
    for task in tasks:
        able = [w.name for w in workers if w.role == task.role] or [w.name for w in workers]
        turn = turns.get(task.role, 0)
        holders[task.id] = able[turn % len(able)]
        turns[task.role] = turn + 1
    return holders


async def carry_out(
    work: Workspace,
    sender: str,
    tasks: list[PlannedTask],
    holders: dict[str, str],
    reports: dict[str, str],
    problems: Mapping[str, str] = MappingProxyType({}),
    *,
    direct: bool = False,
) -> None:
    """Have the tasks done, each as soon as those of them that it needs have come back; `reports` fills up. A task
    with `problems` goes back to its holder with them. `direct`: workers get what they need from each other."""
    running: dict[str, asyncio.Task[None]] = {}

    async def one(task: PlannedTask) -> None:
        await asyncio.gather(*(running[need] for need in task.needs if need in running))
        text = assignment(task, reports, holders if direct else None)
        if task.id in problems:
            again = SENT_BACK.format(id=task.id, problems=problems[task.id])
            text = again + text.removeprefix(ASSIGNMENT.format(id=task.id, goal=task.goal))
        reports[task.id] = await _assigned(work, sender, task, holders[task.id], text)

    async with asyncio.TaskGroup() as group:
        for task in tasks:
            running[task.id] = group.create_task(one(task))


async def _assigned(work: Workspace, sender: str, task: PlannedTask, holder: str, text: str) -> str:
    """The holder's report; or that it has none, where its inbox was full."""
    try:
        return (await work.bus.ask(sender, holder, text, kind="assign", trusted=False)).content
    except Undelivered as lost:
        work.note(sender, "not_assigned", f"{task.id}: {lost}")
        return NOT_DONE.format(id=task.id, who=holder)


def case_tasks(work: Workspace) -> list[PlannedTask]:
    """The case's own task graph, each subtask after those it needs: for teams that do not plan."""
    found = {s.id: s for s in work.case.plan}
    ordered = [found[name] for name in work.case.order]
    return [PlannedTask(id=s.id, goal=s.goal, role=s.role, needs=list(s.needs)) for s in ordered]


@asynccontextmanager
async def on_duty(work: Workspace, agents: Iterable[Agent]) -> AsyncIterator[asyncio.TaskGroup]:
    """While inside, these agents answer what reaches their inboxes, one message at a time each."""
    async with asyncio.TaskGroup() as group:
        duties = [group.create_task(_serve(work, agent)) for agent in agents]
        yield group
        for duty in duties:
            duty.cancel()


async def _serve(work: Workspace, agent: Agent) -> None:
    """Work is done one piece after the other; a colleague's question is answered beside it. Where the inbox has a
    limit, what has not begun waits in there."""
    busy = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        while True:
            message = await work.bus.receive(agent.name)
            answering = group.create_task(_answer(work, agent, message, busy))
            if work.settings.inbox.limit is not None:
                await answering


async def _answer(work: Workspace, agent: Agent, message: Message, busy: asyncio.Lock) -> None:
    if message.kind == "question":
        kind, text = "answer", await agent.say(message.content, trusted=message.trusted)
    else:
        async with busy:
            kind, text = await _done(agent, message)
    work.bus.reply(message, agent.name, text, kind=kind, trusted=not agent.tainted)


async def _done(agent: Agent, message: Message) -> tuple[str, str]:
    """(kind of the reply, its text)"""
    if message.kind == "review":
        fresh, trusted = agent.fresh(), message.trusted
        review = await fresh.ask(message.content, Review, purpose="review", trusted=trusted, otherwise=UNCHECKED)
        problems = problem_lines(review)
        return ("problems", problems) if problems else ("accepted", "Right and complete.")
    if message.kind != "node":
        return "report", await agent.work(message.content, trusted=message.trusted)
    try:
        return "report", await agent.work(message.content, trusted=message.trusted)
    except ModelError as error:  # a workflow's node may fail; the workflow decides what then
        return "failed", str(error)
