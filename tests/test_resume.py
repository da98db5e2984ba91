"""Resuming: what was recorded is never done again, and the end is that of an experiment that nothing interrupted."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from agents import table
from agents.models.model import Reply, Request
from agents.models.simulated.model import SimulatedModel
from experiments.plan import Plan, Trial
from experiments.plan import trials as trials_of
from experiments.running import launch, left, worker
from experiments.running.conduct import Stopped, conduct, prepare
from experiments.running.rerun import Start
from experiments.running.resume import resume
from experiments.running.trial import Bench
from tasks import scenario as scenarios
from traces import home, journal
from traces.committed import committed
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.journal import Journal
from traces.store import Store

CUTS = 4  # of each kind of run; benchmarks/resume.py cuts at every event
PAIRS = [
    (engine, team)
    for engine in table.ENGINES
    for team in [*table.TEAMS, *table.ELSEWHERE]
    if not table.engine(engine)().offers(team)
]


class Counted:
    """How often the simulated models were asked, by agent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        chat = SimulatedModel.chat

        async def counted(model: SimulatedModel, request: Request) -> Reply:
            self.asked[request.agent] += 1
            return await chat(model, request)

        monkeypatch.setattr(SimulatedModel, "chat", counted)


def _do(plan: Plan, folder: ExperimentFolder, todo: Sequence[Trial], starts: dict[int, Start]) -> list[worker.Done]:
    done: list[worker.Done] = []
    with Journal(folder.journal_file()) as log:
        worker.do(plan, todo, folder.path, log, done.append, starts)
    return done


