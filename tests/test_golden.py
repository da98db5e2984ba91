"""Golden traces: one run of each team, step by step. They change only where a change of behaviour was meant; then
`HEADCOUNT_GOLDEN=write make test` writes them anew, and the difference belongs into the review."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents import table
from experiments.plan import Plan, trials
from experiments.reading.steps import headline
from experiments.running.trial import Bench, run_trial
from traces.clock import run
from traces.kernel import Chat
from traces.recorder import Recorder

CASE = "first_month"


@pytest.mark.parametrize("team", table.TEAMS)
def test_a_run_is_as_it_was(team: str) -> None:
    plan = Plan("billing_support", (team,), model="sim:small", cases=(CASE,), trials=1, seed=3)
    bench = Bench(plan)
    (trial,) = trials(plan, bench.scenario)

    async def main() -> Recorder:
        recorder = Recorder(0, keep=True)
        await run_trial(trial, bench, recorder)
        return recorder

    lines = [_line(record) for record in run(main(), virtual=True).records]
    golden = Path(__file__).with_name(f"golden_{team}.txt")
    if os.environ.get("HEADCOUNT_GOLDEN") == "write":
        golden.write_text("\n".join(lines) + "\n")
    assert lines == golden.read_text().splitlines()


def _line(record: object) -> str:
    event = record.event  # type: ignore[attr-defined]
    cost = f" {event.usage.cost_nano_usd} n$" if isinstance(event, Chat) else ""
    return f"{record.seq:3d} {record.t:9.3f}{cost} {headline(record)}"  # type: ignore[attr-defined, arg-type]
