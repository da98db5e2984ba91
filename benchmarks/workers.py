"""Runs a second with one worker, with two, and with two on Ray: 400 simulated trials, in turn.

    python -m benchmarks.workers [--json]

Counted from the first finished run of the last worker to begin until the end, since starting (Python, the documents'
index, Ray itself) costs the same for 400 trials and for 40,000; the seconds before are a figure of their own. The peer
of two workers, and of Ray, is one worker in the same round; the ratios are medians of the rounds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator

from agents.models import quiet
from benchmarks.report import Figure, main
from experiments.conduct import conduct, prepare
from experiments.plan import Plan
from traces import journal
from traces.home import ExperimentFolder
from traces.kernel import RunFinished

TRIALS = 400
ROUNDS = 3
PLACES = {"1 worker": ("processes", 1), "2 workers": ("processes", 2), "Ray, 2 workers": ("ray", 2)}


def measure() -> Iterator[Figure]:
    quiet.environment()
    rates: dict[str, list[float]] = {name: [] for name in PLACES}
    starts: dict[str, list[float]] = {name: [] for name in PLACES}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADCOUNT_HOME"] = scratch
        conduct(prepare(Plan("billing_support", teams=("solo",), cases=1, trials=1, workers=1)))  # the documents' index
        for _ in range(ROUNDS):
            for name, (on, workers) in PLACES.items():
                start, rate = _one(on, workers)
                rates[name].append(rate)
                starts[name].append(start)
    one = rates["1 worker"]
    for name, found in rates.items():
        yield Figure(f"{name}: runs a second", statistics.median(found), "runs/s", statistics.median(one))
        yield Figure(f"{name}: throughput by that of one", _ratio(found, one), "times")
        yield Figure(f"{name}: seconds until it works", statistics.median(starts[name]), "s")


def _ratio(found: list[float], one: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(found, one, strict=True))


def _one(on: str, workers: int) -> tuple[float, float]:
    """Seconds until all workers work, and runs a second from there on."""
    plan = Plan("billing_support", teams=("solo", "market"), cases=20, trials=TRIALS // 40, workers=workers, on=on)
    folder = prepare(plan)
    began = time.time()
    conduct(folder)
    ends = _ends(folder)
    ready = max(min(times) for times in ends)
    after = [when for times in ends for when in times if when > ready]
    return ready - began, len(after) / (max(after) - ready)


def _ends(folder: ExperimentFolder) -> list[list[float]]:
    """When runs ended (Unix time), by journal."""
    return [
        [record.wall for record, _ in journal.read(path) if isinstance(record.event, RunFinished)]
        for path in folder.journals()
    ]


if __name__ == "__main__":
    main(measure, "Workers.")
