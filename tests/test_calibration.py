"""Calibration: what is read from a trace by rules, the round trip of a known profile, and predictions of teams."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models.simulated import profile as profiles
from agents.models.simulated.index import index_of
from experiments.failures.attempts import Attempt, Reading, read_run
from experiments.plan import Plan
from experiments.profiles import calibration, growth
from experiments.profiles.calibration import Evidence
from experiments.profiles.callfits import FEWEST
from experiments.running.conduct import conduct, prepare
from experiments.terminal import calibrating
from tasks import scenario as scenarios
from tests.trials import do, puzzle
from tests.trials import profile as own_profile
from traces.errors import InputError
from traces.kernel import Chat, Record, ToolCall, ToolExecuted, Usage

RUNS = 400


@cache
def _evidence(model: str, scenario: str, trials: int) -> Evidence:
    loaded = scenarios.load(scenario)
    found = Evidence(loaded, "solo", [], [], [])
    for outcome, recorder in do(Plan(scenario, ("solo",), model=model, trials=trials)):
        calibration.add(found, outcome.case, recorder.records, outcome.success)
    return found


def _true(profile: Any, name: str) -> float:
    if name.startswith("mix."):
        weights = sum(profile.mix.get(mode, 0.0) for mode in calibration.MODES[name[4:]])  # type: ignore[index]
        return float(weights / sum(profile.mix.values()))
    data: Any = profile.model_dump()
    for part in name.split("."):
        data = data[part]
    return float(data)


@pytest.mark.parametrize(("scenario", "least"), [("billing_support", 17), ("market_brief", 14)])
def test_a_known_profile_comes_back_within_its_intervals(scenario: str, least: int) -> None:
    """From a base that is twice as careless. Of 14 or more intervals at 95 %, more than two miss once in thirty times:
    one seed draws one set of difficulties, so they miss together."""
    true, base = profiles.load("medium"), profiles.load("small")
    fitted = calibration.calibrate([_evidence("sim:medium", scenario, 12)], base, "fitted", RUNS)
    told = [one for one in fitted.estimates if not one.kept]
    missed = [one for one in told if not one.low * 0.999 <= _true(true, one.name) <= one.high * 1.001]
    assert len(told) >= least
    assert len(missed) <= 2, missed
    for one in told:
        if one.name in ("error.retrieve", "speed.decode_tps", "verbosity"):
            assert abs(one.value - _true(true, one.name)) < abs(_true(base, one.name) - _true(true, one.name))
    assert fitted.success[1] == pytest.approx(fitted.success[0], abs=0.06)


def test_what_is_kept_says_why() -> None:
    """Both shipped scenarios give an agent the same tools in every run, and their prompts are of about one length."""
    fitted = calibration.calibrate([_evidence("sim:medium", "market_brief", 12)], profiles.load("small"), "f", 40)
    kept = {one.name: one for one in fitted.estimates if one.kept}
    assert kept["per_extra_tool"].why == "no attempt had more than 4 tools"
    assert kept["per_1k_context"].why
    assert kept["plan_error"].why == "one agent's runs do not show it"
    assert kept["error.act"].why == f"too few (under {FEWEST})"
    for name in ("per_extra_tool", "per_1k_context", "error.act"):
        assert kept[name].value == _true(fitted.profile, name) == _true(profiles.load("small"), name)


def test_too_few_data_keep_the_bases_numbers() -> None:
    base, few = profiles.load("small"), _evidence("sim:medium", "market_brief", 1)
    few = Evidence(few.scenario, few.team, few.cases[:2], few.readings[:2], few.successes[:2])
    fitted = calibration.calibrate([few], base, "fitted", 40)
    errors = [one for one in fitted.estimates if one.name.startswith("error.")]
    assert all(one.kept == (one.n < FEWEST) for one in errors)
    assert dict(fitted.profile.error) == dict(base.error)
    assert fitted.sparse


# --- growth -----------------------------------------------------------------------------------------------------


def _long_and_short(folder: Path) -> Path:
    """A puzzle of which every other case has a request of 12,000 words."""
    puzzle(folder, cases=16)
    for path in sorted((folder / "cases").glob("*.yaml"))[::2]:
        path.write_text(path.read_text().replace("What is it?", "What is it? " + "word " * 12_000))
    return folder


@pytest.mark.parametrize("true", [0.0, 0.25])
def test_growth_with_the_prompt_comes_back_where_prompts_vary(true: float, tmp_path: Path) -> None:
    folder = str(_long_and_short(tmp_path / "puzzle"))
    known, base = (
        own_profile(tmp_path / f"{name}.yaml", error=0.1, per_1k_context=growth)
        for name, growth in (("known", true), ("base", 0.1))
    )
    found = _evidence(known, folder, 25)
    fitted = calibration.calibrate([found], profiles.load(base.removeprefix("sim:")), "fitted", 600)
    (growth,) = [one for one in fitted.estimates if one.name == "per_1k_context"]
    assert not growth.kept, growth.why
    assert growth.low <= true <= growth.high
    assert growth.value == fitted.profile.per_1k_context
    assert abs(growth.value - true) < abs(0.1 - true)


def _made(true: float, seed: int) -> list[Reading]:
    """Attempts of two skills with 2 or 8 tools, of which each tool beyond four adds `true` to the failure rate."""
    rng = random.Random(seed)
    found = []
    for run in range(400):
        tools, skill = (2, 8)[run % 2], ("retrieve", "decide")[run // 2 % 2]
        rate = 0.08 * (1 + true * max(0, tools - 4)) * (2 if skill == "decide" else 1)
        kinds = ["careless" if rng.random() < rate else "right" for _ in range(4)]
        attempts = [Attempt("s", skill, kind, 1000, tools, True) for kind in kinds]  # type: ignore[arg-type]
        found.append(Reading(f"case {run % 20}", attempts, [], [], False))
    return found


def test_growth_with_tools_comes_back_where_their_number_varies() -> None:
    seen, made = growth.slopes(_made(0.5, 1)), growth.slopes(_made(0.1, 2))
    data = {"per_1k_context": 0.03, "per_extra_tool": 0.1}
    why = growth.told(seen, made, data)
    assert why == {"per_1k_context": "every prompt had 1,000 tokens"}
    growth.towards(data, seen, made, why)
    context, tools = growth.estimates(data, seen, growth.slopes(_made(data["per_extra_tool"], 3)), why)
    assert context.kept
    assert (data["per_1k_context"], tools.value) == (0.03, data["per_extra_tool"])
    assert tools.low <= 0.5 <= tools.high
    assert not tools.low <= 0.1 <= tools.high


def test_several_experiments_are_fitted_together() -> None:
    """Their agents have 2 and 6 tools: where the growth with them is kept, it is no longer since they cannot vary."""
    parts = [_evidence("sim:medium", name, 12) for name in ("billing_support", "market_brief")]
    fitted = calibration.calibrate(parts, profiles.load("medium"), "fitted", 40)
    assert fitted.runs == 12 * (24 + 22)
    assert fitted.cases == 46
    (tools,) = [one for one in fitted.estimates if one.name == "per_extra_tool"]
    assert not tools.kept or "leave" in tools.why or "in the simulation" in tools.why


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
        found = _evidence("sim:oracle", scenario, 1)
        assert [a for r in found.readings for a in r.attempts if a.kind != "right"] == []
        assert sum(len(r.attempts) for r in found.readings) >= 2 * len(found.readings)


# --- the commands -----------------------------------------------------------------------------------------------


TEAMS = {"market_brief": ("solo", "pipeline", "market"), "billing_support": ("solo", "supervisor")}


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture
def recorded(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The id of an experiment with a shipped scenario, which is run once for all tests."""
    monkeypatch.setenv("HEADCOUNT_HOME", str(shared_home))
    return _run_once


