"""Runs a second with one worker, with two, and with two on Ray: 400 simulated trials, in turn.

    python -m benchmarks.workers [--json]

Counted from the first finished run of the last worker to begin until the end, since starting (Python, the documents'
index, Ray itself) costs the same for 400 trials and for 40,000; the seconds before are a figure of their own. The peer
of two workers, and of Ray, is one worker in the same round; the ratios are medians of the rounds.

The CPU time a run is that of all processes over the same seconds, this one and Ray's own among them. Other programs
change it little: on a busy machine it says what two idle cores would give, which is 2 / (its ratio to that of one
worker) times the throughput of one.
"""

from __future__ import annotations

import bisect
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, Self

import psutil

from agents.models import quiet
from benchmarks.report import Figure, main
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from traces import journal
from traces.home import ExperimentFolder
from traces.kernel import RunFinished

TRIALS = 400
ROUNDS = 3
PLACES = {"1 worker": ("processes", 1), "2 workers": ("processes", 2), "Ray, 2 workers": ("ray", 2)}


class Measured(NamedTuple):
    """`start`: seconds until all workers work; from there on, runs a second and CPU milliseconds a run."""

    start: float
    rate: float
    cpu_ms: float


def measure() -> Iterator[Figure]:
    quiet.environment()
    found: dict[str, list[Measured]] = {name: [] for name in PLACES}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADCOUNT_HOME"] = scratch
        conduct(prepare(Plan("billing_support", teams=("solo",), cases=1, trials=1, workers=1)))  # the documents' index
        for _ in range(ROUNDS):
            for name, (on, workers) in PLACES.items():
                found[name].append(_one(on, workers))
    starts, rates, cpus = ({name: [row[n] for row in rows] for name, rows in found.items()} for n in range(3))
    for name in PLACES:
        yield Figure(f"{name}: runs a second", *_beside(rates, name, "runs/s"))
        yield Figure(f"{name}: throughput by that of one", _ratio(rates, name), "times")
        yield Figure(f"{name}: CPU time a run", *_beside(cpus, name, "ms"))
        yield Figure(f"{name}: CPU time a run by that of one", _ratio(cpus, name), "times")
        yield Figure(f"{name}: seconds until it works", statistics.median(starts[name]), "s")


def _beside(found: dict[str, list[float]], name: str, unit: str) -> tuple[float, str, float]:
    return statistics.median(found[name]), unit, statistics.median(found["1 worker"])


def _ratio(found: dict[str, list[float]], name: str) -> float:
    return statistics.median(a / b for a, b in zip(found[name], found["1 worker"], strict=True))


class CpuTime:
    """The CPU time of this process and all that it starts, sampled while it is entered; its own is left out."""

    EVERY_S = 0.1

    def __init__(self) -> None:
        self._seen: dict[psutil.Process, float] = {}
        self._times: list[float] = []
        self._totals: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._end.set()
        self._thread.join()

    def between(self, start: float, end: float) -> float:
        """Seconds, between two Unix times, by the samples nearest after them."""
        first, last = (min(bisect.bisect(self._times, when), len(self._times) - 1) for when in (start, end))
        return (self._totals[last] - self._totals[first]) * (end - start) / (self._times[last] - self._times[first])

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._end.wait(self.EVERY_S):
            for process in [me, *me.children(recursive=True)]:
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                self._seen[process] = times.user + times.system
            self._times.append(time.time())
            self._totals.append(sum(self._seen.values()) - time.thread_time())


def _one(on: str, workers: int) -> Measured:
    plan = Plan("billing_support", teams=("solo", "market"), cases=20, trials=TRIALS // 40, workers=workers, on=on)
    folder = prepare(plan)
    began = time.time()
    with CpuTime() as cpu:
        conduct(folder)
    ends = _ends(folder)
    ready = max(min(times) for times in ends)
    after = [when for times in ends for when in times if when > ready]
    over = max(after)
    return Measured(ready - began, len(after) / (over - ready), 1000 * cpu.between(ready, over) / len(after))


def _ends(folder: ExperimentFolder) -> list[list[float]]:
    """When runs ended (Unix time), by journal."""
    return [
        [record.wall for record, _ in journal.read(path) if isinstance(record.event, RunFinished)]
        for path in folder.journals()
    ]


if __name__ == "__main__":
    main(measure, "Workers.")
