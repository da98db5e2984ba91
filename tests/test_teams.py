"""Every team on every shipped scenario: the oracle solves everything, errors come from the trace, runs are equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import table
from experiments import plan as plans
from experiments.outcome import Outcome
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import do
from traces.errors import InputError
from traces.kernel import AnswerHandedIn, Chat, LimitHit, MessageSent, Record, RunFinished, RunStarted, TaskClosed
from traces.recorder import Recorder

SHIPPED = scenarios.shipped()
ALL = [*table.TEAMS, *table.ELSEWHERE]
PAIRS = [(engine, team) for engine in table.ENGINES for team in ALL if not table.engine(engine)().offers(team)]


@pytest.fixture(scope="module")
def knowledge_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for the index of the documents, so that it is built once."""
    return tmp_path_factory.mktemp("home")


def _run(plan: Plan, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Outcome, Recorder]]:
    monkeypatch.setenv("HEADCOUNT_HOME", str(home))
    return do(plan)


@pytest.mark.parametrize("scenario", SHIPPED)
@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_the_oracle_solves_every_case(
    scenario: str, engine: str, team: str, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _run(Plan(scenario, (team,), (engine,), model="sim:oracle", trials=1), knowledge_home, monkeypatch)
    failed = [
        (outcome.case, [c for r in recorder.records for c in getattr(r.event, "checks", ()) if not c.passed])
        for outcome, recorder in done
        if not outcome.success
    ]
    assert failed == []
    assert len(done) >= 20


@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_a_run_has_a_whole_trace(engine: str, team: str, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for outcome, recorder in _run(
        Plan("market_brief", (team,), (engine,), cases=6, trials=1), knowledge_home, monkeypatch
    ):
        records: list[Record] = recorder.records
        events = [record.event for record in records]
        assert isinstance(events[0], RunStarted)
        assert isinstance(events[-1], RunFinished)
        assert [r.seq for r in records] == list(range(len(records)))
        assert [r.t for r in records] == sorted(r.t for r in records)
        chats = [e for e in events if isinstance(e, Chat)]
        assert sum(e.usage.tokens for e in chats) == outcome.tokens == events[-1].usage.tokens
        assert sum(e.usage.cost_nano_usd or 0 for e in chats) == outcome.cost_nano_usd
        assert sum(isinstance(e, MessageSent) for e in events) == outcome.messages
        assert any(isinstance(e, AnswerHandedIn) for e in events)


@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_one_seed_gives_one_run_to_the_byte(
    engine: str, team: str, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan("market_brief", (team,), (engine,), model="sim:small", cases=8, trials=2, seed=7)
    first = [r.digest for _, r in _run(plan, knowledge_home, monkeypatch)]
    again = [r.digest for _, r in _run(plan, knowledge_home, monkeypatch)]
    other = [r.digest for _, r in _run(Plan(**{**_fields(plan), "seed": 8}), knowledge_home, monkeypatch)]
    assert first == again
    assert first != other


def _fields(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in plan.__struct_fields__}


@pytest.mark.parametrize(("engine", "team"), PAIRS)
def test_a_used_up_budget_ends_the_run_with_the_best_answer_so_far(
    engine: str, team: str, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = plans.Budget(tokens=2000)
    plan = Plan("market_brief", (team,), (engine,), model="sim:oracle", cases=3, trials=1, budget=budget)
    for outcome, recorder in _run(plan, knowledge_home, monkeypatch):
        events = [record.event for record in recorder.records]
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        hits = [e for e in events if isinstance(e, LimitHit)]
        if outcome.status == "limited":
            assert hits
            assert hits[0].kind == "tokens"
            assert hits[0].value >= hits[0].limit == 2000
            assert "tokens" in finished.ended_by
            handed = [e.content for e in events if isinstance(e, AnswerHandedIn)]
            assert finished.answer == (handed[-1] if handed else "")
        else:
            assert outcome.tokens < 2000 + 3000
    assert any(outcome.status == "limited" for outcome, _ in _run(plan, knowledge_home, monkeypatch))


@pytest.mark.parametrize("engine", table.ENGINES)
def test_what_an_engine_does_not_offer_is_refused_with_the_reason(engine: str) -> None:
    for team in ALL:
        if (engine, team) not in PAIRS:
            with pytest.raises(InputError, match=rf"team '{team}' on engine '{engine}': .+ --engines"):
                plans.check(Plan("market_brief", (team,), (engine,)))


def test_smaller_models_do_worse_and_errors_have_names(knowledge_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = _run(Plan("market_brief", ("solo",), model="sim:small", trials=3), knowledge_home, monkeypatch)
    large = _run(Plan("market_brief", ("solo",), model="sim:large", trials=3), knowledge_home, monkeypatch)
    assert sum(o.success for o, _ in small) < sum(o.success for o, _ in large)
    for outcome, recorder in small:
        faults = [r.event.fault.mode for r in recorder.records if isinstance(r.event, Chat) and r.event.fault]
        assert outcome.success or faults, f"{outcome.case} failed without an error in its trace"


def test_the_market_settles_every_posting(knowledge_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, recorder in _run(Plan("market_brief", ("market",), cases=5, trials=1), knowledge_home, monkeypatch):
        closed = [r.event for r in recorder.records if isinstance(r.event, TaskClosed)]
        assert closed
        assert {e.state for e in closed} == {"settled"}
