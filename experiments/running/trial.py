"""One trial: one team on one case with one seed, from a fresh world to a graded, recorded run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec

from agents import longterm, table
from agents.actions import Awaited, NobodyThere, Person
from agents.actions import Recalled as RecalledPerson
from agents.longterm import Fact, LongTerm
from agents.models import table as models
from agents.models.kept import KeptReplies
from agents.models.model import Model, Reply
from agents.models.recalled import Amended, Recalled, Speaking
from agents.models.wrappers import Cached, Fitting, Meter, Metered, Recorded, WithFallback
from agents.settings import Inside
from agents.table import Team
from agents.workspace import Workspace
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial, budget_of, draws
from experiments.running import forked, remembering, watching
from experiments.running.halting import Halt, Halted
from experiments.running.totals import Allowed, Charged
from marketplace.bus import Bus, Interceptor
from tasks import graders
from tasks import scenario as scenarios
from tasks.case import Case
from tasks.scenario import Scenario
from tools import registry
from tools.approvals import Inbox
from tools.policy import Approver, Gate, Refusing, SimulatedApprover
from tools.tool import Retriever, Tool, World
from tools.toolbox import Toolbox
from tools.usercode import words_of
from traces import clock, home
from traces.errors import HeadcountError, LimitReached
from traces.kernel import Budget, Evaluated, LimitHit, Run, RunFinished, RunStarted
from traces.past import Past
from traces.prompts import PromptDelta
from traces.recorder import Recorder, Unwritable
from traces.rerecorder import Rerecorder
from traces.rows import ANSWERED
from traces.streams import stream

NO_ANSWER = "the run broke off"
log = logging.getLogger("headcount")


@dataclass
class Bench:
    """What all trials of a share have in common, made once in a process. `folder`: the experiment's; `allowed`: what it
    may still use, where that is limited; `halt`: what stops the share."""

    plan: Plan
    folder: Path | None = None
    share: int = 0
    allowed: Allowed | None = None
    halt: Halt | None = None
    others: dict[str, models.ModelFor] = field(default_factory=dict)
    _memories: dict[str, LongTerm] = field(default_factory=dict)

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
        return models.resolve(self.plan.model, self.plan.api_base, self.plan.workers, self._learnt_in)

    @property
    def _learnt_in(self) -> Path | None:
        return None if self.folder is None else self.folder / "servers"

    def other_model(self, name: str) -> models.ModelFor:
        """A model that a team names beside the experiment's."""
        name = models.smaller(self.plan.model) if name == models.SMALLER else name
        if name == self.plan.model:
            return self.model_for
        if name not in self.others:
            self.others[name] = models.resolve(name, None, self.plan.workers, self._learnt_in)
        return self.others[name]

    @cached_property
    def teams(self) -> dict[str, Team]:
        """The plan's teams by what the plan calls them."""
        changes = self.plan.fork.changes if self.plan.fork is not None else {}
        return {name: table.changed(table.team(name), changes) for name in self.plan.teams}

    def memory(self, team: str) -> LongTerm | None:
        """The team's memory over the cases of this share; None for a team that keeps none, and in forks, which have
        what their parent recalled. What runs of the share that are over have left is in it from the start."""
        if not self.teams[team].settings.agent.remember or self.plan.fork is not None:
            return None
        if team not in self._memories:
            memory = self._memories[team] = LongTerm()
            for run in remembering.over(self.plan, self.folder, team, self.share):
                for agent, lines in longterm.remembered(run.records):
                    memory.remember(lines, run.number, run.run.case, agent)
        return self._memories[team]

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
        return Knowledge.open(folder, *sizes, home.knowledge(), knowledge.embedding, knowledge.chunking)

    def world(self, case: Case) -> World:
        file = self.scenario.file
        results = file.knowledge.results if file.knowledge else 4
        return registry.world(self.scenario.folder, file.database, case.setup, self.retriever, results)


async def run_trial(trial: Trial, bench: Bench, recorder: Recorder, past: Past | None = None) -> Outcome:
    """Do it, grade it, record it. What goes wrong inside is a failed run, not an exception.

    With a `past`, what it holds is done again from there, and the run goes on where it ends. Raises Difference where a
    Rerecorder finds that something else happens."""
    case = bench.scenario.case(trial.case)
    with closing(bench.world(case)) as world:
        return await _run_in(world, trial, bench, case, recorder, past)


async def _run_in(
    world: World, trial: Trial, bench: Bench, case: Case, recorder: Recorder, past: Past | None
) -> Outcome:
    model = bench.model_for(case, bench.plan.seed, draws(bench.plan, trial))
    run = _run(trial, bench, case, model)
    recorder.record(RunStarted(run, case.request))
    meter = Meter(bench.budget, recorder.record)
    work = _workspace(trial, bench, case, world, meter, recorder, past)
    meter.begin()
    team = bench.teams[trial.team]
    status, ended_by, error = await _do(trial, team, work, meter, lambda: recorder.events)
    _remember(trial, bench, work)
    waited, seconds = meter.waiting.seconds, round(meter.seconds, 6)
    evaluated = _recorded(await _graded(status, case, work.answer, world, bench), recorder)
    finished = RunFinished(
        status,  # type: ignore[arg-type]
        ended_by,
        work.answer,
        meter.usage,
        seconds,
        recorder.messages,
        error,
        round(waited, 6),
    )
    recorder.record(finished)
    return Outcome.of(trial.run, run, evaluated, finished)


