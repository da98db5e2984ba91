"""Frameworks as engines: what goes wrong inside comes out as it was, nothing is lost, and cancelling is quick."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents import table
from agents.engines.bridge import Bridge, Ended
from agents.models.model import Card, Reply, Request
from agents.models.scripted import ScriptedModel
from experiments.judging import frameworks
from experiments.plan import Plan, trials
from experiments.running.conduct import Stopped, conduct, prepare
from experiments.running.trial import Bench, run_trial
from tests.standin import Hang, Standin
from tests.trials import chats, do, events
from traces import clock, home
from traces.errors import ModelError, Unavailable
from traces.kernel import MessageSent, Noted, ToolExecuted
from traces.recorder import Recorder
from traces.store import Store

ENGINES = list(table.ENGINES)
FOREIGN = [name for name in ENGINES if name != "native"]


@pytest.mark.parametrize("engine", FOREIGN)
def test_a_models_failure_comes_out_as_it_was(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: ScriptedModel([ModelError("server gone")]))
    for team in ("solo", "pipeline", "supervisor"):
        ((outcome, recorder),) = do(Plan("market_brief", (team,), (engine,), cases=1, trials=1))
        assert outcome.status == "failed"
        assert "server gone" in events(recorder)[-1].error  # type: ignore[union-attr]
        assert [chat.error for chat in chats(recorder)] == ["server gone"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_of_a_tool_that_is_not_there_is_refused_in_the_trace(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [("no_such_tool", {"x": 1}), "It is done."]
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: ScriptedModel(lines))
    ((_, recorder),) = do(Plan("market_brief", ("solo",), (engine,), cases=1, trials=1))
    refused = [e for e in events(recorder) if isinstance(e, ToolExecuted)]
    assert [(e.tool, e.ok) for e in refused] == [("no_such_tool", False)]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_model_repeats_or_writes_wrongly_breaks_no_run_off(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own end of what goes in circles does, on every engine alike; arguments that are no object are refused."""
    wrong: list[Any] = [("search", [1, 2])] * 2
    lines = [*wrong, *[("search", {"query": "refund"})] * 7, "Nothing was credited.", {"ok": True, "problems": []}]
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: ScriptedModel(lines))
    ((outcome, recorder),) = do(Plan("billing_support", ("solo",), (engine,), cases=1, trials=1))
    assert (outcome.status, outcome.ended_by) == ("limited", "in_circles: 5 of 5"), outcome
    assert [e.ok for e in events(recorder) if isinstance(e, ToolExecuted)][:4] == [False, False, True, True]


@pytest.mark.parametrize("engine", FOREIGN)
def test_the_policy_holds_on_every_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    note = ("create_credit_note", {"invoice_id": "INV-2610", "amount": 999999, "reason": "goodwill"})
    fine = {"ok": True, "problems": []}
    lines = [note, fine, "Done.", fine]
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: ScriptedModel(lines))
    ((_, recorder),) = do(Plan("billing_support", ("solo",), (engine,), cases=1, trials=1))
    (call,) = [e for e in events(recorder) if isinstance(e, ToolExecuted)]
    assert not call.ok
    assert "999999" not in str([e for e in events(recorder) if type(e).__name__ == "EffectIntended"])


def test_crewai_counts_the_same_tokens_as_the_meter() -> None:
    """But for the second look before an outside effect: that is ours, beneath CrewAI's tools."""
    for team in ("solo", "pipeline", "supervisor"):
        for outcome, recorder in do(Plan("billing_support", (team,), ("crewai",), cases=3, trials=1)):
            (usage,) = [e for e in events(recorder) if isinstance(e, Noted) and e.kind == "usage"]
            turns = [chat.usage.tokens for chat in chats(recorder) if chat.purpose == "act"]
            assert usage.text == f"CrewAI counted {sum(turns):,} tokens in {len(turns):,} calls"
            assert outcome.calls - len(turns) == sum(chat.purpose == "check" for chat in chats(recorder))


def test_autogen_counts_the_same_tokens_as_the_meter_in_its_agents_turns() -> None:
    """AutoGen reports usage with each agent's message; what it asks besides (who speaks next) it reports nowhere, and
    what our scripted roles ask is theirs: both are in the meter alone."""
    for team in ("pipeline", "graph", "swarm"):
        for outcome, recorder in do(Plan("billing_support", (team,), ("autogen",), cases=3, trials=1)):
            (usage,) = [e for e in events(recorder) if isinstance(e, Noted) and e.kind == "usage"]
            assert usage.text == f"AutoGen counted {outcome.tokens:,} tokens"


