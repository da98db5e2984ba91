"""`resume --retry-broken` does exactly the runs again that broke off, wherever runs are done, and counts agree."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from experiments.judging.judged import outcomes_in
from experiments.judging.missing import in_total, losses
from experiments.plan import Plan
from experiments.running import launch
from experiments.running.conduct import Stopped, conduct, prepare
from experiments.running.resume import resume
from tests.cli import said
from tests.trials import puzzle
from traces import home
from traces.committed import committed
from traces.home import ExperimentFolder
from traces.kernel import Evaluated
from traces.store import Store
from ui.compared import compared

TEAM = """
import time
from pathlib import Path
from agents.teams.solo import solo

HERE = Path({here!r})

async def pair(work):
    with (HERE / "done").open("a") as log:
        log.write(work.case.id + "\\n")
    while (HERE / "held").exists():
        time.sleep(0.01)
    answer = await solo(work)
    if (HERE / "down").exists() and work.case.id in (HERE / "down").read_text().split():
        raise ConnectionError("the line is dead")
    return answer
"""
CASES = 4
DOWN = {"case_1", "case_3"}


class Line:
    """The line that a team of one's own needs: `down` on some cases, `held` so that nothing comes through."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"team_of_{folder.name}".replace("-", "_").replace("[", "_").replace("]", "_")
        (folder / f"{self.name}.py").write_text(TEAM.format(here=str(folder)))
        self.scenario = puzzle(folder / "puzzle", cases=CASES)
        (folder / "down").write_text(" ".join(DOWN))

    def plan(self, on: str = "here") -> Plan:
        teams = ("solo", f"{self.name}:pair")
        return Plan(str(self.scenario), teams, model="sim:oracle", trials=1, on=on, workers=1)

    def mend(self) -> None:
        (self.folder / "down").unlink()

    def done(self) -> list[str]:
        """The cases that the team has begun since it was last asked."""
        file = self.folder / "done"
        cases = file.read_text().split() if file.exists() else []
        file.write_text("")
        return cases


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Line(tmp_path)


def lost(folder: ExperimentFolder) -> str:
    return in_total(losses(outcomes_in(folder.read_plan(), Store().team_rows(folder.id))))


def kept(folder: ExperimentFolder, runs: set[int]) -> dict[int, list[bytes]]:
    return {run.number: run.lines for run in committed(folder.journals()) if run.number in runs}


def test_exactly_the_runs_that_broke_off_are_done_again(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(line.plan())
    conduct(folder)
    assert lost(folder) == "2 of 8 runs broke off"
    rows = Store().team_rows(folder.id)
    assert {row.error for row in rows if row.status == "failed"} == {"ConnectionError: the line is dead"}
    ungraded = [r.event for run in committed(folder.journals()) for r in run.records if isinstance(r.event, Evaluated)]
    assert sum(bool(event.error) for event in ungraded) == 2, "what broke off is not graded"
    others = kept(folder, {row.run for row in rows if row.status != "failed"})
    line.mend()
    line.done()
    resume(folder)
    assert line.done() == [], "without the option nothing is done again"
    code, out, _ = said(capsys, "resume", folder.id, "--retry-broken", "--json")
    assert (code, json.loads(out)["failed"]) == (0, 0)
    assert set(line.done()) == DOWN
    assert kept(folder, set(others)) == others
    assert lost(folder) == ""
    resume(folder, retry_broken=True)
    assert line.done() == [], "what has a result is not done again"


def test_what_breaks_off_again_is_offered_again(line: Line) -> None:
    folder = prepare(line.plan())
    conduct(folder)
    for _ in range(2):
        assert resume(folder, retry_broken=True).done == 8
        assert lost(folder) == "2 of 8 runs broke off"
    line.mend()
    resume(folder, retry_broken=True)
    assert lost(folder) == ""


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _kill(folder: ExperimentFolder) -> None:
    status = folder.read_status()
    assert status is not None
    coordinator = psutil.Process(status.pid)
    family = [coordinator, *coordinator.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=20)


def _agree(folder: ExperimentFolder, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """How many runs are over, as the list, Live and Compare have it alike, and what the verdict is."""
    rows = Store().team_rows(folder.id)
    over = sum(row.status != "interrupted" for row in rows)
    (listed,) = json.loads(said(capsys, "list", "experiments", "--json")[1])
    assert listed["runs"] == f"{over}/8"
    assert (listed["broke off"] or 0) == sum(row.status == "failed" for row in rows)
    row = Store().experiment(folder.id)
    assert row.done == over  # what Live and Compare show
    found = compared(row)
    assert found is not None
    verdict = json.loads(said(capsys, "verdict", folder.id, "--json")[1])["verdict"]
    assert verdict["kind"] == found.verdict.kind
    assert sum(one["runs"] - one["unfinished"] for one in verdict["lost"]) in (0, over)
    return over, verdict["kind"]


def test_after_a_kill_in_the_middle_the_rest_is_done_again_and_counts_agree(
    line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepare(line.plan("processes"))
    conduct(folder)
    assert _agree(folder, capsys) == (8, "runs_broke_off")
    line.mend()
    line.done()
    (line.folder / "held").touch()
    launch.resume(folder.id, retry_broken=True)
    _until(lambda: (line.folder / "done").read_text() != "")
    _kill(folder)
    assert home.state(folder, time.time()) == "interrupted"
    _agree(folder, capsys)
    (line.folder / "held").unlink()
    assert said(capsys, "resume", folder.id)[0] == 0
    assert set(line.done()) == DOWN
    assert lost(folder) == ""
    assert _agree(folder, capsys)[0] == 8


def test_after_a_stop_counts_agree_and_what_was_under_way_did_not_break_off(
    line: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.01)
    line.mend()
    folder = prepare(line.plan())
    with pytest.raises(Stopped):
        conduct(folder, lambda progress: folder.request_stop() if progress.done else None)
    over, kind = _agree(folder, capsys)
    assert over
    assert kind not in ("runs_broke_off", "nothing_measured")
    assert "broke off" not in lost(folder)
    assert resume(folder).done == 8
    assert _agree(folder, capsys)[0] == 8
