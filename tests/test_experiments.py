"""Experiments: planned, run in worker processes, stopped, killed, compared; and the command line over them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments import plan as plans
from experiments.plan import Plan
from experiments.running import launch
from experiments.running.conduct import Stopped, conduct, prepare
from tasks import scenario as scenarios
from traces import home
from traces.errors import InputError
from traces.kernel import Budget
from traces.store import Store

HEADCOUNT = [sys.executable, "-m", "headcount"]


def _cli(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([*HEADCOUNT, *arguments], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_workers_do_not_change_what_comes_out() -> None:
    digests = []
    for workers in (1, 2):
        folder = prepare(Plan("market_brief", cases=4, trials=2, workers=workers))
        progress = conduct(folder)
        assert progress.done == 4 * 2 * 3
        assert home.state(folder, time.time()) == "finished"
        digests.append(progress.digest)
    assert digests[0] == digests[1]


def test_the_store_has_what_the_experiment_did() -> None:
    folder = prepare(Plan("market_brief", teams=("solo", "market"), cases=3, trials=1))
    progress = conduct(folder)
    rows = Store().team_rows(folder.id)
    assert {(r.run, r.success, r.tokens, r.messages) for r in rows} == {
        (o.run, o.success, o.tokens, o.messages) for o in progress.outcomes
    }


def test_stopping_keeps_what_was_done() -> None:
    folder = prepare(Plan("market_brief", trials=400, workers=1))
    with pytest.raises(Stopped, match=r"stopped after \d+ of 26400 runs"):
        conduct(folder, lambda progress: folder.request_stop() if progress.done > 5 else None)
    assert home.state(folder, time.time()) == "stopped"
    rows = Store().runs(folder.id)
    assert len(rows) > 5
    assert all(r.status in ("completed", "limited", "interrupted") for r in rows)


def test_a_killed_experiment_is_interrupted_and_its_runs_are_there() -> None:
    experiment = launch.start(Plan("market_brief", trials=1000, workers=2))
    folder = home.find_experiment(experiment)
    deadline = time.monotonic() + 60
    while (status := folder.read_status()) is None or status.done < 20:
        assert time.monotonic() < deadline, folder.log_file.read_text()
        time.sleep(0.05)
    coordinator = psutil.Process(status.pid)
    workers = coordinator.children(recursive=True)
    coordinator.send_signal(signal.SIGKILL)
    psutil.wait_procs(workers, timeout=20)
    assert not [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]
    assert home.state(folder, time.time()) == "interrupted"
    rows = Store().runs(experiment)
    finished = [r for r in rows if r.success is not None]
    assert len(finished) >= 20
    assert all(r.status == "interrupted" for r in rows if r.success is None)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan("no_such"), "no scenario 'no_such'.*market_brief"),
        (Plan("market_brief", teams=("orchestra",)), "no team 'orchestra'.*solo, supervisor, market, pipeline, graph"),
        (Plan("market_brief", engines=("steam",)), "no engine 'steam'"),
        (Plan("market_brief", model="sim:huge"), "no simulated model 'huge'.*large, medium, oracle, small"),
        (Plan("market_brief", model="gpt"), "no model 'gpt'.*docs/models.md"),
        (Plan("market_brief", trials=0), "--trials"),
        (Plan("market_brief", cases=0), "--cases"),
        (Plan("market_brief", cases=("nope",)), "has no case 'nope'"),
        (Plan("market_brief", teams=()), "--teams"),
        (Plan("market_brief", budget=Budget(tokens=0)), "--max-tokens: 0 leaves nothing"),
        (Plan("market_brief", total=Budget(cost_usd=-1)), "--total-cost: -1 leaves nothing"),
        (Plan("market_brief", model="local", budget=Budget(cost_usd=1)), "price of local is unknown"),
    ],
)
def test_a_wrong_plan_is_refused_and_leaves_nothing(plan: Plan, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(plan)
    assert home.list_experiments() == []


def test_the_command_line_of_a_plan_gives_that_plan() -> None:
    plan = Plan(
        "market_brief", ("solo", "market"), model="sim:small", cases=2, trials=1, seed=9, budget=Budget(tokens=9000)
    )
    words = plans.command_line(plan).split()
    assert words[:3] == ["headcount", "compare", "market_brief"]
    result = json.loads(_cli(*words[1:], "--json"))
    assert conduct(prepare(plan)).digest == result["digest"]


def test_compare_prints_what_it_promises() -> None:
    result = json.loads(_cli("compare", "market_brief", "--cases", "2", "--trials", "1", "--json"))
    assert {"experiment", "digest", "verdict", "teams"} <= result.keys()
    assert [team["team"] for team in result["teams"]] == ["solo", "supervisor", "market"]
    keys = [
        "team",
        "engine",
        "model",
        "trials",
        "success",
        "ci_low",
        "ci_high",
        "tokens",
        "cost_usd",
        "latency_s",
        "messages",
    ]
    assert set(keys) <= result["teams"][0].keys()
    text = _cli("compare", "market_brief", "--cases", "2", "--trials", "1")
    assert "simulated" in text
    assert result["verdict"].split(":")[0] in text


def test_run_list_and_replay_tell_of_one_run() -> None:
    shown = _cli("run", "market_brief", "--team", "market", "--model", "sim:oracle")
    assert "success" in shown
    experiments = json.loads(_cli("list", "--json"))
    assert [row["runs"] for row in experiments] == ["1/1"]
    rows = json.loads(_cli("list", experiments[0]["experiment"], "--json"))
    assert rows[0]["team"] == "market"
    steps = json.loads(_cli("replay", "latest", "0", "--json"))
    assert steps[0]["event"]["type"] == "run_started"
    kinds = [step["event"]["type"] for step in steps]
    assert {"bid", "award", "delivery", "acceptance", "chat", "execute_tool", "message"} <= set(kinds)
    chat = kinds.index("chat")
    full = _cli("replay", "latest", "0", "--step", str(chat))
    assert "--- prompt ---" in full
    assert "(untrusted text)" in full
    assert "has steps 0 to" in _cli("replay", "latest", "0", "--step", "9999", code=2)


@pytest.mark.parametrize("what", ["scenarios", "teams", "models", "experiments"])
def test_lists_are_there_in_text_and_json(what: str) -> None:
    assert _cli("list", what)
    json.loads(_cli("list", what, "--json"))


def test_a_scenario_anywhere_on_disk_is_first_class(tmp_path: Path) -> None:
    copy = tmp_path / "my job"
    shutil.copytree(scenarios.SHIPPED / "market_brief", copy)
    for case in sorted((copy / "cases").glob("*.yaml"))[2:]:
        case.unlink()
    result = json.loads(
        _cli("compare", str(copy), "--teams", "solo", "--trials", "1", "--model", "sim:oracle", "--json")
    )
    assert (result["teams"][0]["trials"], result["teams"][0]["success"]) == (2, 1.0)


def test_errors_are_one_line_with_an_exit_code(tmp_path: Path) -> None:
    assert _cli("compare", "nowhere", code=2).startswith("headcount: no scenario 'nowhere'")
    assert "Traceback" not in _cli("compare", "market_brief", "--model", "gpt-x", code=2)
    copy = tmp_path / "broken"
    shutil.copytree(scenarios.SHIPPED / "market_brief", copy)
    (copy / "scenario.yaml").write_text("title: [unclosed")
    assert "scenario.yaml:" in _cli("compare", str(copy), code=2)
    missing = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    done = subprocess.run(
        [*HEADCOUNT, "run", "market_brief", "--model", "openai/gpt-4o-mini"],
        capture_output=True,
        text=True,
        check=False,
        env=missing,
        timeout=100,
    )
    assert done.returncode != 0
    assert "OPENAI_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_server_is_told_and_ends_with_a_code_of_its_own() -> None:
    dead = ["--model", "hosted_vllm/x", "--api-base", "http://127.0.0.1:9/v1"]
    command = [*HEADCOUNT, "compare", "market_brief", "--teams", "solo", "--cases", "1", "--trials", "1", *dead]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 4
    assert "Nothing was measured: the only run broke off." in done.stdout
    assert "no connection to http://127.0.0.1:9/v1" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    rows = json.loads(_cli("list", "latest", "--json"))
    assert [row["status"] for row in rows] == ["failed"]