def test_every_message_of_a_group_chat_is_in_the_trace_once() -> None:
    ((outcome, recorder),) = do(
        Plan("billing_support", ("supervisor",), ("autogen",), model="sim:oracle", cases=("first_month",), trials=1)
    )
    said = [e.message.content for e in events(recorder) if isinstance(e, MessageSent)]
    assert len(said) == outcome.messages
    picked = [e.text for e in events(recorder) if isinstance(e, Noted) and e.kind == "select"]
    speakers = [e.message.sender for e in events(recorder) if isinstance(e, MessageSent)]
    assert picked == speakers


class _Slow:
    """A model that takes an hour."""

    card = Card("slow", simulated=False)

    def __init__(self, asking: asyncio.Event) -> None:
        self._asking = asking

    async def chat(self, request: Request) -> Reply:
        self._asking.set()
        await asyncio.sleep(3600)
        raise AssertionError


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cancelled_run_ends_at_once(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = asyncio.Event()
    monkeypatch.setattr(Bench, "model_for", lambda self, case, seed, trial: _Slow(asking))
    bench = Bench(Plan("market_brief", ("pipeline",), (engine,), cases=1, trials=1))
    (trial,) = trials(bench.plan, bench.scenario)

    async def main() -> list[str]:
        recorder = Recorder(0, keep=True)
        task = asyncio.create_task(run_trial(trial, bench, recorder))
        await asking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)
        return [type(event).__name__ for event in events(recorder)]

    recorded = clock.run(main(), virtual=False)
    assert recorded[0] == "RunStarted"
    assert "RunFinished" not in recorded


@pytest.mark.parametrize("engine", ENGINES)
def test_stopping_while_a_server_hangs_keeps_whole_events(engine: str) -> None:
    with Standin([Hang()]) as server:
        plan = Plan("market_brief", ("pipeline",), (engine,), "openai/standin", server.url, cases=2, trials=1)
        folder = prepare(plan)
        with pytest.raises(Stopped, match="stopped after 0 of 2 runs"):
            conduct(folder, lambda progress: folder.request_stop() if len(server.requests) == 2 else None)
    assert home.state(folder, time.time()) == "stopped"
    assert [run.status for run in Store().runs(folder.id)] == ["interrupted"] * 2


def test_a_bridge_gives_results_and_errors_both_ways() -> None:
    async def double(x: int) -> int:
        await asyncio.sleep(x)
        if x > 2:
            raise ModelError("too much")
        return 2 * x

    async def main() -> tuple[int, float]:
        failing, bridge = Bridge(), Bridge()
        with pytest.raises(ModelError, match="too much"):
            await failing.run(lambda: failing.do(double(3)))
        found = await bridge.run(lambda: bridge.do(double(1)) + bridge.do(double(2)))
        over = double(1)
        with pytest.raises(Ended):
            bridge.do(over)
        return found, asyncio.get_running_loop().time()

    assert clock.run(main(), virtual=True) == (6, 6.0)


def test_what_the_framework_costs_is_said_of_each_engine() -> None:
    plan = Plan("billing_support", ("pipeline",), tuple(ENGINES), cases=3, trials=1)
    found = frameworks.compare([outcome for outcome, _ in do(plan)])
    assert [(f.team, f.engine) for f in found] == [("pipeline", "autogen"), ("pipeline", "crewai")]
    for framework in found:
        assert framework.tokens == pytest.approx(framework.calls * framework.tokens_per_call)
        assert "against native" in frameworks.in_words(framework)


@pytest.mark.parametrize(("engine", "package"), [("autogen", "autogen_agentchat"), ("crewai", "crewai")])
def test_without_the_package_only_its_engine_is_missing(
    engine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=f"pip install {package.replace('_', '-')}=="):
        table.engine(engine)().offers("solo")
    assert table.engine("native")().offers("solo") == ""


def test_frameworks_write_nothing_into_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "headcount", "compare", "market_brief", "--teams", "solo,pipeline"]
    command += ["--engines", "autogen,crewai", "--cases", "1", "--trials", "1", "--json"]
    environment = {**os.environ, "HOME": str(home), "HEADCOUNT_HOME": str(tmp_path / "runs")}
    done = subprocess.run(command, env=environment, capture_output=True, cwd=Path(__file__).parent.parent, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert list(home.rglob("*")) == []
