"""A person's waiting time is neither the team's latency nor what its budget of seconds is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest

from experiments.judging.judged import verdict_on
from experiments.plan import Plan
from experiments.running import trial as trials_of
from tests.trials import do, events
from tools.policy import Ask, Decision
from tools.waiting import Waiting
from traces.clock import run
from traces.kernel import Budget, RunFinished

CREDIT = "sla_enterprise"


@dataclass
class Slow:
    """A person who takes their time."""

    seconds: float

    async def decide(self, ask: Ask, reason: str) -> Decision:
        await asyncio.sleep(self.seconds)
        return Decision(True, "Ada", "fine")


def _finished(monkeypatch: pytest.MonkeyPatch, seconds: float, team: str = "solo", **more: Budget) -> RunFinished:
    monkeypatch.setattr(trials_of, "_approver", lambda bench: Slow(seconds))
    ((_, recorder),) = do(Plan("billing_support", (team,), model="sim:oracle", cases=(CREDIT,), trials=1, **more))
    last = events(recorder)[-1]
    assert isinstance(last, RunFinished)
    return last


@pytest.mark.parametrize("team", ["solo", "supervisor"])
def test_a_run_with_a_slow_person_has_the_latency_of_one_with_a_quick_one(
    monkeypatch: pytest.MonkeyPatch, team: str
) -> None:
    quick, slow = _finished(monkeypatch, 0, team), _finished(monkeypatch, 3600, team)
    assert quick.waited_s == 0
    assert slow.waited_s == pytest.approx(3600)
    assert slow.latency_s == pytest.approx(quick.latency_s)


def test_the_budget_of_seconds_goes_on_when_the_person_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = _finished(monkeypatch, 0).latency_s
    assert _finished(monkeypatch, 3600, budget=Budget(seconds=needs + 1)).status == "completed"
    assert _finished(monkeypatch, 3600, budget=Budget(seconds=needs - 1)).ended_by.startswith("budget: seconds")


def test_the_verdict_has_the_waiting_beside_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials_of, "_approver", lambda bench: Slow(3600))
    plan = Plan("billing_support", ("solo", "pipeline"), model="sim:oracle", cases=(CREDIT,), trials=1)
    reason = verdict_on({}, [outcome for outcome, _ in do(plan)]).reason
    assert (
        "Not in the time is the waiting for a person: 60.0 min per run of solo, 60.0 min per run of pipeline." in reason
    )


Part = Callable[[Waiting], Coroutine[None, None, None]]


async def _asks(waiting: Waiting) -> None:
    with waiting.asking():
        await asyncio.sleep(10)


async def _works(waiting: Waiting) -> None:
    await asyncio.sleep(2)
    with waiting.working():
        await asyncio.sleep(3)


@pytest.mark.parametrize(
    ("parts", "waited"), [((_asks,), 10), ((_works,), 0), ((_asks, _asks), 10), ((_asks, _works), 7)]
)
def test_waited_is_when_nobody_works(parts: tuple[Part, ...], waited: float) -> None:
    async def together() -> float:
        waiting = Waiting()
        await asyncio.gather(*(part(waiting) for part in parts))
        await asyncio.sleep(5)
        return waiting.seconds

    assert run(together(), virtual=True) == pytest.approx(waited)
