"""A worker: a process that does its share of an experiment's runs and says so, a line for each.

python -m experiments.running.worker EXPERIMENT SHARE OF     (its share of so many)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct, structs

from agents import table
from agents.models import quiet
from agents.models import table as models
from experiments import plan as plans
from experiments.order import in_order
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial
from experiments.running import forked, left, totals, watching
from experiments.running.halting import Halt, Halted
from experiments.running.rerun import Start
from experiments.running.stopping import Turn, read_begun
from experiments.running.totals import Allowed, FilePurse, Purse
from experiments.running.trial import Bench, first_of, run_trial
from traces import clock, home
from traces.errors import HeadcountError
from traces.journal import Journal
from traces.recorder import Writer

SIMULATED_SYNC_S = 1.0
WAIT_S = 0.01
GRACE_S = 1.0
LEAVE_S = 3.0
SAID = b"!"
"""Before the error that ends a worker, on the pipe to its coordinator."""
log = logging.getLogger("headcount")


class Done(Struct, frozen=True):
    """A run is over. `digest` is that of its events apart from wall times."""

    outcome: Outcome
    digest: str


def journal_for(plan: Plan, path: Path) -> Journal:
    """A worker's journal. What a loss of power takes of simulated runs is done again from their seeds: those are synced
    to the disk about once a second only."""
    return Journal(path, SIMULATED_SYNC_S) if models.simulated(plan.model) else Journal(path)


def do(
    plan: Plan,
    todo: Sequence[Trial],
    folder: Path,
    journal: Writer,
    tell: Callable[[Done], object],
    starts: Mapping[int, Start] = MappingProxyType({}),
    may_begin: Callable[[Trial], bool] = lambda trial: True,
    share: int = 0,
    halt: Halt | None = None,
    purse: Purse | None = None,
) -> None:
    """Do these runs of a share: under the virtual clock one after the other, each from time 0; else several at once.
    `starts` says, by run, where those start that do not start from nothing; one that may not begin yet is waited for.
    `purse`: what the experiment's budget, if it has one, is paid from.
    Raises Difference where what is recorded of a run cannot be done again, and Halted where `halt` was called, or the
    experiment's budget is spent."""
    halt = halt or Halt()
    allowed = Allowed(plan.total, purse, halt) if purse is not None and totals.limits(plan.total) else None
    bench = Bench(plan, folder, share)
    bench.allowed, bench.halt = allowed, halt
    _prepare({trial.engine for trial in todo})
    if models.simulated(plan.model):
        for trial in todo:
            while not may_begin(trial):
                halt.check()
                time.sleep(WAIT_S)
            halt.check()
            one = _one(trial, bench, journal, starts.get(trial.run, Start()), halt)
            tell(clock.run(halt.within(one), virtual=True))
        return
    old, new = [t for t in todo if t.run in starts], [t for t in todo if t.run not in starts]
    places = models.at_once(plan.model)
    for batch in _batches(old, new, places):
        pasts = {trial.run: starts.get(trial.run, Start()) for trial in batch}
        seconds = max((start.seconds for start in pasts.values()), default=0.0)
        together = _together(batch, pasts, seconds, bench, journal, tell, places, may_begin)
        clock.run(halt.within(together), virtual=False, catch_up=seconds)


def _prepare(engines: Iterable[str]) -> None:
    """Load the frameworks before any run's time begins. What cannot be loaded costs the runs on it, when they begin."""
    for name in engines:
        with contextlib.suppress(Exception):
            prepare = getattr(table.engine(name)(), "prepare", None)
            if prepare is not None:
                prepare()


def _batches(old: list[Trial], new: list[Trial], places: int) -> Iterator[list[Trial]]:
    """Runs with a past are at most as many as there are places: they are done again up to the present, all at once,
    before the first model is called."""
    while len(old) > places:
        yield old[:places]
        old = old[places:]
    yield old + new


async def _one(trial: Trial, bench: Bench, journal: Writer, start: Start, halt: Halt | None = None) -> Done:
    """One run. `halt`: of a simulated one, which leaves no trace of where it was stopped: its end is the same."""
    virtual = models.simulated(bench.plan.model)
    recorder = start.recorder(trial.run, journal, virtual=virtual)
    if halt is not None:
        halt.first = recorder.close
    started = time.perf_counter()
    outcome = await run_trial(trial, bench, recorder, start.past(virtual=virtual))
    return Done(structs.replace(outcome, wall_s=time.perf_counter() - started), recorder.digest)


