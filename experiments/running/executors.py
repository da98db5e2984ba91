"""Where an experiment's runs are done: in worker processes here, in this process, or on Ray. All of one shape: a worker
does a share of the runs, its journal stands in the experiment's folder, and what it finishes is told as it comes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import IO, Protocol

import msgspec

from experiments import plan as plans
from experiments.order import in_order
from experiments.plan import Plan, Trial
from experiments.running import left
from experiments.running.rerun import Start
from experiments.running.stopping import Turn, write_begun
from experiments.running.worker import Done, do, journal_for
from tasks import scenario as scenarios
from tasks.scenario import Scenario
from traces.errors import HeadcountError, InputError
from traces.home import ExperimentFolder
from traces.recorder import Writer


class WorkerLost(HeadcountError):
    """A worker ended before its share was done."""


class WorkerKilled(WorkerLost):
    """It was killed, or its machine went away: what it had not finished can be done by another."""


class Worker(Protocol):
    """One worker with its share. `over`: all of it is done."""

    share: int
    over: bool

    def news(self) -> list[Done]:
        """The runs finished since the last call, without waiting. Raises WorkerLost."""
        ...

    def end(self) -> None:
        """End it at once, whatever it does; what it wrote stays. May be called twice."""
        ...


class Executor(Protocol):
    def start(self, share: int) -> Worker:
        """A worker for what is left of a share."""
        ...

    def begin(self, cases: int) -> None:
        """So many cases, in their order, may be begun by all its workers, those to come too. Said again at each look at
        an experiment that may stop early; in any other, all may be."""
        ...

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Return when one of the workers may have news, or after so many seconds."""
        ...

    def close(self) -> None: ...


def executor(folder: ExperimentFolder, plan: Plan, environment: dict[str, str]) -> Executor:
    """Where the plan says; forks, whose past stands in the experiment's folder, in processes here. `environment` is
    what the workers' has beyond this process's. Raises Unavailable."""
    if plan.on == "processes" or plan.fork is not None:
        return Processes(folder, plan.workers, environment)
    if plan.on == "here":
        return Here(folder, plan)
    from experiments.running.executors_ray import OnRay

    return OnRay(folder, plan, environment)


def check(on: str) -> None:
    """Raises InputError for a place that there is not, Unavailable for one that is not installed."""
    if on in ("processes", "here"):
        return
    if on != "ray" and not on.startswith("ray://"):
        raise InputError(f"--on: {on!r} is not a place to run: give processes, here, ray or ray://HOST:PORT")
    from experiments.running import executors_ray

    executors_ray.check()


# --- processes ------------------------------------------------------------------------------------------------------


class Processes:
    """`python -m experiments.running.worker` for each share; a local model is served by this process for them all."""

    def __init__(self, folder: ExperimentFolder, of: int, environment: dict[str, str]) -> None:
        self._folder, self._of = folder, of
        self._environment = {**os.environ, **environment}
        self._begun = 0

    def start(self, share: int) -> Worker:
        command = [sys.executable, "-m", "experiments.running.worker", self._folder.id, str(share), str(self._of)]
        with self._folder.log_file.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        return _Process(share, process, self._folder.log_file)

    def begin(self, cases: int) -> None:
        if cases != self._begun:
            write_begun(self._folder, cases)
            self._begun = cases

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        connection.wait([worker.pipe.fileno() for worker in workers if isinstance(worker, _Process)], seconds)

    def close(self) -> None:
        pass


