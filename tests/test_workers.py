"""Where runs are done does not change what they give: in this process, in processes, on Ray; with workers that die."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import plan as plans
from experiments.plan import Plan, Trial
from experiments.running import executors_ray, left, totals
from experiments.running.conduct import Progress, Stopped, conduct, moved, prepare
from experiments.running.node import Job, Node, Outbox, packed
from experiments.running.resume import resume
from experiments.running.worker import Done
from experiments.running.workers import WorkerLost
from tasks.scenario import SHIPPED
from tests.cli import said
from tests.killing import Killing
from tests.trials import puzzle
from traces import home, journal
from traces.committed import committed
from traces.errors import InputError, Unavailable
from traces.home import ExperimentFolder
from traces.kernel import Budget, Chat, Record, RunFinished, ToolExecuted
from traces.recorder import encoded
from traces.store import Store

PLAN = Plan("market_brief", teams=("solo", "market"), cases=6, trials=8, workers=1)
RUNS = 6 * 8 * 2


def on(place: str, workers: int) -> Plan:
    return msgspec.structs.replace(PLAN, on=place, workers=workers)


def events(folder: ExperimentFolder) -> list[tuple[int, int, float, object]]:
    store = Store()
    return [
        (r.run, r.seq, r.t, r.event) for run in store.team_rows(folder.id) for r in store.events(folder.id, run.run)
    ]


def stopped(plan: Plan) -> ExperimentFolder:
    """An experiment that was stopped on the way, with runs that were under way."""
    folder = prepare(plan)

    def stop(progress: Progress) -> None:
        if progress.done >= RUNS // 6:
            folder.request_stop()

    with pytest.raises(Stopped):
        conduct(folder, stop)
    folder.stop_file.unlink()
    assert progress_of(folder) < RUNS
    return folder


def progress_of(folder: ExperimentFolder) -> int:
    return sum(1 for _ in left.over(folder))


def unreachable(*arguments: object, **options: object) -> None:
    raise ConnectionError("ray client connection timeout")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What one process gives; filled by the first test that asks."""
    return {}


def check(folder: ExperimentFolder, progress: Progress, expected: dict[str, Any]) -> None:
    if not expected:
        one = prepare(PLAN)
        expected["digest"] = conduct(one).digest
        expected["events"] = events(one)
    assert progress.done == RUNS
    assert progress.digest == expected["digest"]
    assert events(folder) == expected["events"]
    assert home.state(folder, time.time()) == "finished"


def test_one_process_two_and_this_one_give_the_same_though_a_worker_is_killed(
    expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.05)
    for plan in (on("processes", 2), on("here", 2)):
        folder = prepare(plan)
        kill = Killing(3, "experiments.running.worker")
        check(folder, conduct(folder, kill), expected)
        assert kill.left == (0 if plan.on == "processes" else 1)


@pytest.mark.timeout(240)
def test_ray_goes_on_to_the_same_end_to_the_byte_though_a_worker_is_killed(
    expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.05)
    monkeypatch.setattr("experiments.running.executors_ray.POLL_S", 0.05)
    folder = stopped(on("processes", 2))
    kill = Killing(1, "ray::Node")
    check(folder, conduct(folder, kill, moved(folder, "ray", 2)), expected)
    assert kill.left == 0
    assert {journal.place(path)[0] for path in folder.journals()} == {"journal-0", "journal-1"}


def test_what_a_cluster_that_is_gone_began_goes_on_here(
    expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.05)
    folder = stopped(on("processes", 3))
    written = folder.read_plan()
    planned = msgspec.structs.replace(plans.read(folder), on="ray://127.0.0.1:9")
    folder.write_plan({**written, "plan": msgspec.to_builtins(planned)})
    monkeypatch.setattr("ray.init", unreachable)
    code, _, said_ = said(capsys, "resume", folder.id)
    assert code == Unavailable.exit_code
    assert f"headcount resume {folder.id} --on processes" in said_
    assert home.state(folder, time.time()) == "failed"
    assert said(capsys, "resume", folder.id, "--on", "processes", "--workers", "2")[0] == 0
    check(folder, conduct(folder, plan=moved(folder, "here", 1)), expected)
    with pytest.raises(InputError, match="--on: 'moon'"):
        resume(folder, on="moon")


