"""What a framework's own work costs: milliseconds of this machine for each agent's turn, beside native in the same run.

A chain of agents without tools, so that a turn is one model call and what is left is the engine's: its loop, messages
and prompts. The model is simulated, its latency virtual, and what it takes to answer is taken off; tracing is on, into
a journal. Rounds of the engines alternate; a figure is the median of the rounds. The runs' own costs (a database, a
grader) are in it, spread over the turns.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.models import quiet
from benchmarks.report import Figure, main

ROUNDS = 7
TURNS = 40
RUNS = 5
ENGINES = ("native", "autogen", "crewai")


class _Timed:
    """A model that counts its calls and the seconds that it takes to answer, sleeping (virtually) left out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.card = model.card

    async def chat(self, request: Any) -> Any:
        started = time.perf_counter()
        reply = await self._model.chat(request)
        SPENT[0] += time.perf_counter() - started
        SPENT[1] += 1
        return reply


SPENT = [0.0, 0.0]


def _round(engine: str, folder: Path) -> float:
    """Milliseconds a turn, the model's own left out."""
    from experiments.plan import Plan, trials
    from experiments.running.trial import Bench, run_trial
    from traces.clock import run
    from traces.journal import Journal
    from traces.recorder import Recorder

    plan = Plan(str(folder / "chain"), ("pipeline",), (engine,), model=f"sim:{folder / 'model.yaml'}", trials=RUNS)
    bench = Bench(plan)
    inner = bench.model_for
    bench.model_for = lambda case, seed, trial: _Timed(inner(case, seed, trial))
    todo = trials(bench.plan, bench.scenario)
    SPENT[:] = [0.0, 0.0]
    path = folder / f"{engine}-{time.monotonic_ns()}.jsonl"
    started = time.perf_counter()
    with Journal(path) as journal:
        for trial in todo:
            run(run_trial(trial, bench, Recorder(trial.run, journal)), virtual=True)
    return 1000 * (time.perf_counter() - started - SPENT[0]) / SPENT[1]


def measure() -> Iterator[Figure]:
    quiet.environment()
    logging.basicConfig(level=logging.WARNING)  # as in a worker: some libraries turn it down to INFO
    from tests.trials import profile, puzzle

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        puzzle(place / "chain", subtasks=TURNS)
        profile(place / "model.yaml")
        for engine in ENGINES:
            _round(engine, place)  # imports and caches
        rounds = [{engine: _round(engine, place) for engine in ENGINES} for _ in range(ROUNDS)]
        native = statistics.median(r["native"] for r in rounds)
        yield Figure("native, a turn", native, "ms")
        for engine in ENGINES[1:]:
            yield Figure(f"{engine}, a turn (peer: native)", statistics.median(r[engine] for r in rounds), "ms", native)


if __name__ == "__main__":
    main(measure, __doc__.splitlines()[0])
