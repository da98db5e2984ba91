"""Verifying: a run done again from its record gives the same events; what was changed since is found at its step."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.models.simulated.model import SimulatedModel
from experiments.forks.differing import Verified
from experiments.forks.verify import verify
from experiments.plan import Plan, trials
from experiments.running import left, worker
from experiments.running.conduct import prepare
from experiments.running.trial import Bench
from tasks import scenario as scenarios
from tests.standin import Standin, call, text
from tests.test_resume import PAIRS
from traces.committed import committed
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.journal import Journal
from traces.kernel import Chat, Evaluated, ToolExecuted


def _experiment(plan: Plan) -> ExperimentFolder:
    """An experiment, done in this process."""
    folder = prepare(plan)
    with Journal(folder.journal_file()) as journal:
        worker.do(plan, trials(plan, Bench(plan).scenario), folder.path, journal, lambda done: None)
    return folder


async def _asked(*_: Any) -> None:
    raise AssertionError("a model was asked")


@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_every_team_verifies_without_a_model(engine: str, team: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _experiment(Plan("market_brief", (team,), (engine,), model="sim:small", cases=1, trials=1, seed=5))
    monkeypatch.setattr(SimulatedModel, "chat", _asked)
    assert [one for one in verify(folder) if not one.same] == []


def test_a_run_that_was_cut_off_verifies_as_far_as_it_came() -> None:
    folder = _experiment(Plan("market_brief", ("supervisor",), model="sim:small", cases=1, trials=1))
    lines = folder.journal_file().read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines), 9):
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        assert [(one.same, one.steps) for one in verify(folder)] == [(True, cut)]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    copy = tmp_path / "job"
    shutil.copytree(scenarios.SHIPPED / "billing_support", copy)
    return copy


def _changed(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def _step(folder: ExperimentFolder, kind: type, **fields: str) -> int:
    """The first step of a kind."""
    (run,) = committed(folder.journals())
    return next(
        r.seq
        for r in run.records
        if isinstance(r.event, kind) and all(getattr(r.event, name) == value for name, value in fields.items())
    )


def _one(folder: ExperimentFolder) -> Verified:
    (verified,) = verify(folder)
    return verified


def _oracle(job: Path) -> ExperimentFolder:
    return _experiment(Plan(str(job), ("supervisor",), model="sim:oracle", cases=("first_month",), trials=1))


def test_a_changed_prompt_is_found_at_its_step(job: Path) -> None:
    folder = _oracle(job)
    goal = re.search(r"^goal: (.+)$", (job / "scenario.yaml").read_text(), re.MULTILINE)
    assert goal is not None
    _changed(job / "scenario.yaml", goal[0], "goal: Be brief.")
    found = _one(folder)
    assert found.step == _step(folder, Chat)
    assert "message 0 of the prompt (system)" in found.where
    assert "Be brief." in found.where


def test_a_changed_tool_is_found_at_its_step(job: Path) -> None:
    folder = _oracle(job)
    _changed(job / "tools.py", 'return f"created {note}: ', 'return f"made {note}: ')
    found = _one(folder)
    assert found.step == _step(folder, ToolExecuted, tool="create_credit_note")
    assert "result was 'created CN" in found.where


def test_a_changed_grader_is_found_at_its_step(job: Path) -> None:
    folder = _oracle(job)
    case = job / "cases" / "first_month.yaml"
    case.write_text(case.read_text() + "  - {grader: mentions, all: [unheard of]}\n")
    found = _one(folder)
    assert found.step == _step(folder, Evaluated)
    assert "graded: failure" in found.now


def test_the_command_tells_and_ends_with_a_code(job: Path) -> None:
    folder = _oracle(job)
    command = [sys.executable, "-m", "headcount", "verify", folder.id]
    good = subprocess.run([*command, "0", "--json"], capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert [run["run"] for run in json.loads(good.stdout)] == [0]
    _changed(job / "tools.py", 'return f"created {note}: ', 'return f"made {note}: ')
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "differs at step" in bad.stdout
    with pytest.raises(InputError, match="has no run 7"):
        list(verify(folder, 7))


# --- real models -----------------------------------------------------------------------------------------------------

SCRIPT = [
    call("query_database", json.dumps({"sql": "SELECT count(*) FROM invoices"})),
    call("query_database", json.dumps({"sql": "SELECT count(*) FROM accounts"})),
    text("There are some."),
    text('{"ok": true, "problems": []}'),
]


def test_a_real_run_resumes_without_a_repeated_call_and_verifies_without_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Standin(SCRIPT) as server:
        plan = Plan("billing_support", ("solo",), model="openai/standin", api_base=server.url, cases=1, trials=1)
        folder = _experiment(plan)
        whole = len(server.requests)
    assert _one(folder).same
    (first,) = committed(folder.journals())
    answer = first.records[-1].event.answer  # type: ignore[union-attr]
    lines = folder.journal_file().read_bytes().splitlines(keepends=True)
    for cut in range(2, len(lines), 5):
        made = sum(b'"type":"chat"' in line for line in lines[:cut])
        with Standin(SCRIPT[made:] or SCRIPT[-1:]) as server:
            again = prepare(plan)
            again.journal_file().write_bytes(b"".join(lines[:cut]))
            moved = Plan("billing_support", ("solo",), model="openai/standin", api_base=server.url, cases=1, trials=1)
            with Journal(again.journal_file()) as journal:
                todo, starts = left.left(trials(moved, Bench(moved).scenario), again)
                worker.do(moved, todo, again.path, journal, lambda done: None, starts)
            assert len(server.requests) == whole - made
        (run,) = committed(again.journals())
        assert run.lines[:cut] == first.lines[:cut]
        assert run.records[-1].event.answer == answer  # type: ignore[union-attr]
        assert [r.t for r in run.records] == sorted(r.t for r in run.records)
        assert _one(again).same