def _cli(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headcount", *arguments], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_a_run_that_was_cut_anywhere_ends_as_if_it_had_not_been(
    engine: str, team: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan("billing_support", (team,), (engine,), model="sim:small", cases=("first_month",), trials=1, seed=3)
    bench = Bench(plan)
    monkeypatch.setattr(worker, "Bench", lambda plan, folder, share: bench)
    todo = trials_of(plan, bench.scenario)
    whole = ExperimentFolder(tmp_path / "whole").create()
    (first,) = _do(plan, whole, todo, {})
    lines = whole.journal_file().read_bytes().splitlines(keepends=True)
    counted = Counted(monkeypatch)
    for cut in random.Random(f"{engine} {team}").sample(range(1, len(lines)), CUTS):
        folder = ExperimentFolder(tmp_path / f"cut-{cut}").create()
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        before = sum(b'"type":"chat"' in line for line in lines[:cut])
        counted.asked.clear()
        (again,) = _do(plan, folder, *left.left(todo, folder))
        assert again.digest == first.digest
        assert sum(counted.asked.values()) <= sum(b'"type":"chat"' in line for line in lines) - before
        events = [line for path in folder.journals() for line, _ in journal.lines(path)]
        assert len(events) == len(lines)
        ((_, digest),) = left.over(folder)
        assert digest == first.digest


def _later(line: bytes) -> bytes:
    """A journal's line as a machine would have written it whose clock is an hour ahead."""
    before, key, rest = line.partition(b',"wall":')
    wall, comma, event = rest.partition(b",")
    body = before + key + b"%.6f" % (float(wall) + 3600) + comma + event[: event.rindex(b',"crc":')]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def test_a_run_goes_on_in_another_journal_though_the_clock_where_it_began_was_ahead(tmp_path: Path) -> None:
    plan = Plan("market_brief", ("solo",), cases=1, trials=1)
    todo = trials_of(plan, Bench(plan).scenario)
    folder = ExperimentFolder(tmp_path / "e").create()
    (first,) = _do(plan, folder, todo, {})
    lines = folder.journal_file().read_bytes().splitlines(keepends=True)
    folder.journal_file().unlink()
    folder.journal_file(1).write_bytes(b"".join(map(_later, lines[: len(lines) // 2])))
    (again,) = _do(plan, folder, *left.left(todo, folder))
    assert len(folder.journals()) == 2
    assert [digest for _, digest in left.over(folder)] == [again.digest] == [first.digest]


def test_a_killed_experiment_is_resumed_to_the_same_end() -> None:
    plan = Plan("market_brief", teams=("solo",), cases=6, trials=20, workers=2)
    unbroken = prepare(plan)
    whole = conduct(unbroken)
    folder = home.find_experiment(launch.start(plan))
    deadline = time.monotonic() + 60
    while (status := folder.read_status()) is None or sum(path.stat().st_size for path in folder.journals()) < 50_000:
        assert time.monotonic() < deadline, folder.log_file.read_text()
        time.sleep(0.002)
    coordinator = psutil.Process(status.pid)
    workers = coordinator.children(recursive=True)
    for process in (coordinator, *workers):
        process.kill()
    psutil.wait_procs([coordinator, *workers], timeout=20)
    assert home.state(folder, time.time()) == "interrupted"
    held = {run.number: run.lines for run in committed(folder.journals())}
    assert resume(folder).digest == whole.digest
    assert home.state(folder, time.time()) == "finished"
    for run in committed(folder.journals()):
        old = held.get(run.number, [])
        assert run.lines[: len(old)] == old
    rows = [[(r.run, r.status, r.success, r.tokens, r.answer) for r in Store().runs(f.id)] for f in (folder, unbroken)]
    assert rows[0] == rows[1]


def test_what_is_over_is_not_done_again() -> None:
    folder = prepare(Plan("market_brief", teams=("solo",), cases=2, trials=1, workers=1))
    digest = conduct(folder).digest
    journals = {path: path.read_bytes() for path in folder.journals()}
    assert json.loads(_cli("resume", folder.id, "--json"))["digest"] == digest
    assert {path: path.read_bytes() for path in folder.journals()} == journals


def test_a_stopped_experiment_goes_on() -> None:
    plan = Plan("market_brief", teams=("solo",), cases=10, trials=15, workers=1)
    folder = prepare(plan)
    with pytest.raises(Stopped):
        conduct(folder, lambda progress: folder.request_stop())
    progress = resume(folder)
    assert progress.done == 150
    assert {outcome.run for outcome in progress.outcomes} == set(range(150))


def test_changed_files_of_the_scenario_are_no_ground_to_go_on_from(tmp_path: Path) -> None:
    copy = tmp_path / "job"
    shutil.copytree(scenarios.SHIPPED / "market_brief", copy)
    folder = prepare(Plan(str(copy), teams=("solo",), cases=1, trials=1))
    conduct(folder)
    with (copy / "scenario.yaml").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(InputError, match="files of the scenario have changed since"):
        resume(folder)


# --- outside effects -------------------------------------------------------------------------------------------------

DESK = """
from tools.tool import Effect, effect_key, tool
from pathlib import Path

SENT = Path({sent!r})


def known(world, key):
    lines = SENT.read_text().splitlines() if SENT.exists() else []
    return next((line.partition(" ")[2] for line in lines if line.startswith(key)), None)


@tool(effect=Effect.OUTSIDE, latency_s=0.2{done})
def send_mail(world, to: str) -> str:
    \"\"\"Send a mail.\"\"\"
    number = world.db.execute("SELECT count(*) FROM mails").fetchone()[0] + 1
    world.db.execute("INSERT INTO mails VALUES (?, ?)", [number, to])
    with SENT.open("a") as file:
        file.write(f"{{effect_key.get()}} sent mail {{number}} to {{to}}\\n")
    return f"sent mail {{number}} to {{to}}"
"""


def _desk(folder: Path, sent: Path, *, knows: bool) -> Path:
    """A scenario with a tool that reaches outside: two mails, the second after the first."""
    (folder / "cases").mkdir(parents=True)
    (folder / "tools.py").write_text(DESK.format(sent=str(sent), done=", done=known" if knows else ""))
    (folder / "world.sql").write_text("CREATE TABLE mails (number INTEGER, receiver TEXT);\n")
    (folder / "scenario.yaml").write_text(
        "title: Desk\nstory: Mails are sent.\ngoal: Send them.\ndatabase: world.sql\n"
        "roles: {coder: {tools: [send_mail, query_database]}}\n"
        "policies: [{tool: send_mail, decision: allow, untrusted: true}]\n"
    )
    steps = [
        f"{{id: s{n}, tool: send_mail, args: {{to: '{who}'}}, "
        f"facts: {{m{n}: {{value: 'mail {n}', pattern: '(mail [0-9]+) to'}}}}}}"
        for n, who in ((1, "ann"), (2, "bob"))
    ]
    (folder / "cases" / "two.yaml").write_text(
        "title: Two mails\nrequest: Write to ann and to bob.\nanswer: 'Sent {m1} and {m2}.'\n"
        f"plan:\n  - {{id: send, goal: Send both, role: coder, steps: [{', '.join(steps)}]}}\n"
        "expect:\n  - {grader: database, sql: SELECT count(*) FROM mails, equals: [[2]]}\n"
    )
    return folder


@pytest.mark.parametrize("knows", [True, False])
def test_an_outside_effect_is_never_made_twice(knows: bool, tmp_path: Path) -> None:
    sent = tmp_path / "sent.txt"
    plan = Plan(str(_desk(tmp_path / "desk", sent, knows=knows)), ("solo",), model="sim:oracle", trials=1)
    bench = Bench(plan)
    todo = trials_of(plan, bench.scenario)
    whole = ExperimentFolder(tmp_path / "whole").create()
    (first,) = _do(plan, whole, todo, {})
    assert first.outcome.success
    mails = sent.read_text().splitlines()
    assert [line.partition(" ")[2] for line in mails] == ["sent mail 1 to ann", "sent mail 2 to bob"]
    lines = whole.journal_file().read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines)):
        folder = ExperimentFolder(tmp_path / f"cut-{cut}").create()
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        made = sum(b"effect_intended" in line for line in lines[:cut])
        in_doubt = b"effect_intended" in lines[cut - 1]
        sent.write_text("".join(f"{line}\n" for line in mails[:made]))  # the crash came after the effect
        (again,) = _do(plan, folder, *left.left(todo, folder))
        assert len({line.split()[0] for line in sent.read_text().splitlines()}) == len(sent.read_text().splitlines())
        if in_doubt and not knows:
            assert any(b"it was not done again" in path.read_bytes() for path in folder.journals())
        elif not in_doubt:
            assert sent.read_text().splitlines() == mails
            assert again.digest == first.digest
