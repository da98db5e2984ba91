"""Conducting an experiment: worker processes, their progress, a heartbeat, stopping, and the result."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct, field

from agents import table
from agents.models import catalog, probed
from agents.models import table as models
from experiments import personal
from experiments import plan as plans
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.running import left, totals
from experiments.running.executors import check as check_place
from experiments.running.executors import executor
from experiments.running.stopping import EarlyStop
from experiments.running.totals import FilePurse, Used
from experiments.running.worker import Done
from experiments.running.workers import Executor, Worker, WorkerKilled
from tasks import scenario as scenarios
from tasks.scenario import SHIPPED, Scenario
from traces import home, paths
from traces.errors import HeadcountError, InputError, TraceError
from traces.home import ExperimentFolder, Status

HEARTBEAT_S = 1.0
GATHER_S = 0.02  # news of so long is taken in together: to wake for each run would take time from the workers
WORTH_A_WORKER = 100  # simulated runs
RETRIES = 2  # workers in a row that may be killed on one share without having finished a run
log = logging.getLogger("headcount")


class Progress(Struct):
    """How far an experiment is. `outcomes` are those of the finished runs, as they came. `ended` says why it ended
    before all were done, if the experiment's budget ended it; `decided`, if it stopped early."""

    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)
    ended: str = ""
    decided: str = ""

    def take(self, done: Done) -> None:
        if done.outcome.run not in self.digests:
            self.outcomes.append(done.outcome)
            self.digests[done.outcome.run] = done.digest

    @property
    def done(self) -> int:
        return len(self.outcomes)

    @property
    def digest(self) -> str:
        """Of all events of all runs apart from wall times: equal for equal plans on a simulated model."""
        whole = "".join(self.digests[run] for run in sorted(self.digests))
        return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


class Stopped(HeadcountError):
    """The experiment was asked to stop; what was done so far is kept."""

    exit_code = 130


def prepare(plan: Plan) -> ExperimentFolder:
    """Check the plan and give it a folder. Raises InputError, and makes nothing, where the plan is wrong."""
    scenario = plans.check(plan)
    _check_place(plan)
    if not models.simulated(plan.model):
        _check_price(plan, scenario)
    command = plans.command_line(msgspec.structs.replace(plan, scenario=_shown(scenario, plan)))
    total = len(plans.trials(plan, scenario))
    plan = msgspec.structs.replace(plan, scenario=str(scenario.folder), workers=_workers(plan, total))
    folder = home.experiment_folder(home.new_id()).create()
    plan = msgspec.structs.replace(plan, teams=_keep_teams(plan, folder))
    _keep_catalog(folder)
    personal.keep(personal.marked(scenario, plans.case_ids(plan, scenario)), folder)
    folder.write_plan(
        {
            "id": folder.id,
            "created": time.time(),
            "command": command,
            "scenario": scenario.name,
            "simulated": models.simulated(plan.model),
            "total": total,
            "plan": msgspec.to_builtins(plan),
        }
    )
    return folder


def _keep_teams(plan: Plan, folder: ExperimentFolder) -> tuple[str, ...]:
    """The plan's teams, with a copy of each team's file in the experiment: what ran stays known."""
    kept = []
    for name in plan.teams:
        if name.endswith(table.FILES):
            place = folder.path / "teams" / Path(name).name
            place.parent.mkdir(exist_ok=True)
            name = str(shutil.copy(paths.given(name), place))
        kept.append(name)
    return tuple(kept)


def _keep_catalog(folder: ExperimentFolder) -> None:
    """A copy of models.yaml and of what probes have found, for the workers and for later. There are no keys in them."""
    file = catalog.file()
    if file is not None:
        shutil.copy(file, folder.path / catalog.FILE)
    if probed.folder().is_dir():
        shutil.copytree(probed.folder(), folder.path / probed.FOLDER)


