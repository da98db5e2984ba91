"""One agent's attempt at the whole job, and the checks on it."""

from __future__ import annotations

from itertools import count

from agents.agent import Agent, problem_lines
from agents.asking import UNCHECKED, Review
from agents.stopping import Rule
from agents.teams.crew import ASSIGNMENT, REVIEW, plan
from agents.workspace import Workspace

TASK = "Do the job for this request. Reply with the final answer when you have it."
PROPOSE = """Work out the answer to this request, without acting on it yet: look things up, work things out, and reply
with the final answer as it is to stand once everything that it says is done."""
PROPOSED = "It is a proposal: nothing of it has been done yet, so what only comes of doing it cannot be known."
CARRY_OUT = "Your proposal was chosen. Now do what it says, and reply with the final answer alone."
CHECK = "Check your answer against the request, the rules and everything you found. Is anything wrong or missing?"
MEND = "The check found:\n{problems}\nPut that right, then reply with the final answer alone."
STEP = "Do this step of your plan and report what you found."
WHOLE = "The whole job"


async def attempt(work: Workspace, agent: Agent, until: Rule, task: str = TASK) -> str:
    """The agent's answer after as many rounds of checking and mending as `until` allows."""
    answer = await _do(work, agent, task)
    work.hand_in(agent.name, answer)
    if work.settings.agent.check == "none":
        return answer
    for rounds in count():
        met = until(work.standing(rounds))
        if met is not None:
            work.stopped(met, agent.name)
            break
        problems = await _check(work, agent, answer)
        if not problems:
            break
        answer = await agent.work(MEND.format(problems=problems))
        work.hand_in(agent.name, answer)
    return answer


async def propose(work: Workspace, agent: Agent) -> str:
    """The agent's answer without any effect outside: its tools that have one come with `carry_on`."""
    agent.tools = work.without_effects(agent.tools)
    return await _do(work, agent, PROPOSE)


async def carry_on(work: Workspace, agent: Agent, tools: tuple[str, ...], proposal: str) -> str:
    """Carry out what the agent proposed, with all of `tools`; nothing to do where it had them all."""
    if set(agent.tools) == set(tools):
        return proposal
    agent.tools, agent.checks_effects = tools, True
    return await agent.work(CARRY_OUT)


async def _do(work: Workspace, agent: Agent, task: str) -> str:
    """ReAct: decide step by step; or plan first, and then work through the plan."""
    if not work.settings.agent.plan_first:
        return await agent.work(task)
    agent.hear(task)
    report = ""
    for planned in await plan(work, agent, [agent]):
        report = await agent.work(f"{ASSIGNMENT.format(id=planned.id, goal=planned.goal)}\n{STEP}")
    return report


async def _check(work: Workspace, agent: Agent, answer: str) -> str:
    if work.settings.agent.check == "self":
        return problem_lines(await agent.ask(CHECK, Review, purpose="check", otherwise=UNCHECKED))
    critic = work.agents.get("critic") or work.one(work.settings.reviewer, "reviewer", "critic")
    text = REVIEW.format(id=WHOLE, goal=work.case.request.strip(), delivery=resting_on(agent, answer))
    work.bus.send(agent.name, text, to=critic.name, kind="review", trusted=False)
    found = await critic.fresh().ask(text, Review, purpose="review", trusted=False, otherwise=UNCHECKED)
    problems = problem_lines(found)
    kind, said = ("problems", problems) if problems else ("accepted", "Right and complete.")
    work.bus.send(critic.name, said, to=agent.name, kind=kind, trusted=False)
    return problems


def resting_on(agent: Agent, answer: str) -> str:
    """An answer with what its author noted on the way, for somebody who judges it."""
    return f"{answer}\n\nIt rests on:\n{agent.notebook}" if agent.notebook else answer


def proposed(agent: Agent, answer: str) -> str:
    """A proposal, in the same form."""
    return f"{resting_on(agent, answer)}\n\n{PROPOSED}"