async def _together(
    todo: list[Trial],
    starts: Mapping[int, Start],
    seconds: float,
    bench: Bench,
    journal: Writer,
    tell: Callable[[Done], object],
    places: int,
    may_begin: Callable[[Trial], bool],
) -> None:
    """Several runs at once. Their pasts end at the same moment, `seconds` from now."""
    free = asyncio.Semaphore(places)

    async def one(trial: Trial) -> None:
        async with free:
            while not may_begin(trial):  # noqa: ASYNC110 (another process says when)
                await asyncio.sleep(WAIT_S)
            start = starts[trial.run]
            if start.expected:
                await asyncio.sleep(seconds - start.seconds)
            tell(await _one(trial, bench, journal, start))

    try:
        async with asyncio.TaskGroup() as group:
            for trial in todo:
                group.create_task(one(trial))
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None


def _halted_by_signals(halt: Halt) -> list[int]:
    """On SIGTERM the share is halted; what does not end within GRACE_S, such as a framework's thread or a tool that
    computes, ends with the process: each event is written whole, by one call. What is returned has the signals."""
    came: list[int] = []

    def end(number: int, frame: object) -> None:
        came.append(number)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, GRACE_S)
            halt()
        else:
            os._exit(143)

    signal.signal(signal.SIGTERM, end)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, lambda *_: os._exit(143))
    return came


def own_pipe() -> int:
    """The way to the coordinator, which only this module writes to; whatever else is printed here, by a tool or by what
    a tool starts, goes to the log."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return pipe


def main(experiment: str, share: int, of: int, pipe: int) -> None:
    """Work until the share is done, the coordinator is gone, or SIGTERM comes: the journal ends with a whole event, and
    has the calls that were under way then."""
    quiet.environment()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    parent = os.getppid()
    halt = Halt()
    terminated = _halted_by_signals(halt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if watching.SIGNAL is not None:
        signal.signal(watching.SIGNAL, watching.wake)
    folder = home.find_experiment(experiment)
    plan = structs.replace(plans.read(folder), workers=of)
    scenario = plans.check(plan)

    turn = Turn(plan, scenario, partial(read_begun, folder)) if plan.stop_early is not None else None

    def alive() -> None:
        if os.getppid() != parent:
            sys.exit("the experiment's coordinator is gone")

    def tell(done: Done) -> None:
        os.write(pipe, msgspec.json.encode(done) + b"\n")
        alive()

    def may_begin(trial: Trial) -> bool:
        alive()
        return turn is None or turn.has(trial)

    with journal_for(plan, folder.journal_file(share)) as journal:
        if journal.repaired:
            log.warning("cut off: %s", journal.repaired)
        todo, starts = left.left(plans.dealt(in_order(plan, plans.trials(plan, scenario)), share, of), folder)
        purse = FilePurse(folder.path, share + 1)
        begun = forked.starts(plan, folder, todo, starts)
        with contextlib.suppress(Halted):
            do(plan, todo, folder.path, journal, tell, begun, may_begin, share, halt, purse)
    if terminated:
        sys.exit(143)


def ended(experiment: str, share: int, of: int, pipe: int) -> int | str:
    """Do the share; the exit code, or the error that ended it."""
    try:
        main(experiment, share, of, pipe)
    except SystemExit as leaving:
        return leaving.code or 0
    except (HeadcountError, OSError) as error:
        with contextlib.suppress(OSError):  # the log may be on the disk that is full
            os.write(pipe, SAID + str(error).encode("utf-8", "replace") + b"\n")
        return str(error)
    return 0


def leave_after(seconds: float, code: int | str) -> None:
    """End the process then, if it has not ended: threads that code of the user's has left are not waited for."""

    def leave() -> None:
        time.sleep(seconds)
        os._exit(code if isinstance(code, int) else 1)

    threading.Thread(target=leave, daemon=True, name="leaving").start()


if __name__ == "__main__":
    pipe = own_pipe()
    code: int | str = 1
    try:
        code = ended(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pipe)
    finally:
        leave_after(LEAVE_S, code)
    sys.exit(code)
