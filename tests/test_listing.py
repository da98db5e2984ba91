"""What `headcount list` shows, and what is said of a case that there is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.plan import Plan
from experiments.running.conduct import prepare
from tasks import scenario as scenarios
from tests.cli import said
from traces.errors import InputError

CASE = """
title: A question
request: What is it?
plan: [{id: look, goal: Look, role: researcher}]
answer: It is.
expect: [{grader: mentions, all: [It is]}]
"""
SCENARIO = """
title: Many cases
story: There are many.
goal: Answer.
roles: {researcher: {}}
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario of 300 cases."""
    folder = tmp_path_factory.mktemp("many") / "many cases"
    (folder / "cases").mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO)
    for number in range(300):
        (folder / "cases" / f"question_{number:03}.yaml").write_text(CASE)
    return folder


def test_an_experiment_of_the_default_model_is_listed_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(Plan("market_brief", ("solo",), cases=1, trials=1))
    assert "model" not in folder.read_plan()["plan"]
    _, out, _ = said(capsys, "list", "--json")
    assert [row["model"] for row in json.loads(out)] == ["sim:medium"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("late_fe", "did you mean 'late_fee'?"),
        ("sla", "did you mean 'sla_enterprise' or 'sla_other_region' or 'sla_standard'?"),
        ("nothing like it", "it has already_credited, amended_cap, dollars_not_euros and 21 more"),
    ],
)
def test_an_unknown_case_is_answered_with_those_near_it(given: str, meant: str) -> None:
    with pytest.raises(InputError) as told:
        scenarios.load("billing_support").case(given)
    assert str(told.value) == f"billing_support has no case {given!r}; {meant} (all: headcount list billing_support)"


@pytest.mark.parametrize("given", ["question_30", "other", "x" * 100_000])
def test_it_is_short_however_many_there_are_and_names_what_lists_them(
    given: str, many: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, "run", many, "--case", given)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert len(err) < 500 + len(str(many))
    assert f"headcount list '{many}'" in err
    _, out, _ = said(capsys, "list", many, "--json")
    assert [row["case"] for row in json.loads(out)] == [f"question_{number:03}" for number in range(300)]
