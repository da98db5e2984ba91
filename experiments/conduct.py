"""Conducting an experiment: worker processes, their progress, a heartbeat, stopping, and the result."""

from __future__ import annotations

import hashlib
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil
from msgspec import Struct, field

from agents import table
from agents.models import catalog
from agents.models import table as models
from experiments import left
from experiments import plan as plans
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.worker import Done
from tasks.scenario import SHIPPED, Scenario
from traces import home
from traces.errors import HeadcountError, InputError
from traces.home import ExperimentFolder, Status

HEARTBEAT_S = 1.0


class Progress(Struct):
    """How far an experiment is. `outcomes` are those of the finished runs, as they came."""

    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)

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


class WorkerLost(HeadcountError):
    """A worker process ended before its share was done."""


def prepare(plan: Plan) -> ExperimentFolder:
    """Check the plan and give it a folder. Raises InputError, and makes nothing, where the plan is wrong."""
    scenario = plans.check(plan)
    if not models.simulated(plan.model):
        _check_price(plan, scenario)
    command = plans.command_line(msgspec.structs.replace(plan, scenario=_shown(scenario, plan)))
    plan = msgspec.structs.replace(plan, scenario=str(scenario.folder), workers=_workers(plan))
    folder = home.experiment_folder(home.new_id()).create()
    plan = msgspec.structs.replace(plan, teams=_keep_teams(plan, folder))
    _keep_catalog(folder)
    folder.write_plan(
        {
            "id": folder.id,
            "created": time.time(),
            "command": command,
            "scenario": scenario.name,
            "simulated": models.simulated(plan.model),
            "total": len(plans.trials(plan, scenario)),
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
            name = str(shutil.copy(Path(name).expanduser(), place))
        kept.append(name)
    return tuple(kept)


def _keep_catalog(folder: ExperimentFolder) -> None:
    """A copy of models.yaml, for the workers and for later. It has no keys in it."""
    file = catalog.file()
    if file is not None:
        shutil.copy(file, folder.path / catalog.FILE)


def _check_price(plan: Plan, scenario: Scenario) -> None:
    """A dollar budget on a model without a price could not be held: say so now."""
    if plans.budget_of(plan, scenario).cost_usd is None:
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


def _workers(plan: Plan) -> int:
    if plan.workers:
        return plan.workers
    return max(1, min(8, os.cpu_count() or 1)) if models.simulated(plan.model) else 1


def conduct(folder: ExperimentFolder, watch: Callable[[Progress], object] = lambda progress: None) -> Progress:
    """Run the experiment to its end in worker processes; `watch` is called about once a second and at the end. What its
    journals hold already is not done again: it goes on where it stopped.

    Raises Stopped when asked to (stop file or KeyboardInterrupt) and WorkerLost; what was done stays recorded.
    """
    plan = plans.read(folder)
    progress = Progress(int(folder.read_plan()["total"]))
    for outcome, digest in left.over(folder):
        progress.outcomes.append(outcome)
        progress.digests[outcome.run] = digest
    _beat(folder, "running", progress)
    environment = _environment(folder, plan)
    workers = [_spawn(folder, share, plan.workers, environment) for share in range(plan.workers)]
    state, message = "failed", "the coordinator failed"
    try:
        _follow(folder, workers, progress, watch)
        state, message = "finished", ""
    except (Stopped, KeyboardInterrupt) as stopped:
        state, message = "stopped", "stopped by request"
        raise Stopped(f"stopped after {progress.done} of {progress.total} runs") from stopped
    except WorkerLost as lost:
        message = str(lost)
        raise
    finally:
        _end(workers)
        _beat(folder, state, progress, message)
        _index(folder)
    watch(progress)
    return progress


def _environment(folder: ExperimentFolder, plan: Plan) -> dict[str, str]:
    """The workers'. A local model is served by this process for all of them."""
    more = {"HEADCOUNT_HOME": str(folder.path.parent.parent)}
    if (folder.path / catalog.FILE).is_file():
        more[catalog.VARIABLE] = str(folder.path / catalog.FILE)
    if plan.workers > 1 and not models.simulated(plan.model):
        more |= models.shared(plan.model)
    return {**os.environ, **more}


def _spawn(folder: ExperimentFolder, share: int, of: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "experiments.worker", folder.id, str(share), str(of)]
    with folder.log_file.open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment)


def _follow(
    folder: ExperimentFolder,
    workers: list[subprocess.Popen[bytes]],
    progress: Progress,
    watch: Callable[[Progress], object],
) -> None:
    """Read what the workers tell, until all have ended well."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(_pipe(worker), selectors.EVENT_READ, (worker, bytearray()))
        beat = 0.0
        while selector.get_map():
            for key, _ in selector.select(HEARTBEAT_S / 4):
                worker, buffer = key.data
                if not _read(worker, buffer, progress):
                    selector.unregister(key.fileobj)
                    _ended_well(worker, folder)
            if time.monotonic() - beat > HEARTBEAT_S:
                beat = time.monotonic()
                _beat(folder, "running", progress)
                watch(progress)
            if folder.stop_requested():
                raise Stopped


def _pipe(worker: subprocess.Popen[bytes]) -> IO[bytes]:
    assert worker.stdout is not None
    return worker.stdout


def _read(worker: subprocess.Popen[bytes], buffer: bytearray, progress: Progress) -> bool:
    """Take in what a worker has written; False at its end."""
    data = os.read(_pipe(worker).fileno(), 1 << 16)
    buffer += data
    *lines, rest = bytes(buffer).split(b"\n")
    buffer[:] = rest
    for line in lines:
        done = msgspec.json.decode(line, type=Done)
        progress.outcomes.append(done.outcome)
        progress.digests[done.outcome.run] = done.digest
    return bool(data)


def _ended_well(worker: subprocess.Popen[bytes], folder: ExperimentFolder) -> None:
    code = worker.wait()
    if code:
        last = folder.log_file.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        raise WorkerLost(f"a worker {how}: {last[0]} (all of it: {folder.log_file})")


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    for worker in workers:
        try:
            worker.wait(2)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        _pipe(worker).close()


def _beat(folder: ExperimentFolder, state: Any, progress: Progress, message: str = "") -> None:
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), state, progress.done, progress.total, time.time(), message))


def _index(folder: ExperimentFolder) -> None:
    from traces.store import Store

    Store(folder.path.parent.parent).index(folder.id)
