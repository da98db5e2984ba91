"""Calibration: what is read from a trace by rules, the round trip of a known profile, and predictions of teams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models.simulated import profile as profiles
from agents.models.simulated.index import index_of
from experiments import calibrating, calibration
from experiments.attempts import Reading, read_run
from experiments.callfits import FEWEST
from experiments.conduct import conduct, prepare
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import do
from traces.errors import InputError
from traces.kernel import Chat, Record, ToolCall, ToolExecuted, Usage


def _readings(model: str, scenario: str, trials: int) -> calibration.Evidence:
    loaded = scenarios.load(scenario)
    found = calibration.Evidence("solo", [], [])
    for outcome, recorder in do(Plan(scenario, ("solo",), model=model, trials=trials)):
        found.readings.append(read_run(recorder.records, outcome.case, index_of(loaded.case(outcome.case))))
        found.successes.append(outcome.success)
    return found


def _true(profile: Any, name: str) -> float:
    if name.startswith("mix."):
        weights = sum(profile.mix.get(mode, 0.0) for mode in calibration.MODES[name[4:]])  # type: ignore[index]
        return float(weights / sum(profile.mix.values()))
    data: Any = profile.model_dump()
    for part in name.split("."):
        data = data[part]
    return float(data)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("scenario", "known", "base"), [("billing_support", "medium", "small")])
def test_a_known_profile_comes_back_within_its_intervals(scenario: str, known: str, base: str) -> None:
    """From a base that is twice as careless. Of 17 intervals at 95 %, one may miss."""
    true = profiles.load(known)
    found = _readings(f"sim:{known}", scenario, 12)
    fitted = calibration.calibrate(found, scenarios.load(scenario), profiles.load(base), "fitted")
    told = [one for one in fitted.estimates if not one.kept]
    missed = [one for one in told if not one.low * 0.999 <= _true(true, one.name) <= one.high * 1.001]
    assert len(told) >= 15
    assert len(missed) <= 1, missed
    for name in ("error.retrieve", "error.act", "check.false_alarm"):
        (one,) = [one for one in told if one.name == name]
        assert abs(one.value - _true(true, name)) < abs(_true(profiles.load(base), name) - _true(true, name))
    observed, simulated = fitted.success
    assert simulated == pytest.approx(observed, abs=0.06)


def test_too_few_data_keep_the_bases_numbers() -> None:
    base = profiles.load("small")
    found = _readings("sim:medium", "market_brief", 1)
    few = calibration.Evidence("solo", found.readings[:2], found.successes[:2])
    fitted = calibration.calibrate(few, scenarios.load("market_brief"), base, "fitted")
    errors = [one for one in fitted.estimates if one.name.startswith("error.")]
    assert all(one.kept == (one.n < FEWEST) for one in errors)
    assert dict(fitted.profile.error) == dict(base.error)
    assert fitted.sparse


# --- reading ----------------------------------------------------------------------------------------------------


def _case() -> tuple[str, Any]:
    case = next(c for c in scenarios.load("billing_support").cases if len(list(c.plan)) > 1)
    return case.id, index_of(case)


def _said(text: str = "", *calls: ToolCall, tools: tuple[str, ...] = ("search", "query_database")) -> Chat:
    return Chat("a", "act", "m", 0, (), text, Usage(500, 20, 0, 1, 10, 1.0), tuple(calls), tools=tools)


def _did(tool: str, result: str, ok: bool = True, **arguments: Any) -> ToolExecuted:
    return ToolExecuted("a", tool, "1", "read", arguments, ok, result)


def _read(*events: Any) -> Reading:
    name, index = _case()
    return read_run([Record(0, i, 0.0, 0.0, event) for i, event in enumerate(events)], name, index)


def test_a_call_is_right_when_it_shows_what_the_step_finds() -> None:
    _, index = _case()
    step = next(s for s in index.steps.values() if s.tool in ("search", "query_database"))
    shown = " | ".join(fact.value for fact in step.facts.values())
    call = ToolCall("1", str(step.tool), "{}")
    result = shown if not any(f.pattern for f in step.facts.values()) else _shown(step)
    reading = _read(_said("", call), _did(str(step.tool), result), _said("", call), _did(str(step.tool), "nothing"))
    assert (reading.attempts[0].step, reading.attempts[0].kind) == (step.id, "right")
    assert reading.attempts[1].kind == "repeats"
    assert reading.attempts[1].step != step.id


def _shown(step: Any) -> str:
    """A result from which the step's facts can be read: that of the oracle's run."""
    for outcome, recorder in do(Plan("billing_support", ("solo",), model="sim:oracle", trials=1)):
        if outcome.case == _case()[0]:
            for record in recorder.records:
                if isinstance(record.event, ToolExecuted) and record.event.call_id.startswith(f"{step.id}."):
                    return record.event.result
    raise AssertionError


def test_other_tools_and_early_ends_are_told_apart() -> None:
    call = ToolCall("1", "drop_tables", "{}")
    reading = _read(_said("", call), _did("drop_tables", "no such tool", ok=False), _said("All done."))
    assert [a.kind for a in reading.attempts] == ["role", "early"]
    assert not reading.refused


def test_a_refusal_is_not_an_error_of_a_step() -> None:
    reading = _read(_said("I'm sorry, but I can't help with that."))
    assert reading.refused
    assert reading.attempts == []


def test_the_oracle_makes_no_error_that_the_rules_would_see() -> None:
    for scenario in ("billing_support", "market_brief"):
        found = _readings("sim:oracle", scenario, 1)
        assert [a for r in found.readings for a in r.attempts if a.kind != "right"] == []
        assert sum(len(r.attempts) for r in found.readings) >= 2 * len(found.readings)


# --- the commands -----------------------------------------------------------------------------------------------


def test_a_fitted_profile_is_a_model_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(Plan("market_brief", ("solo",), trials=3))
    conduct(folder)
    file = tmp_path / "like_ours.yaml"
    calibrating.calibrate(folder.id, file, "small", json=True)
    told = json.loads(capsys.readouterr().out)
    estimates = {one["name"]: one for one in told["estimates"]}
    assert estimates["error.retrieve"]["n"] >= FEWEST
    data = yaml.safe_load(file.read_text())
    assert data["error"]["retrieve"] == pytest.approx(estimates["error.retrieve"]["value"])
    assert f"experiment {folder.id}" in data["note"]
    ((outcome, _),) = do(Plan("market_brief", ("solo",), model=f"sim:{file}", cases=1, trials=1))
    assert outcome.status == "completed"
    with pytest.raises(InputError, match="is there already"):
        calibrating.calibrate(folder.id, file, "small", json=True)


def test_without_a_single_agent_there_is_nothing_to_fit_to(tmp_path: Path) -> None:
    folder = prepare(Plan("market_brief", ("supervisor",), cases=1, trials=1))
    conduct(folder)
    with pytest.raises(InputError, match="include the team solo"):
        calibrating.calibrate(folder.id, tmp_path / "p.yaml", "medium", json=True)
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.timeout(300)
def test_teams_are_predicted_from_one_agents_runs(capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(Plan("market_brief", ("solo", "pipeline", "market"), trials=8))
    conduct(folder)
    calibrating.show_backtest(folder.id, "medium", json=True)
    told = json.loads(capsys.readouterr().out)["predictions"]
    assert [(one["team"], one["held_out"]) for one in told] == [("pipeline", True), ("market", True), ("solo", False)]
    for one in told:
        predicted, actual = one["predicted"], one["actual"]
        assert predicted["success"]["value"] == pytest.approx(actual["success"]["value"], abs=0.12)
        assert predicted["tokens"] == pytest.approx(actual["tokens"], rel=0.1)
        assert predicted["latency_s"] == pytest.approx(actual["latency_s"], rel=0.15)
