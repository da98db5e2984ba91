"""One trial: one team on one case with one seed, from a fresh world to a graded, recorded run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agents import table
from agents.models import table as models
from agents.models.model import Model
from agents.models.wrappers import Meter, Metered, Recorded
from agents.workspace import Workspace
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial, budget_of
from marketplace.bus import Bus
from tasks import graders
from tasks import scenario as scenarios
from tasks.case import Case
from tasks.scenario import Scenario
from tools import registry
from tools.policy import Gate, SimulatedApprover
from tools.tool import Retriever, Tool, World
from tools.toolbox import Toolbox
from traces import home
from traces.clock import is_virtual
from traces.errors import HeadcountError, LimitReached
from traces.kernel import Budget, Run, RunFinished, RunStarted
from traces.prompts import PromptDelta
from traces.recorder import Recorder

log = logging.getLogger("headcount")


@dataclass
class Bench:
    """What all trials of an experiment share, made once in a process."""

    plan: Plan

    @cached_property
    def scenario(self) -> Scenario:
        return scenarios.load(self.plan.scenario)

    @cached_property
    def tools(self) -> dict[str, Tool]:
        return registry.load(self.scenario.folder)

    @cached_property
    def graders(self) -> Mapping[str, Callable[..., Any]]:
        return graders.custom_graders(self.scenario.folder)

    @cached_property
    def model_for(self) -> models.ModelFor:
        return models.resolve(self.plan.model, self.plan.api_base)

    @cached_property
    def budget(self) -> Budget:
        return budget_of(self.plan, self.scenario)

    @cached_property
    def retriever(self) -> Retriever | None:
        knowledge = self.scenario.file.knowledge
        if knowledge is None:
            return None
        from tools.retrieval import Knowledge

        folder: Path = self.scenario.folder / knowledge.folder
        sizes = (knowledge.chunk_chars, knowledge.overlap_chars)
        return Knowledge.open(folder, *sizes, home.home() / "knowledge", knowledge.embedding)

    def world(self, case: Case) -> World:
        file = self.scenario.file
        results = file.knowledge.results if file.knowledge else 4
        return registry.world(self.scenario.folder, file.database, case.setup, self.retriever, results)


async def run_trial(trial: Trial, bench: Bench, recorder: Recorder) -> Outcome:
    """Do it, grade it, record it. What goes wrong inside is a failed run, not an exception."""
    case = bench.scenario.case(trial.case)
    world = bench.world(case)
    model = bench.model_for(case, bench.plan.seed, trial.trial)
    run = _run(trial, bench, case, model)
    recorder.record(RunStarted(run, case.request))
    meter = Meter(bench.budget, recorder.record)
    work = _workspace(bench, case, world, model, meter, recorder)
    started = asyncio.get_running_loop().time()
    status, ended_by, error = await _do(trial, work)
    evaluated = graders.grade(case, graders.Outcome(work.answer, world.db, _chunks(bench)), bench.graders)
    recorder.record(evaluated)
    finished = RunFinished(
        status,  # type: ignore[arg-type]
        ended_by,
        work.answer,
        meter.usage,
        round(asyncio.get_running_loop().time() - started, 6),
        recorder.messages,
        error,
    )
    recorder.record(finished)
    world.db.close()
    return Outcome.of(trial.run, run, evaluated, finished)


def _run(trial: Trial, bench: Bench, case: Case, model: Model) -> Run:
    return Run(
        scenario=bench.scenario.name,
        case=case.id,
        team=trial.team,
        engine=trial.engine,
        model=model.card.name,
        trial=trial.trial,
        seed=bench.plan.seed,
        budget=bench.budget,
        clock="virtual" if is_virtual() else "real",
        simulated=model.card.simulated,
        scenario_digest=bench.scenario.digest,
        difficulty=case.difficulty,
        features=case.features,
    )


def _workspace(bench: Bench, case: Case, world: World, model: Model, meter: Meter, recorder: Recorder) -> Workspace:
    gate = Gate(bench.scenario.file.policies, SimulatedApprover(bench.scenario.file.approver))
    toolbox = Toolbox(bench.tools, world, gate, recorder)
    wrapped = Metered(Recorded(model, recorder.record, PromptDelta()), meter)
    return Workspace(bench.scenario, case, toolbox, recorder.record, lambda agent, role: wrapped, Bus(recorder.record))


async def _do(trial: Trial, work: Workspace) -> tuple[str, str, str]:
    """(status, what ended it, error) of the team's work; the best answer so far stays in the workspace."""
    try:
        work.answer = await table.engine(trial.engine)().run(trial.team, work)
    except Exception as raised:
        error = _first(raised)
        if isinstance(error, LimitReached):
            return "limited", f"budget: {error}", ""
        if isinstance(error, HeadcountError):
            return "failed", type(error).__name__, str(error)
        log.error("run %d (%s, %s): internal error", trial.run, trial.team, trial.case, exc_info=raised)
        return "failed", "internal error", f"{type(error).__name__}: {error}"
    return "completed", "the team was done", ""


def _first(error: BaseException) -> BaseException:
    """The error that came first, out of the groups that it was wrapped in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _chunks(bench: Bench) -> Callable[[str], Any]:
    retriever = bench.retriever
    return retriever.chunk if retriever is not None else lambda chunk_id: None
