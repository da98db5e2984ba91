"""The teams that CrewAI's crews can be."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from agents.agent import Agent
from agents.engines import crewai_quiet
from agents.engines.bridge import Bridge
from agents.engines.failing import Failure
from agents.teams.attempt import TASK
from agents.teams.crew import ASSIGNMENT, case_tasks
from agents.workspace import Workspace

crewai_quiet.prepare()

from crewai import Agent as Crewmate  # noqa: E402  # what it writes must be kept out of the home folder first
from crewai import Crew, Process, Task  # noqa: E402

from agents.engines.crewai_llm import Mind, OurLLM, OurTool  # noqa: E402

EXPECTED = "What was found out, each thing on a line of its own as - name: value [source]; or the final answer alone."
CREW = "crew"


class Floor:
    """What the crews are made of: our agents, dressed as CrewAI's."""

    def __init__(self, work: Workspace) -> None:
        self.work, self.failure, self.bridge = work, Failure(), Bridge()

    def mate(self, agent: Agent, *, delegates: bool = False, reports_to: str = "") -> Crewmate:
        """`delegates`: it is the manager, who has no tools but those of delegation. `reports_to`: its manager; then it
        is told the request beforehand, since CrewAI passes on what the manager writes and nothing else."""
        mind = Mind(agent, self.work.bus, self.bridge, self.failure, reports_to)
        words = agent.messages[0].content
        if reports_to:
            words = f"{words}\n\n{self.work.request}"
        return Crewmate(
            role=agent.name,
            goal="Do your part of the job.",
            backstory=words,
            llm=OurLLM(mind),
            tools=[] if delegates else [OurTool(mind, spec) for spec in agent.specs],
            allow_delegation=delegates,
            max_iter=sys.maxsize,  # what ends its work is ours: the budget, its allowance
            max_retry_limit=0,
            cache=False,
            verbose=False,
        )

    def task(self, told: str, mate: Crewmate | None, context: list[Task] | None = None) -> Task:
        text = f"{self.work.request}\n\n{told}"
        options: dict[str, Any] = {"context": context} if context else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a callback cannot be checkpointed: none is
            return Task(description=text, expected_output=EXPECTED, agent=mate, callback=self._done, **options)

    def _done(self, output: Any) -> None:
        """A task is done: what it gave is passed on, and is the best answer so far."""
        self.bridge.do(self._pass_on(str(output.agent), str(output.raw)))

    async def _pass_on(self, agent: str, text: str) -> None:
        self.work.bus.send(agent, text, topic=CREW, kind="task_output", trusted=False)
        self.work.hand_in(agent, text)


async def run(work: Workspace) -> str:
    """The case, done by the crew that the settings name. What was raised inside comes out as it was."""
    floor = Floor(work)
    crew = {"solo": _solo, "pipeline": _pipeline, "supervisor": _supervisor}[work.settings.shape](floor)
    try:
        with _silent():
            output = await floor.bridge.run(crew.kickoff)
    except Exception:
        floor.failure.again()
        raise
    floor.failure.again()
    used = output.token_usage
    work.note(CREW, "usage", f"CrewAI counted {used.total_tokens:,} tokens in {used.successful_requests:,} calls")
    return work.answer or str(output.raw)


def _crew(mates: list[Crewmate], tasks: list[Task], **options: Any) -> Crew:
    return Crew(agents=mates, tasks=tasks, memory=False, cache=False, verbose=False, tracing=False, **options)


def _solo(floor: Floor) -> Crew:
    """One agent, one task; looks before each outside effect, as on native. CrewAI has no check at the end."""
    checks = floor.work.settings.agent.check != "none"
    mate = floor.mate(floor.work.hire("solo", checks_effects=checks))
    return _crew([mate], [floor.task(TASK, mate)])


def _pipeline(floor: Floor) -> Crew:
    stages = [(role, list(tasks)) for role, tasks in groupby(case_tasks(floor.work), key=lambda task: task.role)]
    mates: list[Crewmate] = []
    todo: list[Task] = []
    for number, (role, tasks) in enumerate(stages, 1):
        mate = floor.mate(floor.work.hire(role, f"{role}-{number}"))
        told = "\n".join(ASSIGNMENT.format(id=task.id, goal=task.goal) for task in tasks)
        mates.append(mate)
        todo.append(floor.task(told, mate, list(todo)))
    return _crew(mates, todo, process=Process.sequential)


def _supervisor(floor: Floor) -> Crew:
    """CrewAI's manager delegates by its own tools, one piece of work after the other, and answers itself."""
    boss = floor.work.one(floor.work.settings.lead, "supervisor")
    mates = [floor.mate(worker, reports_to=boss.name) for worker in floor.work.staff()]
    manager = floor.mate(boss, delegates=True)
    return _crew(mates, [floor.task(TASK, None)], process=Process.hierarchical, manager_agent=manager)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """CrewAI's console output is ours to show: everything is in the trace."""
    from crewai.events import crewai_event_bus

    with crewai_event_bus.scoped_handlers():
        yield