def test_a_node_on_another_machine_gives_the_same_from_what_it_was_sent_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there"))
    (tmp_path / "there").mkdir()
    scenario = shutil.copytree(SHIPPED / "market_brief", tmp_path / "mine")
    (tmp_path / "careful.yaml").write_text("shape: supervisor\nreviewer: null\n")
    plan = Plan(str(scenario), teams=("solo", str(tmp_path / "careful.yaml")), cases=3, trials=1, workers=1)
    folder = prepare(plan)
    kit = packed(folder, plans.read(folder), {})
    expected = {outcome.run: outcome for outcome in conduct(folder).outcomes}
    shutil.rmtree(scenario)
    shutil.rmtree(tmp_path / "home")
    node = Node(kit, msgspec.msgpack.encode(Job(0, list(expected), {}, [])))
    news = node.news(60)
    assert (news.over, news.error) == (True, "")
    found = [done.outcome for done in msgspec.json.decode(news.done, type=list[Done])]
    assert {o.run: msgspec.structs.replace(o, wall_s=0) for o in found} == {
        run: msgspec.structs.replace(o, wall_s=0) for run, o in expected.items()
    }
    assert {msgspec.json.decode(line + b"}")["run"] for line in news.lines} == set(expected)
    node.leave()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_node_goes_on_with_what_is_recorded_of_a_run() -> None:
    """Up to a reply that was other than the model's own would be: it must have been served, and not asked for again."""
    folder = prepare(Plan("market_brief", teams=("solo",), cases=1, trials=1, workers=1, on="here"))
    conduct(folder)
    (run,) = committed(folder.journals())
    records = run.records
    last = next(n for n, record in reversed(list(enumerate(records))) if isinstance(record.event, Chat))
    chat = records[last].event
    assert isinstance(chat, Chat)
    said = msgspec.structs.replace(chat, text=chat.text + " ")
    past = [*run.lines[:last], line_of(msgspec.structs.replace(records[last], event=said))]
    kit = packed(folder, plans.read(folder), {})
    news = Node(kit, msgspec.msgpack.encode(Job(0, [0], {0: past}, []))).news(60)
    assert (news.over, news.error) == (True, "")
    found = [msgspec.json.decode(line + b"}", type=Record) for line in news.lines]
    assert found[0].seq == last + 1  # what stands in a journal is not written again
    assert isinstance(found[-1].event, RunFinished)


def line_of(record: Record) -> bytes:
    body = encoded(record)[:-1]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def test_a_sync_on_a_node_waits_until_the_journal_has_synced_it() -> None:
    hurry, over = threading.Event(), threading.Event()
    outbox = Outbox(hurry)
    outbox.write([b"1", b"2"])
    outbox.write([b"3"])
    assert outbox.taken() == ([b"1", b"2", b"3"], 0)
    outbox.write([b"intent"])

    def sync() -> None:
        outbox.sync()
        over.set()

    threading.Thread(target=sync, daemon=True).start()
    assert hurry.wait(20)
    assert outbox.taken() == ([b"intent"], 3)
    outbox.arrived(2)
    assert outbox.taken() == ([], 3)
    assert not over.wait(0.05)
    outbox.arrived(3)
    assert over.wait(20)
    assert outbox.taken() == ([], 0)