async def _graded(status: str, case: Case, answer: str, world: World, bench: Bench) -> Evaluated:
    """The grade; none of a run that broke off, since it says nothing of its team."""
    if status not in ANSWERED:
        return Evaluated(False, 0.0, (), NO_ANSWER)
    with closing(world.snapshots.copy(writable=True)) as final:
        return await graders.graded(case, graders.Outcome(answer, final, _chunks(bench)), bench.graders)


def _recorded(evaluated: Evaluated, recorder: Recorder) -> Evaluated:
    """Record the grade; where it cannot be written, such as a score that is not a number, the run is not graded."""
    try:
        recorder.record(evaluated)
    except Unwritable as error:
        evaluated = Evaluated(False, 0.0, (), str(error))
        recorder.record(evaluated)
    return evaluated


def _run(trial: Trial, bench: Bench, case: Case, model: Model) -> Run:
    virtual = models.simulated(bench.plan.model)
    return Run(
        scenario=bench.scenario.name,
        case=case.id,
        team=bench.teams[trial.team].name,
        engine=trial.engine,
        model=model.card.name,
        trial=trial.trial,
        seed=bench.plan.seed,
        budget=bench.budget,
        clock="virtual" if virtual else "real",
        simulated=model.card.simulated,
        scenario_digest=bench.scenario.digest,
        difficulty=case.difficulty,
        features=case.kinds,
        parent=bench.plan.fork,
    )


def _workspace(
    trial: Trial, bench: Bench, case: Case, world: World, meter: Meter, recorder: Recorder, past: Past | None
) -> Workspace:
    inbox = _inbox(trial, bench, recorder)
    gate = Gate(bench.scenario.file.policies, inbox or _approver(bench))
    toolbox = Toolbox(bench.tools, world, gate, recorder, past, meter.waiting)
    settings = bench.teams[trial.team].settings
    minds = _Minds(trial, bench, case, settings.agent, meter, recorder, past)
    person: Person = inbox or NobodyThere()
    person = person if past is None else RecalledPerson(person, past, recorder.now)
    return Workspace(
        bench.scenario,
        case,
        settings,
        toolbox,
        recorder.record,
        minds.model,
        Bus(recorder.record, interceptors=() if past is None else (_as_told(past.said),)),
        used=lambda: meter.share,
        draw=partial(stream, bench.plan.seed, case.id, trial.trial, bench.teams[trial.team].name),
        person=Awaited(person, meter.waiting),
        recalled=_recalled(trial, bench, case, past),
    )


def _recalled(trial: Trial, bench: Bench, case: Case, past: Past | None) -> Sequence[Fact]:
    """The facts from earlier cases that the run has: those that are recorded, where it was begun; in a fork those of
    its parent."""
    if not bench.teams[trial.team].settings.agent.remember:
        return ()
    recorded = longterm.recalled(past.records) if past is not None else None
    if recorded is not None:
        return recorded
    if bench.plan.fork is not None:
        return forked.recalled(bench.folder) if bench.folder is not None else ()
    memory = bench.memory(trial.team)
    return memory.recall(case.request) if memory is not None else ()


def _as_told(said: Callable[[str, str], str]) -> Interceptor:
    """Messages with what `said(sender, content)` puts in the place of their content."""
    return lambda message: msgspec.structs.replace(message, content=said(message.sender, message.content))


def _inbox(trial: Trial, bench: Bench, recorder: Recorder) -> Inbox | None:
    """A person to ask, where the plan has one."""
    if not bench.plan.asks_a_person or bench.folder is None:
        return None
    team = bench.teams[trial.team].name
    wait_s = bench.plan.approver_wait_s
    return Inbox(bench.folder, trial.run, wait_s, step=lambda: recorder.events, case=trial.case, team=team)


def _approver(bench: Bench) -> Approver:
    return SimulatedApprover(bench.scenario.file.approver) if bench.plan.approver == "simulated" else Refusing()


