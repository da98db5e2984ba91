"""Launching an experiment in a process of its own, that outlives whoever launched it."""

from __future__ import annotations

import subprocess
import sys

from experiments.conduct import prepare
from experiments.plan import Plan
from traces import home


def start(plan: Plan) -> str:
    """Start the experiment and return its id. Raises InputError, and starts nothing, where the plan is wrong."""
    folder = prepare(plan)
    with folder.log_file.open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "headcount", "work", folder.id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return folder.id


def stop(experiment: str) -> None:
    """Ask an experiment to stop; it does within about a second, and keeps what it has."""
    home.find_experiment(experiment).request_stop()
