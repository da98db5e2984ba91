"""A worker: a process that does its share of an experiment's runs and says so, a line for each.

python -m experiments.worker EXPERIMENT SHARE OF     (runs SHARE, SHARE + OF, SHARE + 2·OF, ...)
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from agents.models import quiet
from agents.models import table as models
from experiments import plan as plans
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial
from experiments.trial import Bench, run_trial
from traces import clock, home
from traces.errors import HeadcountError
from traces.journal import Journal
from traces.recorder import Recorder

log = logging.getLogger("headcount")


class Done(Struct, frozen=True):
    """A run is over. `digest` is that of its events apart from wall times."""

    outcome: Outcome
    digest: str


def do(plan: Plan, todo: Iterable[Trial], folder: Path, journal: Journal, tell: Callable[[Done], object]) -> None:
    """Do these runs: under the virtual clock one after the other, each from time 0; else several at once."""
    bench = Bench(plan, folder)
    if models.simulated(plan.model):
        for trial in todo:
            tell(clock.run(_one(trial, bench, journal), virtual=True))
    else:
        clock.run(_together(list(todo), bench, journal, tell), virtual=False)


async def _one(trial: Trial, bench: Bench, journal: Journal) -> Done:
    recorder = Recorder(trial.run, journal)
    started = time.perf_counter()
    outcome = await run_trial(trial, bench, recorder)
    return Done(structs.replace(outcome, wall_s=time.perf_counter() - started), recorder.digest)


async def _together(todo: list[Trial], bench: Bench, journal: Journal, tell: Callable[[Done], object]) -> None:
    places = asyncio.Semaphore(models.at_once(bench.plan.model))

    async def one(trial: Trial) -> None:
        async with places:
            tell(await _one(trial, bench, journal))

    async with asyncio.TaskGroup() as group:
        for trial in todo:
            group.create_task(one(trial))


def main(experiment: str, share: int, of: int) -> None:
    """Work until the share is done, the coordinator is gone, or SIGTERM comes: the journal ends with a whole event."""
    quiet.environment()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    parent = os.getppid()
    # At once, whatever a model or a framework is waiting for: each event is written whole, by one call.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = home.find_experiment(experiment)
    plan = plans.read(folder)
    scenario = plans.check(plan)

    def tell(done: Done) -> None:
        os.write(1, msgspec.json.encode(done) + b"\n")
        if os.getppid() != parent:
            sys.exit("the experiment's coordinator is gone")

    with Journal(folder.journal_file(share)) as journal:
        if journal.repaired:
            log.warning("cut off: %s", journal.repaired)
        do(plan, plans.trials(plan, scenario)[share::of], folder.path, journal, tell)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except HeadcountError as error:
        sys.exit(str(error))
