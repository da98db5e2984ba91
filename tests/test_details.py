"""A comparison in detail: kinds of case, endings, times and the budget, in words and in the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from experiments.judging import details, htmlreport, judging
from experiments.judging.details import in_words
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from experiments.terminal import judging_report
from tasks import scenario as scenarios
from traces.home import ExperimentFolder
from traces.kernel import Budget
from traces.store import Store


@pytest.fixture
def finished() -> ExperimentFolder:
    """Some of whose runs a tight budget ends."""
    plan = Plan("billing_support", ("solo", "supervisor"), trials=2, cases=8, budget=Budget(tokens=9000), workers=1)
    folder = prepare(plan)
    conduct(folder)
    return folder


def test_every_kind_of_case_is_there_with_its_runs(finished: ExperimentFolder) -> None:
    found = judging.again(finished.id).details
    outcomes = [o for o in map(Outcome.of_row, Store().team_rows(finished.id)) if o is not None]
    by_kind = {(one.kind, one.team): one for one in found.kinds}
    for team in ("solo", "supervisor"):
        own = [o for o in outcomes if o.team == team]
        assert sum(by_kind[kind, team].runs for kind, t in by_kind if kind.startswith("difficulty") and t == team) == 16
        credit = [o.success for o in own if "credit" in o.features]
        assert by_kind["feature: credit", team].success == pytest.approx(sum(credit) / len(credit))
    assert by_kind["feature: credit", "solo"].difference is None
    assert by_kind["feature: credit", "supervisor"].difference is not None
    tools = {f"feature: {case.kinds[-1]}" for case in scenarios.load("billing_support").cases[:8]}
    assert tools <= {kind for kind, _ in by_kind}
    assert all(name.endswith((" tool", " tools")) for name in tools)


def test_endings_and_times_are_those_of_the_runs(finished: ExperimentFolder) -> None:
    found = judging.again(finished.id).details
    rows = Store().team_rows(finished.id)
    assert found.budget == "9,000 tokens"
    limited = {row.team for row in rows if row.status == "limited"}
    assert limited
    for one in found.endings:
        assert sum(one.shares.values()) == pytest.approx(1)
        assert ("budget of tokens" in one.shares) == (one.team in limited)
    for one in found.times:
        assert 0 < one.p50 <= one.p95
        assert one.wall_p50 is not None
        assert one.wall_p50 < one.p50  # simulated seconds pass quicker than those on the wall


def test_the_report_has_it_all_and_loads_nothing(finished: ExperimentFolder, tmp_path: Path) -> None:
    judging_report.write_page(finished.id, tmp_path / "report.html")
    page = BeautifulSoup((tmp_path / "report.html").read_text(), "html.parser")
    headings = [heading.text for heading in page.find_all("h2")]
    for part in ("Success", "Against one agent", "What success costs", "Time", "Where a team helps", "Method"):
        assert any(heading.startswith(part) for heading in headings)
    assert len(page.find_all("svg")) == 3
    assert not page.find_all(["script", "link", "img", "iframe"])
    assert "9,000 tokens" in page.text
    assert "drawn from seed 1" in page.text
    assert "lancedb" in page.text
    assert finished.read_plan()["command"] in page.text


def test_text_from_outside_stays_text(finished: ExperimentFolder) -> None:
    from msgspec.structs import replace

    row = replace(Store().experiment(finished.id), scenario="<script>alert(1)</script>", message="<img src=x>")
    page = BeautifulSoup(htmlreport.page(row, judging.again(finished.id)), "html.parser")
    assert not page.find_all(["script", "img"])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(), "no limit"),
        (Budget(tokens=60000, calls=12), "60,000 tokens, 12 model calls"),
        (Budget(cost_usd=0.5, seconds=90), "$0.5, 90.0 s"),
    ],
)
def test_a_budget_in_words(budget: Budget, words: str) -> None:
    assert in_words(budget) == words


def test_an_experiment_of_another_tool_has_no_budget_of_ours(finished: ExperimentFolder) -> None:
    finished.plan_file.write_text('{"id": "x", "plan": {"nothing": 1}}')
    assert details.budget_of(finished) == "unknown"