class _Process:
    def __init__(self, share: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.share, self.over = share, False
        self._process, self._log = process, log
        self._buffer = b""
        assert process.stdout is not None
        self.pipe: IO[bytes] = process.stdout
        os.set_blocking(self.pipe.fileno(), False)

    def news(self) -> list[Done]:
        ended = False
        try:
            while data := os.read(self.pipe.fileno(), 1 << 16):
                self._buffer += data
            ended = True
        except BlockingIOError:
            pass
        *lines, self._buffer = self._buffer.split(b"\n")
        found = [msgspec.json.decode(line, type=Done) for line in lines]
        if ended and not found:
            self._ended()
        return found

    def _ended(self) -> None:
        code = self._process.wait()
        self.over = code == 0
        if code:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            kind = WorkerKilled if code < 0 else WorkerLost
            raise kind(f"a worker {how}: {last[0]} (all of it: {self._log})")

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.pipe.close()


# --- in this process ------------------------------------------------------------------------------------------------


class Share:
    """A share that is done by a thread of this process, into a journal that is the thread's from then on."""

    def __init__(
        self,
        plan: Plan,
        todo: Sequence[Trial],
        starts: Mapping[int, Start],
        folder: ExperimentFolder,
        journal: Writer,
        begun: Callable[[], int],
        idle: threading.Event,
    ) -> None:
        """`starts`: where those of the runs start that were begun. `begun`: how many cases may be begun, where the
        experiment may stop early. `idle` is set where there is no more to wait for."""
        self._plan, self._folder, self._journal, self._begun = plan, folder, journal, begun
        self._done: queue.SimpleQueue[Done | BaseException | None] = queue.SimpleQueue()
        self._idle = idle
        self._stopped = False
        threading.Thread(target=self._work, args=(todo, starts), daemon=True, name="share").start()

    def _work(self, todo: Sequence[Trial], starts: Mapping[int, Start]) -> None:
        try:
            may_begin = self._may_begin(scenarios.load(self._plan.scenario))
            with contextlib.closing(self._journal) as journal:
                do(self._plan, todo, self._folder.path, journal, self._tell, starts, may_begin)
            self._done.put(None)
        except BaseException as error:
            self._done.put(error)
        self._idle.set()

    def _may_begin(self, scenario: Scenario) -> Callable[[Trial], bool]:
        turn = Turn(self._plan, scenario, self._begun) if self._plan.stop_early is not None else None
        held: set[int] = set()

        def may_begin(trial: Trial) -> bool:
            if self._stopped:
                raise SystemExit("the share was stopped")
            if turn is None or turn.has(trial):
                return True
            if trial.run not in held:
                held.add(trial.run)
                self._idle.set()
            return False

        return may_begin

    def _tell(self, done: Done) -> None:
        self._done.put(done)
        if self._stopped:
            raise SystemExit("the share was stopped")

    def stop(self) -> None:
        """Ask it to end with the run that it is at."""
        self._stopped = True

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as it is at its end or a run has begun to wait for its case."""
        self._idle.wait(seconds)
        self._idle.clear()

    def take(self, seconds: float) -> tuple[list[Done], bool]:
        """What was finished, waiting so long for the first of it, and whether that is all. Raises what it raised."""
        found: list[Done] = []
        try:
            item = self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
            while isinstance(item, Done):
                found.append(item)
                item = self._done.get_nowait()
        except queue.Empty:
            return found, False
        if item is None:
            return found, True
        raise item


class Here:
    """All shares in this process, each in a thread: for a notebook or a debugger. Runs with a real model that are under
    way when it is stopped end with the process."""

    def __init__(self, folder: ExperimentFolder, plan: Plan) -> None:
        self._folder, self._plan = folder, plan
        self._trials = in_order(plan, plans.trials(plan, scenarios.load(plan.scenario)))
        self._begun = 0

    def start(self, share: int) -> Worker:
        journal = journal_for(self._plan, self._folder.journal_file(share))
        todo, starts = left.left(plans.dealt(self._trials, share, self._plan.workers), self._folder)
        idle = threading.Event()
        return _Thread(share, Share(self._plan, todo, starts, self._folder, journal, lambda: self._begun, idle))

    def begin(self, cases: int) -> None:
        self._begun = cases

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        for worker in workers:
            if isinstance(worker, _Thread):
                worker.look(seconds / len(workers))

    def close(self) -> None:
        pass


class _Thread:
    def __init__(self, share: int, work: Share) -> None:
        self.share, self.over, self._work = share, False, work
        self._found: list[Done] = []

    def look(self, seconds: float) -> None:
        if not self.over:
            found, self.over = self._work.take(seconds)
            self._found += found

    def news(self) -> list[Done]:
        self.look(0)
        found, self._found = self._found, []
        return found

    def end(self) -> None:
        self._work.stop()
