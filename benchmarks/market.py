"""What a simulated market costs by its size: time and memory a posting from 1,000 to 100,000 agents.

    python -m benchmarks.market [--json]

Each size is done by a process of its own, with 100,000 jobs, or ten an agent where that is more, so that every market
comes to its usual state; tracing is sampled by the rule of `headcount market simulate`. The sizes take turns, and the
quickest of two counts. CPU seconds (user and system) do not count what else the machine does; wall seconds stand beside
them. The peer of each size is 1,000 agents: a ratio within 0.8 and 1.2 is flat within 20 %. The other mechanisms follow
at 10,000 agents, once, beside `scored`.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator

import msgspec

from benchmarks.report import Figure, main
from marketplace.mechanisms import MECHANISMS

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
JOBS, JOBS_AN_AGENT = 100_000, 10  # at least
TURNS = 2
OTHERS = (10_000, 20_000)  # agents, jobs


class Cost(msgspec.Struct, frozen=True):
    """Of one market, from its population to its indexed trace. `memory`: the process's highest, in MB."""

    postings: int
    cpu_s: float
    wall_s: float
    memory: float


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADCOUNT_HOME"] = scratch
        turns = [
            [_alone(agents, max(JOBS, JOBS_AN_AGENT * agents), "scored") for agents in SIZES] for _ in range(TURNS)
        ]
        costs = [_least(*same) for same in zip(*turns, strict=True)]
        for agents, cost in zip(SIZES, costs, strict=True):
            yield from _figures(f"scored, {agents:,} agents", cost, costs[0])
        scored = _alone(*OTHERS, "scored")
        for mechanism in MECHANISMS:
            if mechanism != "scored":
                yield from _figures(f"{mechanism}, {OTHERS[0]:,} agents", _alone(*OTHERS, mechanism), scored)


def _least(*costs: Cost) -> Cost:
    """What the same market cost where nothing stood in its way."""
    cpu_s, wall_s = min(cost.cpu_s for cost in costs), min(cost.wall_s for cost in costs)
    return Cost(costs[0].postings, cpu_s, wall_s, max(cost.memory for cost in costs))


def _figures(name: str, cost: Cost, peer: Cost) -> Iterator[Figure]:
    for what in ("cpu_s", "wall_s"):
        mine, its = (1e6 * getattr(c, what) / c.postings for c in (cost, peer))
        yield Figure(f"{name}: {what[:-2]} a posting", mine, "us", its)
    yield Figure(f"{name}: memory", cost.memory, "MB", peer.memory)


def _alone(agents: int, jobs: int, mechanism: str) -> Cost:
    """Measured in a fresh process, whose memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_cost, (agents, jobs, mechanism))


def _cost(agents: int, jobs: int, mechanism: str) -> Cost:
    from experiments.market import recording
    from experiments.market.population import Setting

    recording.simulate(Setting(100, 500, mechanism))  # imports, and the store's first use
    cpu, wall = time.process_time(), time.perf_counter()
    found = recording.simulate(Setting(agents, jobs, mechanism))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return Cost(found.summary.calls, cpu, wall, memory)


if __name__ == "__main__":
    main(measure, "The market at scale.")
