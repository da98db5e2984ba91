"""A run of every team on every engine, cut off after each of its events and resumed: the same end, no recorded model
call made again, no event written twice.

.venv/bin/python -m benchmarks.resume        (about a minute of CPU; simulated)
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from agents import table
from agents.models.model import Reply, Request
from agents.models.simulated.model import SimulatedModel
from experiments.plan import Plan, Trial, trials
from experiments.running import left, worker
from experiments.running.trial import Bench
from traces.home import ExperimentFolder
from traces.journal import Journal

_chat = SimulatedModel.chat
asked = 0


async def _counted(model: SimulatedModel, request: Request) -> Reply:
    global asked
    asked += 1
    return await _chat(model, request)


def main() -> None:
    logging.disable(logging.INFO)  # AutoGen tells of every message
    setattr(SimulatedModel, "chat", _counted)  # noqa: B010
    print("team        engine    cuts  same end  calls repeated  events twice")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADCOUNT_HOME"] = scratch
        for engine in table.ENGINES:
            for team in (*table.TEAMS, *table.ELSEWHERE):
                if not table.engine(engine)().offers(team):
                    _campaign(team, engine, Path(scratch) / f"{engine}-{team}")


def _campaign(team: str, engine: str, scratch: Path) -> None:
    global asked
    plan = Plan("billing_support", (team,), (engine,), model="sim:small", cases=("first_month",), trials=1, seed=3)
    bench = Bench(plan)
    setattr(worker, "Bench", lambda plan, folder, share: bench)  # noqa: B010  # loaded once
    todo = trials(plan, bench.scenario)
    whole = ExperimentFolder(scratch / "whole").create()
    asked = 0
    digest, lines = _do(plan, todo, whole)
    calls, same, repeated, twice = asked, 0, 0, 0
    for cut in range(1, len(lines)):
        folder = ExperimentFolder(scratch / f"cut-{cut}").create()
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        asked = 0
        again, written = _do(plan, todo, folder)
        recorded = sum(b'"type":"chat"' in line for line in lines[:cut])
        same += again == digest
        repeated += max(0, asked - (calls - recorded))
        twice += len(written) - len(lines)
    print(f"{team:<11} {engine:<8} {len(lines) - 1:5d} {same:9d} {repeated:15d} {twice:13d}", flush=True)


def _do(plan: Plan, todo: list[Trial], folder: ExperimentFolder) -> tuple[str, list[bytes]]:
    """Do what is left; the digest of the run, and the lines of its journal."""
    done: list[worker.Done] = []
    rest, starts = left.left(todo, folder)
    with Journal(folder.journal_file()) as journal:
        worker.do(plan, rest, folder.path, journal, done.append, starts)
    return done[0].digest, folder.journal_file().read_bytes().splitlines(keepends=True)


if __name__ == "__main__":
    main()