def _check_place(plan: Plan) -> None:
    check_place(plan.on)
    if plan.workers < 0:
        raise InputError(f"--workers: {plan.workers} is too few: give at least 1, or 0 for as many as fit")
    if plan.asks_a_person and plan.on.startswith("ray"):
        raise InputError("--approver: a person can be asked only by workers on this machine: leave out --on ray")


def _check_price(plan: Plan, scenario: Scenario) -> None:
    """A dollar budget on a model without a price could not be held: say so now."""
    if plans.budget_of(plan, scenario).cost_usd is None and plan.total.cost_usd is None:
        return
    others = {name for team in plan.teams for name in plans.models_of(table.team(team).settings)}
    for name in (plan.model, *sorted(others)):
        card = models.resolve(name, plan.api_base if name == plan.model else None)(scenario.cases[0], plan.seed, 0).card
        if not card.price.known:
            raise InputError(
                f"the price of {name} is unknown, so a dollar budget cannot be held: give a token budget, or the "
                "price in HEADCOUNT_PRICES (see docs/models.md)"
            )


def _shown(scenario: Scenario, plan: Plan) -> str:
    """How the scenario is named in a command: by its name if it is a shipped one, else by its path."""
    return scenario.name if scenario.folder.parent == SHIPPED else plan.scenario


