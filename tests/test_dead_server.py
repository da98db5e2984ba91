"""With a server that babbles nothing is said but that, and the first error: wherever one looks, and in red."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from experiments.judging import gate
from experiments.judging.gatefile import GateFile
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from experiments.terminal import gate_report, report
from tests import cli
from tests.standin import Raw, Standin
from tests.test_app_pages import opened, said
from tests.trials import puzzle
from traces.errors import ModelError
from traces.store import Store

RED = "\x1b[1;31m"
NOTHING = "Nothing was measured: all 4 runs broke off."
ERROR = "sent what is not JSON"
CLAIMS = re.compile(
    r"solo: one|one agent fits|\(measured\)|more cases|is enough|worth it|answer is open|points|succeeds?\b"
)
"""What only those may say who have measured something."""


@pytest.fixture(scope="module")
def babble() -> Iterator[Standin]:
    with Standin([Raw(b"\xff lorem {{")]) as server:
        yield server


@pytest.fixture(scope="module")
def dead(babble: Standin, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data folder and the experiment."""
    folder = tmp_path_factory.mktemp("dead")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder / "runs"))
        where: dict[str, Any] = {"model": "hosted_vllm/x", "api_base": babble.url, "on": "here", "workers": 1}
        plan = Plan(str(puzzle(folder / "puzzle", cases=2)), ("solo", "supervisor"), trials=1, **where)
        experiment = prepare(plan)
        conduct(experiment)
    return folder, experiment.id


@pytest.fixture
def experiment(dead: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HEADCOUNT_HOME", str(dead[0] / "runs"))
    return dead[1]


def plainly(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.mark.parametrize("command", ["resume", "verdict"])
def test_a_comparison_says_nothing_else_and_ends_with_a_code(
    command: str, experiment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, _ = cli.said(capsys, command, experiment)
    assert code == ModelError.exit_code
    assert f"{RED}{NOTHING}" in out
    assert ERROR in plainly(out)
    assert not CLAIMS.search(out)
    assert f"headcount resume {experiment} --retry-broken" in plainly(out)
    code, out, _ = cli.said(capsys, command, experiment, "--json")
    assert code == ModelError.exit_code
    found = json.loads(out)
    text = found["verdict"]["text"] if command == "verdict" else found["verdict"]
    assert (text, found["teams"]) == (NOTHING, [])
    assert not CLAIMS.search(out)


def test_the_report_has_that_and_no_figures(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli.said(capsys, "report", experiment, "--into", tmp_path / "r.html")
    assert code == ModelError.exit_code
    assert NOTHING in err
    page = (tmp_path / "r.html").read_text().partition("</style>")[2]
    assert f'<h1 class="bad">{NOTHING}</h1>' in page
    assert ERROR in page
    assert not CLAIMS.search(page)
    assert "<svg" not in page


def test_lists_and_traces_show_what_broke_off(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(cli.said(capsys, "list", "experiments", "--json")[1])
    assert (row["runs"], row["broke off"]) == ("4/4", 4)
    assert "broke off" in cli.said(capsys, "list", "experiments")[1]
    runs = json.loads(cli.said(capsys, "list", experiment, "--json")[1])
    assert {(run["status"], run["success"]) for run in runs} == {("failed", None)}
    steps = cli.said(capsys, "replay", experiment, 0)[1]
    assert "not graded: the run broke off" in steps
    assert "graded: failure" not in steps


def test_a_single_run_says_so_too(
    experiment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    report.show_run(experiment, Outcome.of_row(Store().run(experiment, 0)), json=False)
    out = capsys.readouterr().out
    assert f"{RED}Nothing was measured: the run broke off." in out
    assert ERROR in plainly(out)
    assert "score" not in out


def test_a_check_fails_and_says_only_that(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = GateFile.model_validate(
        {"scenario": "puzzle", "undecided": "pass", "accept": [{"success": 0.01, "failed": 99}]}
    )
    outcomes = [Outcome.of_row(row) for row in Store().team_rows(experiment)]
    checked = gate.check(file, experiment, "headcount check", outcomes, Store())
    assert (checked.passed, checked.criteria) == (False, ())
    gate_report.show(checked, json=False)
    junit = gate_report.junit(checked)
    for text in (capsys.readouterr().out, gate_report.markdown(checked), junit.decode()):
        assert ERROR in plainly(text)
        assert "success" not in text
        assert not CLAIMS.search(text)
    assert ET.fromstring(junit).attrib["failures"] == "1"


@pytest.mark.parametrize("page", ["home", "live", "compare"])
def test_pages_say_it_in_red_and_nothing_green(page: str, experiment: str) -> None:
    app = opened(page, experiment=experiment)
    assert [NOTHING in str(box.value).replace("\\", "") for box in app.error] == [True]
    assert not app.success
    shown = said(app)
    assert ERROR in shown.replace("\\", "")
    assert not CLAIMS.search(shown if page != "home" else str(app.error[0].value))
    if page != "home":
        assert any(button.key == "retry-broken" for button in app.button)
