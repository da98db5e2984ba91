"""Events whose lines are whole and that cannot be read all the same: each costs its run, and nothing else."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli import said

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from traces.home import ExperimentFolder, Status
from traces.journal import Journal
from traces.kernel import BidMade, Chat, Evaluated, Event, MoneyMoved, Noted, ToolExecuted, Usage
from traces.recorder import Recorder, Unwritable
from traces.store import Store

Change = Callable[[dict[str, Any]], object]


def damage(folder: ExperimentFolder, run: int, kind: str, change: Change | bytes) -> None:
    """Change the first event of a kind in a run; the line's checksum fits what it is then."""
    path = folder.journals()[0]
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        data = json.loads(line)
        if data.get("run") == run and data["event"]["type"] == kind:
            del data["crc"]
            if isinstance(change, bytes):
                body = re.sub(rb'"price":[0-9.]+', b'"price":' + change, line)[:-20]
            else:
                change(data)
                body = json.dumps(data, separators=data.pop("separators", (",", ":"))).encode()[:-1]
            lines[number] = b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))
            break
    else:
        raise AssertionError(kind)
    path.write_bytes(b"".join(lines))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an experiment that is over, and another."""
    base = tmp_path_factory.mktemp("whole") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(base))
        for cases in (1, 2):
            conduct(prepare(Plan("billing_support", ("solo", "market"), model="sim:small", cases=cases, trials=1)))
    return base


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentFolder:
    """The one with four runs, to be damaged."""
    shutil.copytree(whole, tmp_path / "runs")
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    folders = [ExperimentFolder(path) for path in sorted((tmp_path / "runs" / "experiments").glob("*"))]
    return next(f for f in folders if f.read_plan()["total"] == 4)


def usage(name: str, value: Any) -> Change:
    return lambda data: data["event"]["usage"].update({name: value})


def field(name: str, value: Any) -> Change:
    return lambda data: data["event"].update({name: value})


UNREADABLE: dict[str, tuple[str, Change | bytes]] = {
    "a price that is null": ("bid", field("price", None)),
    "a price out of range": ("bid", b"1e400"),
    "2^70 tokens": ("chat", usage("input_tokens", 2**70)),
    "2^62 tokens": ("chat", usage("output_tokens", 2**62)),
    "negative tokens": ("chat", usage("input_tokens", -5)),
    "tokens that are a text": ("chat", usage("input_tokens", "many")),
    "a cost out of range": ("chat", usage("cost_nano_usd", 2**65)),
    "an unknown kind": ("message", field("type", "of_the_future")),
    "no kind": ("message", lambda data: data["event"].pop("type")),
    "a text that is a list": ("chat", field("text", [1])),
    "a score that is null": ("evaluation", field("score", None)),
    "an event that is none": ("message", lambda data: data.update(event=None)),
    "a time that is null": ("chat", lambda data: data.update(t=None)),
    "a number of a run that is none": ("chat", lambda data: data.update(run="x")),
    "2^70 as the number of a run": ("chat", lambda data: data.update(run=2**70)),
    "2^31 as the number of a run": ("chat", lambda data: data.update(run=2**31)),
    "deep arguments": ("execute_tool", field("arguments", json.loads('{"a":' * 900 + "1" + "}" * 900))),
    "an absurd last event": ("run_finished", usage("input_tokens", 2**80)),
    "a line in another form": ("message", lambda data: data.update(separators=(", ", ": "))),
    "no start": ("run_started", field("run", 7)),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_event_that_cannot_be_read_costs_its_run_and_nothing_else(
    what: str, folder: ExperimentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, change = UNREADABLE[what]
    run = next(row.run for row in Store().runs(folder.id) if row.team == "market")
    damage(folder, run, kind, change)
    rows = {row.run: row for row in Store().runs(folder.id)}
    assert [row.status for number, row in rows.items() if number != run] == ["completed"] * 3
    if kind != "run_started":
        assert rows[run].status == "interrupted"
    if "number of a run" not in what and kind != "run_started":  # whose event it was is not known then
        assert f"1 event of run {run} cannot be read" in rows[run].error
    home = folder.path.parent.parent
    every = Store(home).sql("SELECT experiment, count(*) AS n FROM runs GROUP BY experiment ORDER BY n")
    assert [row["n"] for row in every] == [2, 4 - (kind == "run_started")]
    about = (
        ("replay", folder.id, run),
        ("search", folder.id, "--text", "fee"),
        ("sql", "SELECT sum(tokens) FROM events"),
    )
    whole = ("list", "verdict", "autopsy", "verify", "report")
    for command in (("list",), *about, *((name, folder.id) for name in whole)):
        code, _, error = said(capsys, *command)
        assert code in (0, 1, 2), (command, error)
        assert "Traceback" not in error
    assert "cannot be read" in said(capsys, "list", folder.id)[2]
    assert said(capsys, "resume", folder.id)[0] == 0
    assert {row.status for row in Store().runs(folder.id)} == {"completed"}


def test_while_the_experiment_runs_the_same_holds(folder: ExperimentFolder) -> None:
    run = next(row.run for row in Store().runs(folder.id) if row.team == "market")
    damage(folder, run, "bid", field("price", None))
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), "running", 3, 4, time.time()))
    rows = Store().runs(folder.id)
    assert [row.status for row in rows if row.run != run] == ["completed"] * 3
    assert "cannot be read" in rows[run].error
    assert Store().events(folder.id, run)
    assert Store().agents(folder.id)


def test_an_experiment_that_cannot_be_loaded_costs_only_itself(
    folder: ExperimentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.plan_file.write_text("[" * 50_000)
    (folder.path.parent / "20200101-000000-dead").mkdir()
    (folder.path.parent / "20200101-000000-dead" / "experiment.json").mkdir()
    assert len(Store().sql("SELECT * FROM runs")) == 6
    assert said(capsys, "list")[0] == 0


@pytest.mark.parametrize(
    "event",
    [
        BidMade("p", "a", math.inf),
        BidMade("p", "a", 1.0, seconds=math.nan),
        Chat("a", "act", "m", 0, (), "", Usage(input_tokens=2**70)),
        Chat("a", "act", "m", 0, (), "", Usage(input_tokens=-1)),
        Chat("a", "act", "m", 0, (), "", Usage(latency_s=math.inf)),
        Evaluated(True, math.nan, ()),
        MoneyMoved("p", "a", "b", 2**70, "fee", "bid"),
        ToolExecuted("a", "t", "c", "read", {"deep": [{"price": math.inf}]}, True, ""),
        ToolExecuted("a", "t", "c", "read", json.loads('{"a":' * 900 + "1" + "}" * 900), True, ""),
        Noted("a", 7, "x"),  # type: ignore[arg-type]
    ],
    ids=lambda event: str(event)[:60],
)
def test_what_could_not_be_read_again_is_not_written(event: Event, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal-0.jsonl") as journal:

        async def main() -> None:
            recorder = Recorder(0, journal)
            recorder.record(Noted("a", "before", "null"))
            with pytest.raises(Unwritable, match=type(event).__name__):
                recorder.record(event)
            recorder.record(Noted("a", "after", "x"))

        asyncio.run(main())
    lines = (tmp_path / "journal-0.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"\{.*", '{"a":' * 90_000),
        (r"\{.*", "[]"),
        (r'"trials": 1', '"trials": "many"'),
        (r'"trials": 1', '"trials": 1000000000000'),
        (r'"plan": \{', '"plan": [], "other": {'),
        (r'"total": 4', '"total": -4'),
        (r'"total": 4', '"imported": "x"'),
    ],
    ids=["deep", "a list", "trials", "trials without end", "no plan", "total", "imported"],
)
def test_a_plan_that_cannot_be_read_is_told_and_costs_its_experiment_alone(
    before: str, after: str, folder: ExperimentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = re.sub(before, after, folder.plan_file.read_text(), count=1, flags=re.DOTALL)
    assert text != folder.plan_file.read_text()
    folder.plan_file.write_text(text)
    for command in ("verdict", "autopsy", "replay", "verify", "resume", "export", "report", "search", "list"):
        code, _, error = said(capsys, command, folder.id)
        assert "Traceback" not in error
        assert code in (0, 1, 2, 5), (command, error)
    assert said(capsys, "resume", folder.id)[0] != 0
    assert folder.id in said(capsys, "list")[1]
    assert len(Store().sql("SELECT * FROM runs")) == 6