def _workers(plan: Plan, total: int) -> int:
    """As many as the plan says; else, for simulated runs, as many as have enough to do to be worth their start."""
    if plan.workers:
        return plan.workers
    return max(1, min(8, os.cpu_count() or 1, total // WORTH_A_WORKER)) if models.simulated(plan.model) else 1


def moved(folder: ExperimentFolder, on: str | None = None, workers: int | None = None) -> Plan:
    """The experiment's plan, with its workers in another place, or more or fewer of them; None is as planned, but for
    how many there are in another place: as many as fit there. Raises InputError and Unavailable."""
    plan = plans.read(folder)
    if on is None and workers is None:
        return plan
    if plan.fork is not None and on not in (None, "processes"):
        raise InputError(f"--on: {folder.id} has forks, which go on in processes on this machine: leave out --on")
    if workers is None:
        workers = plan.workers if on == plan.on else 0
    plan = msgspec.structs.replace(plan, on=on or plan.on, workers=workers)
    _check_place(plan)
    return msgspec.structs.replace(plan, workers=_workers(plan, folder.total))


def conduct(
    folder: ExperimentFolder,
    watch: Callable[[Progress], object] = lambda progress: None,
    plan: Plan | None = None,
) -> Progress:
    """Run the experiment to its end, where its plan says, or `plan`, which is the same in another place; `watch` is
    called about once a second and at the end. What its journals hold already is not done again: it goes on where it
    stopped. Where the experiment's own budget ends it, `ended` says so in what is returned.

    Raises Stopped when asked to (stop file or KeyboardInterrupt), WorkerLost and Unavailable; what was done stays
    recorded.
    """
    plan = plan or plans.read(folder)
    progress = Progress(folder.total)
    _take_up(folder, progress)
    stop = EarlyStop(plan, scenarios.load(plan.scenario)) if plan.stop_early is not None else None
    used = totals.recorded(folder) if totals.limits(plan.total) else Used()
    _look(plan, stop, progress, used)
    _beat(folder, "running", progress)
    state, message = "failed", "the coordinator failed"
    try:
        if not progress.ended and not progress.decided:
            _do(folder, plan, stop, progress, watch, used)
        state, message = ("stopped" if progress.ended else "finished"), progress.ended or progress.decided
    except (Stopped, KeyboardInterrupt) as stopped:
        state, message = "stopped", "stopped by request"
        raise Stopped(f"stopped after {progress.done} of {progress.total} runs") from stopped
    except HeadcountError as error:
        message = str(error)
        raise
    finally:
        _beat(folder, state, progress, message)
        _index(folder)
    watch(progress)
    return progress


def _take_up(folder: ExperimentFolder, progress: Progress) -> None:
    """The runs that are over as the journals tell."""
    for outcome, digest in left.over(folder):
        progress.take(Done(outcome, digest))


def _do(
    folder: ExperimentFolder,
    plan: Plan,
    stop: EarlyStop | None,
    progress: Progress,
    watch: Callable[[Progress], object],
    before: Used,
) -> None:
    """What is left of it. `before`: what it has used until now."""
    if totals.limits(plan.total):
        FilePurse.begin(folder.path, before, plan.workers)
    place = executor(folder, plan, _environment(folder, plan))
    workers: list[Worker] = []
    try:
        _begin(place, stop)
        workers += [place.start(share) for share in range(plan.workers)]
        _follow(folder, plan, place, workers, stop, progress, watch)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.end()
        _add_up(folder, plan, place, progress)
        place.close()


def _add_up(folder: ExperimentFolder, plan: Plan, place: Executor, progress: Progress) -> None:
    """What was done, and used, when all workers had ended, calls that were cancelled included."""
    if progress.done < progress.total:
        _take_up(folder, progress)
    if progress.done < progress.total and totals.limits(plan.total):
        progress.ended = place.used().spent(plan.total)


def _environment(folder: ExperimentFolder, plan: Plan) -> dict[str, str]:
    """What the workers' has beside this process's. A local model is served by this process for all of them."""
    more = {"HEADCOUNT_HOME": str(folder.path.parent.parent), probed.VARIABLE: str(folder.path / probed.FOLDER)}
    if (folder.path / catalog.FILE).is_file():
        more[catalog.VARIABLE] = str(folder.path / catalog.FILE)
    if plan.workers > 1 and not models.simulated(plan.model):
        more |= models.shared(plan.model)
    return more


def _follow(
    folder: ExperimentFolder,
    plan: Plan,
    place: Executor,
    workers: list[Worker],
    stop: EarlyStop | None,
    progress: Progress,
    watch: Callable[[Progress], object],
) -> None:
    """Take in what the workers tell, until all have done their shares, the budget is spent or all is decided. The share
    of one that is killed is gone on with by another."""
    beat = 0.0
    killed: Counter[int] = Counter()
    while workers and not progress.ended and not progress.decided:
        place.wait(workers, HEARTBEAT_S / 4)
        time.sleep(GATHER_S)
        for number, worker in enumerate(workers):
            try:
                for done in worker.news():
                    progress.take(done)
                    killed[worker.share] = 0
            except WorkerKilled as lost:
                killed[worker.share] += 1
                if killed[worker.share] > RETRIES:
                    raise
                log.warning("%s; another goes on with its share", lost)
                worker.end()
                _take_up(folder, progress)
                workers[number] = place.start(worker.share)
        for worker in [worker for worker in workers if worker.over]:
            worker.end()
            workers.remove(worker)
        if time.monotonic() - beat > HEARTBEAT_S:
            beat = time.monotonic()
            _beat(folder, "running", progress)
            watch(progress)
        if folder.stop_requested():
            raise Stopped
        if workers:
            _look(plan, stop, progress, place.used() if totals.limits(plan.total) else Used())
            _begin(place, stop)


def _look(plan: Plan, stop: EarlyStop | None, progress: Progress, used: Used) -> None:
    """Whether it is over before all runs are done."""
    progress.ended = used.spent(plan.total) if progress.done < progress.total else ""
    if stop is not None:
        progress.decided = stop.look(progress.outcomes)


def _begin(place: Executor, stop: EarlyStop | None) -> None:
    """Let the workers begin what the last look allows."""
    if stop is not None:
        place.begin(stop.begun)


def _beat(folder: ExperimentFolder, state: Any, progress: Progress, message: str = "") -> None:
    me = psutil.Process()
    with contextlib.suppress(TraceError):  # a full disk: what goes on shows in the journals, or in their errors
        folder.write_status(
            Status(me.pid, me.create_time(), state, progress.done, progress.total, time.time(), message)
        )


def _index(folder: ExperimentFolder) -> None:
    """So that it need not be done when it is looked at."""
    from traces.store import Store

    with contextlib.suppress(TraceError):
        Store(folder.path.parent.parent).index(folder.id)
