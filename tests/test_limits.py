"""Equal terms: by default nothing but the budget ends the work of one agent or of any team, on any engine."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path

import pytest

from agents import settings, table
from agents.limits import LIMITS
from agents.models.simulated.index import index_of
from experiments.judging.judged import verdict_on
from experiments.plan import Plan
from marketplace.mechanisms import MECHANISMS
from tasks import scenario as scenarios
from tests.long_jobs import scenario
from tests.trials import do, events
from tools import registry
from traces.kernel import Budget, Chat, LimitHit, RunStarted, ToolExecuted

ENGINES = ("native", "autogen", "crewai")
OFFERED = [
    (engine, team) for engine in ENGINES for team in settings.shipped() if not table.engine(engine)().offers(team)
]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario(tmp_path_factory.mktemp("long") / "meters", calls=30, subtasks=20)


@pytest.mark.parametrize(("engine", "team"), OFFERED)
def test_every_team_on_every_engine_does_thirty_calls_and_twenty_subtasks(jobs: Path, engine: str, team: str) -> None:
    done = do(Plan(str(jobs), (team,), (engine,), "sim:oracle", trials=1))
    assert {outcome.case: (outcome.success, outcome.status) for outcome, _ in done} == {
        "many_calls": (True, "completed"),
        "many_subtasks": (True, "completed"),
    }
    assert not {e.kind for _, recorder in done for e in events(recorder) if isinstance(e, LimitHit)} & {
        "max_steps",
        "calls",
    }


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_of_the_market_trades_as_many_subtasks_as_there_are(tmp_path: Path, mechanism: str) -> None:
    jobs = scenario(tmp_path / "meters", calls=30, subtasks=40)  # half of them are open for bids at once
    team = tmp_path / "market.yaml"
    team.write_text(f"shape: market\nmechanism: {mechanism}\n")
    done = do(Plan(str(jobs), (str(team),), model="sim:oracle", trials=1))
    assert [(outcome.success, outcome.status) for outcome, _ in done] == [(True, "completed")] * 2


@pytest.mark.parametrize(("engine", "team"), OFFERED)
def test_a_limit_of_steps_is_the_same_amount_of_work_for_all_and_is_told(
    jobs: Path, tmp_path: Path, engine: str, team: str
) -> None:
    if team == "router":
        pytest.skip("it has the habits of the team that it routes to")
    file = tmp_path / f"{team}.yaml"
    file.write_text(f"shape: {team}\nagent: {{max_steps: 9}}\n")
    for outcome, recorder in do(Plan(str(jobs), (str(file),), (engine,), "sim:oracle", trials=1)):
        steps = sum(bool(e.tool_calls) for e in events(recorder) if isinstance(e, Chat) and e.tools)
        executed = [e for e in events(recorder) if isinstance(e, ToolExecuted)]
        assert len(executed) <= 9 <= steps
        assert (outcome.success, outcome.status) == (False, "limited")
        assert outcome.ended_by == "max_steps: 9 of 9"
        assert [(e.kind, e.limit) for e in events(recorder) if isinstance(e, LimitHit)].count(("max_steps", 9)) == 1


def test_the_verdict_says_which_limit_ended_whose_runs(jobs: Path, tmp_path: Path) -> None:
    file = tmp_path / "hasty.yaml"
    file.write_text("shape: supervisor\nagent: {max_steps: 9}\n")
    plan = Plan(str(jobs), ("solo", str(file)), model="sim:oracle", trials=1)
    outcomes = [outcome for outcome, _ in do(plan)]
    assert "Ended by a limit: 2 of 2 runs of hasty (max_steps)." in verdict_on({}, outcomes).reason
    assert "limit" not in verdict_on({}, [o for o in outcomes if o.team == "solo"]).reason


def test_a_run_that_nothing_would_end_has_a_limit_of_calls_and_says_so(tmp_path: Path) -> None:
    jobs = scenario(tmp_path / "meters", calls=400, subtasks=2)
    plan = Plan(str(jobs), ("ensemble",), model="sim:oracle", cases=("many_calls",), trials=1)
    ((outcome, recorder),) = do(plan)
    started = events(recorder)[0]
    assert isinstance(started, RunStarted)
    assert started.run.budget == Budget(calls=1000)
    assert outcome.status == "limited"
    assert outcome.ended_by.startswith("budget: calls: 100")


def test_any_other_budget_stands_alone(jobs: Path) -> None:
    for budget in (Budget(tokens=10**7), Budget(seconds=10**5), Budget(calls=5000)):
        plan = Plan(str(jobs), ("solo",), model="sim:oracle", cases=("many_subtasks",), trials=1, budget=budget)
        ((_, recorder),) = do(plan)
        started = events(recorder)[0]
        assert isinstance(started, RunStarted)
        assert started.run.budget == budget


def test_the_docs_list_every_limit_as_the_code_has_it() -> None:
    text = (Path(__file__).parent.parent / "docs" / "limits.md").read_text()
    listed = [line for line in text.splitlines() if line.startswith("| ")][1:]
    numbers = ["no limit" if limit.number is None else f"{limit.number:,.0f}" for limit in LIMITS]
    assert listed == [
        f"| {limit.name} | {number} | {limit.what} | {limit.who} | {limit.shows} |"
        for limit, number in zip(LIMITS, numbers, strict=True)
    ]


def test_what_is_worked_out_for_a_case_or_a_tool_goes_with_it(jobs: Path) -> None:
    loaded = scenarios.load(str(jobs))
    case, tool = loaded.cases[0].model_copy(), dataclasses.replace(registry.load(jobs)["meter"])
    index, validator = weakref.ref(index_of(case)), weakref.ref(tool.validator)
    assert index_of(case) is index()
    assert index_of(case.model_copy()) is not index()
    assert tool.validator is validator()
    del case, tool
    gc.collect()
    assert (index(), validator()) == (None, None)
