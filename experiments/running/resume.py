"""Going on with an experiment that was stopped or killed, exactly where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

from experiments import plan as plans
from experiments.plan import Plan
from experiments.running import retry
from experiments.running.conduct import Progress, conduct, moved
from traces import home
from traces.committed import committed
from traces.errors import InputError
from traces.home import ExperimentFolder


def resume(
    folder: ExperimentFolder,
    watch: Callable[[Progress], object] = lambda progress: None,
    on: str | None = None,
    workers: int | None = None,
    retry_broken: bool = False,
) -> Progress:
    """Do what is left of the experiment, where it was planned, or `on` another place, by so many workers; that changes
    nothing in what comes. Runs that are over are not done again, and of those that were under way neither a recorded
    model call nor a recorded outside effect is. With `retry_broken` runs that broke off are done again from the call
    that failed (running/retry.py).

    Raises InputError where it still runs or its scenario's files have changed; otherwise as `conduct` does."""
    plan = check(folder, on, workers)
    if retry_broken:
        retry.request(folder)
    folder.stop_file.unlink(missing_ok=True)
    return conduct(folder, watch, plan)


def check(folder: ExperimentFolder, on: str | None = None, workers: int | None = None) -> Plan:
    """The plan that the experiment goes on with. Raises InputError where it cannot, because it runs or because runs
    before and after would not be on equal terms, and Unavailable for a place that is not installed."""
    if home.state(folder, time.time()) == "running":
        raise InputError(f"{folder.id} is running: there is nothing to resume")
    scenario = plans.check(plans.again(folder))
    first = next(committed(folder.journals()), None)
    if first is not None and first.run.scenario_digest not in ("", scenario.digest):
        raise InputError(
            f"{scenario.folder}: files of the scenario have changed since {folder.id} began, so runs before and after "
            "could not be compared: put them back, or begin a new experiment"
        )
    return moved(folder, on, workers)
