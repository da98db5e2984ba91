"""Where an experiment's runs are done: in worker processes here, in this process, or on Ray."""

from __future__ import annotations

from experiments.plan import Plan
from experiments.running.processes import Processes
from experiments.running.threads import Here
from experiments.running.workers import Executor
from traces.errors import InputError
from traces.home import ExperimentFolder


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