MAILS = """
from traces.kernel import ToolCall

async def mails(work):
    call = ToolCall("c1", "send_mail", '{"to": "ann"}')
    return (await work.toolbox.call("solo", ("send_mail",), call, untrusted=())).text
"""
SENDING = """
import os, signal
from pathlib import Path
from tools.tool import Effect, effect_key, tool

SENT = Path(__file__).with_name("sent.txt")


def known(world, key):
    return "sent before" if SENT.exists() and key in SENT.read_text() else None


@tool(effect=Effect.OUTSIDE, done=known)
def send_mail(world, to: str) -> str:
    \"\"\"Send a mail; the first time, the machine goes away at once.\"\"\"
    first = not SENT.exists()
    with SENT.open("a") as file:
        file.write(effect_key.get() + "\\n")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "sent"
"""


@pytest.mark.timeout(240)
def test_a_node_that_is_lost_in_an_outside_effect_has_told_of_it_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = puzzle(tmp_path / "desk")
    (desk / "tools.py").write_text(SENDING)
    with (desk / "scenario.yaml").open("a") as file:
        file.write("policies: [{tool: send_mail, decision: allow, untrusted: true}]\n")
    (tmp_path / "mails.py").write_text(MAILS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = prepare(Plan(str(desk), ("mails:mails",), model="local", cases=1, trials=1, workers=1, on="ray"))
    (outcome,) = conduct(folder).outcomes
    assert outcome.status == "completed"
    assert len((desk / "sent.txt").read_text().splitlines()) == 1
    (run,) = committed(folder.journals())
    kinds = [type(record.event).__name__ for record in run.records]
    assert kinds.count("EffectIntended") == kinds.count("ToolExecuted") == 1
    assert any(isinstance(e := record.event, ToolExecuted) and e.result == "sent before" for record in run.records)


@pytest.mark.parametrize("there", [True, False])
def test_a_token_is_shown_to_a_cluster_where_there_is_one(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    if there:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").touch()
    executors_ray.take_token()
    assert os.environ.get("RAY_AUTH_MODE") == ("token" if there else None)


def test_a_share_on_which_every_worker_dies_ends_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.02)
    folder = prepare(Plan("market_brief", trials=400, workers=1))
    with pytest.raises(WorkerLost, match="signal 9"):
        conduct(folder, Killing(0, "experiments.running.worker", times=99))
    assert home.state(folder, time.time()) == "failed"


def test_the_budget_of_the_experiment_is_held_over_its_workers_and_can_be_seen() -> None:
    folder = prepare(Plan("market_brief", trials=40, workers=2, total=Budget(tokens=60_000)))
    progress = conduct(folder)
    spent = totals.recorded(folder).tokens
    assert spent >= 60_000
    assert progress.done < progress.total
    assert progress.ended == f"the experiment's budget is spent: {spent:,} of 60,000 tokens"
    assert home.state(folder, time.time()) == "stopped"
    again = conduct(folder)  # there is nothing left to go on with
    assert again.ended


def test_places_that_there_are_not_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--on: 'moon'"):
        prepare(on("moon", 1))
    with pytest.raises(InputError, match="--workers"):
        prepare(on("processes", -1))
    with pytest.raises(InputError, match="--approver"):
        prepare(Plan("market_brief", on="ray", approver="person"))
    monkeypatch.setattr(executors_ray.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install .ray==2.60.0"):
        prepare(on("ray", 1))
    assert home.list_experiments() == []


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(1, 6))
def test_each_run_is_one_workers_and_each_team_is_dealt_evenly(teams: int, cases: int, count: int, of: int) -> None:
    trials = [
        Trial(run, f"team{team}", "native", f"case{case}", trial)
        for run, (trial, case, team) in enumerate(itertools.product(range(count), range(cases), range(teams)))
    ]
    shares = [plans.dealt(trials, share, of) for share in range(of)]
    assert sorted(trial.run for share in shares for trial in share) == list(range(len(trials)))
    if cases % of == 0 or count % of == 0:
        assert {Counter(t.team for t in share).get("team0", 0) for share in shares} == {cases * count // of}
