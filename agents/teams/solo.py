"""One agent with all the tools: plan, act, check."""

from __future__ import annotations

from agents.agent import problem_lines
from agents.asking import Review
from agents.workspace import Workspace

CHECKS = 2

TASK = "Do the job for this request. Reply with the final answer when you have it."
CHECK = "Check your answer against the request, the rules and everything you found. Is anything wrong or missing?"
MEND = "Your check found:\n{problems}\nPut that right, then reply with the final answer alone."


async def solo(work: Workspace) -> str:
    """The baseline: the whole budget, every tool, a look before each outside effect, and a check at the end."""
    agent = work.hire("solo", checks_effects=True)
    answer = await agent.work(TASK)
    work.hand_in(agent.name, answer)
    for _ in range(CHECKS):
        problems = problem_lines(await agent.ask(CHECK, Review, purpose="check"))
        if not problems:
            break
        answer = await agent.work(MEND.format(problems=problems))
        work.hand_in(agent.name, answer)
    return answer
