"""`headcount check`: criteria are met, missed or undecided; CI gets an exit code, JUnit XML and Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from experiments.judging import gate, gatefile
from experiments.judging.gate import Acts, Criterion
from experiments.outcome import Outcome
from experiments.terminal import gate_report
from headcount import main
from traces.errors import ScenarioError

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "experiment.yaml"


def _outcomes(team: str, wins: int, of: int = 40) -> list[Outcome]:
    fixed = {"engine": "native", "model": "m", "score": 1.0, "tokens": 900, "cost_nano_usd": 2_000_000}
    return [
        Outcome(run=n, team=team, case=f"c{n}", trial=0, success=n < wins, latency_s=float(n), messages=0, calls=1,
                status="completed", **fixed)  # type: ignore[arg-type]
        for n in range(of)
    ]  # fmt: skip


def _states(accept: dict[str, object], did: Acts | None = None) -> dict[tuple[str, str], Criterion]:
    file = gatefile.GateFile.model_validate({"scenario": "x", "teams": ["solo", "team"], "accept": [accept]})
    outcomes = [*_outcomes("solo", 36), *_outcomes("team", 20)]
    return {(c.team, c.name): c for c in gate.judged(file, outcomes, did or Acts({}, {}))}


@pytest.mark.parametrize(("wanted", "state"), [(0.7, "met"), (0.88, "undecided"), (0.99, "missed")])
def test_a_success_rate_is_judged_by_its_interval(wanted: float, state: str) -> None:
    found = _states({"team": "solo", "success": wanted})
    assert found["solo", "success"].state == state
    assert ("team", "success") not in found


@pytest.mark.parametrize(
    ("limit", "met", "missed"),
    [
        ("cost_usd", 0.0021, 0.0019),
        ("tokens", 900, 899),
        ("latency_p95_s", 38, 30),
        ("failed", 0, None),
    ],
)
def test_limits_are_judged_by_what_was(limit: str, met: float, missed: float | None) -> None:
    assert {one.state for one in _states({limit: met}).values()} == {"met"}
    if missed is not None:
        assert {one.state for one in _states({limit: missed}).values()} == {"missed"}


def test_refused_and_forbidden_actions_are_counted_by_team() -> None:
    did = Acts({("team", "native"): 2}, {("solo", "native"): {"pay": 1}, ("team", "native"): {"look": 3}})
    found = _states({"refused_actions": 0, "never": ["pay"]}, did)
    assert {key: one.state for key, one in found.items()} == {
        ("solo", "refused actions"): "met",
        ("team", "refused actions"): "missed",
        ("solo", "calls of pay"): "missed",
        ("team", "calls of pay"): "met",
    }


def test_a_team_that_is_worse_beyond_doubt_misses() -> None:
    found = _states({"not_worse_than": {"team": "solo", "margin": 0.05}})
    assert [one.state for one in found.values()] == ["missed"]
    assert list(found) == [("team", "not worse than solo")]


def _file(folder: Path, accept: str, more: str = "") -> Path:
    path = folder / "experiment.yaml"
    path.write_text(f"scenario: market_brief\nteams: [solo]\ncases: 2\ntrials: 2\n{more}accept:\n{accept}")
    return path


def _ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("accept", "more", "code", "kind"),
    [
        ("  - {tokens: 1}\n", "", 1, "failure"),
        ("  - {success: 0.97}\n", "model: sim:oracle\n", 1, "failure"),
        ("  - {success: 0.97}\n", "model: sim:oracle\nundecided: pass\n", 0, "skipped"),
        ("  - {failed: 0, refused_actions: 0}\n", "", 0, ""),
    ],
)
def test_the_exit_code_junit_and_markdown_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: str, more: str, code: int, kind: str
) -> None:
    junit, page, summary = tmp_path / "report.xml", tmp_path / "summary.md", tmp_path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    path = _file(tmp_path, accept, more)
    assert _ended("check", str(path), "--junit", str(junit), "--markdown", str(page)) == code
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases) >= 1
    for name, element in (("failures", "failure"), ("skipped", "skipped")):
        assert int(suite.attrib[name]) == len(suite.findall(f"testcase/{element}")) == (kind == element) * len(cases)
    assert ("Check failed" if code else "Check passed") in page.read_text()
    assert summary.read_text() == page.read_text()
    assert "(simulated)" in page.read_text()


def test_the_example_in_the_docs_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ended("check", str(EXAMPLE), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert found["runs"] == 2 * 12 * 5
    assert {one["state"] for one in found["criteria"]} == {"met"}


@pytest.mark.parametrize(
    ("accept", "place", "words"),
    [
        ("  - {}\n", "experiment.yaml:6: accept.0", "says nothing that has to hold"),
        ("  - {success: 80}\n", "experiment.yaml:6: accept.0.success", "less than or equal to 1, got 80"),
        ("  - {sucess: 0.8}\n", "experiment.yaml:6: accept.0.sucess", "there is no such field here"),
        ("  - {team: market, success: 0.8}\n", "experiment.yaml:6: accept.0.team", "'market' is none of solo"),
        ("  - {not_worse_than: {team: market}}\n", "experiment.yaml:6: accept.0.not_worse_than", "'market' is none of"),
        ("  []\n", "experiment.yaml:5: accept", "at least 1 item"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(tmp_path: Path, accept: str, place: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        gatefile.load(_file(tmp_path, accept))
    assert place in str(caught.value)
    assert words in str(caught.value)


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(tmp_path, "  - {failed: 0}\n")
    assert _ended("check", str(path), "--junit", str(tmp_path / "no" / "such.xml")) == 2
    assert "--junit:" in capsys.readouterr().err


def test_what_stands_beside_the_file_is_found_from_it(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("shape: solo\nagent: {check: none}\n")
    path = tmp_path / "experiment.yaml"
    path.write_text("scenario: market_brief\nteams: [solo, team.yaml]\naccept: [{team: team, failed: 0}]\n")
    _, plan = gatefile.load(path)
    assert plan.teams == ("solo", str(tmp_path / "team.yaml"))


def test_markdown_keeps_its_columns() -> None:
    checked = gate.Checked("e", "c", True, True, (Criterion("a|b", "n", "w", "f", "met"),), 1)
    assert "a\\|b" in gate_report.markdown(checked)
