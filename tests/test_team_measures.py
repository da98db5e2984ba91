"""How teams work together, measured from records: the formulas, and reviews whose worth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.models.simulated.index import index_of
from experiments.judging import measures
from experiments.judging.measures import RunMeasures
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import do, profile, puzzle


def _run(team: str, success: bool, turns: int, **more: int) -> RunMeasures:
    given = {"tokens": 100, "coordination_tokens": 0, "messages": 0, "tool_calls": 10, "repeated": 0, **more}
    return RunMeasures(0, team, "native", "c", 0, success, turns, **given)


def test_the_formulas_of_kim_et_al() -> None:
    solo = [_run("solo", success, 5) for success in (True, True, True, False)]
    team = [_run("crew", s, 20, messages=10, coordination_tokens=40, repeated=2) for s in (True, True, False, False)]
    found = measures.of_teams([*solo, *team])
    crew = found["crew", "native"]
    assert crew.overhead == pytest.approx(3.0)  # (20 - 5) / 5
    assert crew.efficiency == pytest.approx(0.5 / (20 / 5))
    assert crew.error_amplification == pytest.approx(0.5 / 0.25)
    assert crew.message_density == pytest.approx(0.5)
    assert crew.coordination == pytest.approx(0.4)
    assert crew.redundancy == pytest.approx(0.2)
    assert found["solo", "native"].overhead == 0


def test_what_cannot_be_said_is_not_said() -> None:
    (crew,) = measures.of_teams([_run("crew", True, 20)]).values()
    assert crew.overhead is crew.efficiency is crew.error_amplification is crew.catch_rate is None
    flawless = measures.of_teams([_run("solo", True, 5), _run("crew", False, 20)])
    assert flawless["crew", "native"].error_amplification is None  # one agent made no error: nothing to amplify


@pytest.mark.parametrize(("finds", "rate"), [(1.0, 1.0), (0.0, 0.0)])
def test_the_catch_rate_of_reviewers_is_that_of_the_model(tmp_path: Path, finds: float, rate: float) -> None:
    model = profile(tmp_path / "model.yaml", error=0.5, check={"other": finds, "own": finds})
    folder = puzzle(tmp_path / "puzzle", subtasks=3, cases=2)
    loaded = scenarios.load(str(folder))
    runs = []
    for outcome, recorder in do(Plan(str(folder), ("supervisor",), model=model, trials=10)):
        runs.append(measures.of_run(recorder.records, index_of(loaded.case(outcome.case))))
    (team,) = measures.of_teams([run for run in runs if run is not None]).values()
    assert sum(run.wrong_shown for run in runs if run is not None) > 5
    assert team.catch_rate == rate
    assert team.coordination is not None
    assert 0 < team.coordination < 1


def test_an_ensemble_does_the_same_work_several_times() -> None:
    runs = [
        measures.of_run(recorder.records)
        for _, recorder in do(Plan("billing_support", ("solo", "ensemble"), model="sim:oracle", cases=3, trials=1))
    ]
    found = measures.of_teams([run for run in runs if run is not None])
    alone, many = found["solo", "native"].redundancy, found["ensemble", "native"].redundancy
    assert alone == 0
    assert many is not None
    assert many > 0.5