@cache
def _run_once(scenario: str) -> str:
    folder = prepare(Plan(scenario, TEAMS[scenario], trials=4, on="here"))
    conduct(folder)
    return folder.id


def test_a_fitted_profile_is_a_model_that_runs(
    recorded: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, file = recorded("market_brief"), tmp_path / "like_ours.yaml"
    capsys.readouterr()
    calibrating.calibrate([experiment], file, "small", runs=100, json=True)
    told = json.loads(capsys.readouterr().out)
    estimates = {one["name"]: one for one in told["estimates"]}
    assert estimates["error.retrieve"]["n"] >= FEWEST
    text = file.read_text()
    data = yaml.safe_load(text)
    assert data["error"]["retrieve"] == pytest.approx(estimates["error.retrieve"]["value"])
    assert f"experiment {experiment}" in data["note"]
    assert "#   per_extra_tool: 0.08 kept: " in text
    ((outcome, _),) = do(Plan("market_brief", ("solo",), model=f"sim:{file}", cases=1, trials=1))
    assert outcome.status == "completed"
    with pytest.raises(InputError, match="is there already"):
        calibrating.calibrate([experiment], file, "small", runs=100, json=True)


def test_without_a_single_agent_there_is_nothing_to_fit_to(tmp_path: Path) -> None:
    folder = prepare(Plan(str(puzzle(tmp_path / "puzzle")), ("supervisor",), cases=1, trials=1, on="here"))
    conduct(folder)
    with pytest.raises(InputError, match="include the team solo"):
        calibrating.calibrate([folder.id], tmp_path / "p.yaml", "medium", runs=100, json=True)
    assert not (tmp_path / "p.yaml").exists()


def test_too_few_simulated_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--runs: 3 simulated runs are too few"):
        calibrating.calibrate(["latest"], tmp_path / "p.yaml", "medium", runs=3, json=True)


@pytest.mark.parametrize("scenario", list(TEAMS))
def test_teams_are_predicted_from_one_agents_runs(
    scenario: str, recorded: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = recorded(scenario)
    capsys.readouterr()
    calibrating.show_backtest(experiment, "medium", runs=480, json=True)
    told = json.loads(capsys.readouterr().out)["predictions"]
    teams = [*((team, True) for team in TEAMS[scenario][1:]), ("solo", False)]
    assert [(one["team"], one["held_out"]) for one in told] == teams
    for one in told:
        predicted, actual = one["predicted"], one["actual"]
        assert predicted["success"]["value"] == pytest.approx(actual["success"]["value"], abs=0.12)
        assert predicted["tokens"] == pytest.approx(actual["tokens"], rel=0.1)
        assert predicted["latency_s"] == pytest.approx(actual["latency_s"], rel=0.15)
