"""Launching an experiment in a process of its own, that outlives whoever launched it."""

from __future__ import annotations

import subprocess
import threading
import time

from experiments.plan import Plan
from experiments.running import resume as resuming
from experiments.running import retry
from experiments.running.conduct import prepare
from headcount import place
from traces import home
from traces.home import ExperimentFolder


def start(plan: Plan) -> str:
    """Start the experiment and return its id. Raises InputError, and starts nothing, where the plan is wrong."""
    return go(prepare(plan))


def go(folder: ExperimentFolder, on: str | None = None) -> str:
    """Start an experiment that is prepared, or stopped on the way, and return its id. It goes where it was planned, or
    `on` another place."""
    elsewhere = ["--on", on] if on else []
    with folder.log_file.open("ab") as log:
        process = subprocess.Popen(
            place.command("headcount", "work", folder.id, *elsewhere),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that no zombie is left when it ends
    return folder.id


def resume(experiment: str, on: str | None = None, patience_s: float = 20.0, *, retry_broken: bool = False) -> None:
    """Go on with an experiment that was stopped or lost, where it was planned or `on` another place; with
    `retry_broken` runs that broke off are done again. Returns when it runs again, or after `patience_s`. Raises
    InputError, and starts nothing, where it cannot go on."""
    folder = home.find_experiment(experiment)
    resuming.check(folder, on)
    if retry_broken:
        retry.request(folder)
    folder.stop_file.unlink(missing_ok=True)
    before = folder.read_status()
    go(folder, on)
    deadline = time.monotonic() + patience_s
    while folder.read_status() == before and time.monotonic() < deadline:
        time.sleep(0.05)


def stop(experiment: str) -> None:
    """Ask an experiment to stop; it does within about a second, and keeps what it has."""
    home.find_experiment(experiment).request_stop()