@dataclass
class _Minds:
    """The models of one trial, wrapped: metered(recorded(cached(recalled(model)))), and a fallback over all."""

    trial: Trial
    bench: Bench
    case: Case
    inside: Inside
    meter: Meter
    recorder: Recorder
    past: Past | None = None
    made: dict[str | None, Model] = field(default_factory=dict)
    prompts: PromptDelta = field(default_factory=PromptDelta)
    kept: dict[bytes, Reply] = field(default_factory=dict)

    def model(self, name: str | None) -> Model:
        if name not in self.made:
            wrapped = self._wrapped(name)
            for other, holds in self._fallbacks(name):
                wrapped = WithFallback(wrapped, self._wrapped(other), self.recorder.record, holds)
            self.made[name] = wrapped
        return self.made[name]

    def _fallbacks(self, name: str | None) -> Iterator[tuple[str, Callable[[], bool]]]:
        """The models that take a call that has failed for good, each with when it does: another model in the place of
        the experiment's has its own, from where a fork parts."""
        own = models.fallbacks(name or self.bench.plan.model)
        changed = forked.model(self.bench.plan) if name is None else None
        if changed is None:
            yield from ((other, _always) for other in own)
        else:
            yield from ((other, self._in_past) for other in own)
            yield from ((other, lambda: not self._in_past()) for other in models.fallbacks(changed))
        if self.inside.fallback is not None:
            yield self.inside.fallback, _always

    def _wrapped(self, name: str | None) -> Model:
        bare = self._bare(name)
        other = forked.model(self.bench.plan) if name is None else None
        model = bare if other is None else self._bare(other)
        if self.bench.allowed is not None:
            model = Charged(model, self.bench.allowed)
        model = Fitting(model)
        if models.keeps_replies(other or name or self.bench.plan.model):
            model = Cached(model, self.recorder.record, self._on_disk())
        if other is not None:
            model = Speaking(bare.card, model, self._in_past)
        if self.past is not None and not models.is_shared(bare):
            model = Recalled(model, self.past, self.recorder.record, self.recorder.now)
        if self.inside.cache:
            model = Cached(model, self.recorder.record, self.kept)
        recorded = Recorded(model, self.recorder.record, self.prompts, self.meter.add, self._stopped)
        model = Metered(recorded, self.meter)
        return model if self.past is None else Amended(model, self.past)

    def _stopped(self) -> bool:
        return self.bench.halt is not None and self.bench.halt.asked

    def _bare(self, name: str | None) -> Model:
        find = self.bench.model_for if name is None else self.bench.other_model(name)
        return find(self.case, self.bench.plan.seed, draws(self.bench.plan, self.trial))

    def _in_past(self) -> bool:
        """Whether what a fork shares with its parent is not all done again yet."""
        fork, recorder = self.bench.plan.fork, self.recorder
        due = recorder.due if isinstance(recorder, Rerecorder) else None
        return fork is not None and due is not None and due.seq < forked.shared(fork)

    def _on_disk(self) -> KeptReplies:
        trial = f"{self.case.id}/{self.bench.plan.seed}/{self.trial.trial}"
        return KeptReplies(home.home() / "cache" / "replies.sqlite", trial)


def _always() -> bool:
    return True


def _remember(trial: Trial, bench: Bench, work: Workspace) -> None:
    """Keep what the agents found out, with its sources, for later cases."""
    if not work.settings.agent.remember:
        return
    memory = bench.memory(trial.team)
    for agent in work.agents.values():
        lines = longterm.sourced(agent.notebook.splitlines())
        if lines:
            work.note(agent.name, "remembered", longterm.remembered_note(lines))
        if memory is not None:
            memory.remember(lines, trial.run, work.case.id, agent.name)


async def _do(
    trial: Trial, team: Team, work: Workspace, meter: Meter, events: Callable[[], int]
) -> tuple[str, str, str]:
    """(status, what ended it, error) of the team's work; the best answer so far stays in the workspace. `events`: how
    many were recorded so far."""
    try:
        working = meter.within(table.engine(trial.engine)().run(trial.team, work))
        work.answer = await watching.watched(working, team.idle_s, events, lambda: meter.waiting.under_way)
    except BaseException as raised:
        error = first_of(raised)
        if _from_outside(error):
            raise
        if isinstance(error, LimitReached) and error.kind == watching.KIND:
            work.record(LimitHit(error.kind, error.value, error.limit))
            return "limited", f"{error.kind}: {error.value:g} of {error.limit:g} s", ""
        if isinstance(error, LimitReached):
            return "limited", f"budget: {error}", ""
        if isinstance(error, HeadcountError):
            return "failed", type(error).__name__, str(error)
        log.error("run %d (%s, %s): internal error", trial.run, trial.team, trial.case, exc_info=raised)
        return "failed", "internal error", words_of(error)
    met, cut_short = work.allowance.met or work.ended_by, work.allowance.met is not None
    ended_by = "the team was done" if met is None else f"{met.kind}: {met.value:g} of {met.limit:g}"
    return "limited" if cut_short else "completed", ended_by, ""


def _from_outside(error: BaseException) -> bool:
    """Whether it is not the team's code that has raised it: a person's Ctrl-C, the share halted, the run's task
    cancelled or closed."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    interrupted = isinstance(error, KeyboardInterrupt) and not clock.ends_only_its_task(KeyboardInterrupt)
    return interrupted or isinstance(error, GeneratorExit | Halted)


def first_of(error: BaseException) -> BaseException:
    """The error that came first, out of the groups that it was wrapped in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _chunks(bench: Bench) -> Callable[[str], Any]:
    retriever = bench.retriever
    return retriever.chunk if retriever is not None else lambda chunk_id: None
