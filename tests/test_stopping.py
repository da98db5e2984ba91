"""Order and early stopping: what is done first cannot change what comes out, and a decided experiment ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import order
from experiments import plan as plans
from experiments.judging import judging
from experiments.judging.recommending import Limits
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial
from experiments.running.conduct import Progress, conduct, prepare
from experiments.running.resume import resume
from experiments.running.stopping import Turn, read_begun, settled, write_begun
from tasks import scenario as scenarios
from tests.killing import Killing
from traces import journal
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.store import Store

TEAMS = ("solo", "ensemble", "cascade")


@settings(max_examples=30)
@given(st.integers(0, 10**9), st.integers(1, 3), st.sampled_from([None, 0.1]))
def test_every_run_is_done_once_in_whole_blocks(seed: int, trials: int, stop: float | None) -> None:
    plan = Plan("market_brief", TEAMS, trials=trials, seed=seed, stop_early=stop)
    listed = plans.trials(plan, scenarios.load("market_brief"))
    found = order.in_order(plan, listed)
    assert sorted(found, key=lambda trial: trial.run) == listed
    blocks = [found[n : n + len(TEAMS)] for n in range(0, len(found), len(TEAMS))]
    assert all(len({(trial.case, trial.trial) for trial in block}) == 1 for block in blocks)
    if stop is not None:
        cases = [trial.case for trial in found]
        assert list(dict.fromkeys(cases)) == [case for n, case in enumerate(cases) if n == 0 or cases[n - 1] != case]


def test_teams_take_every_place_in_their_blocks_about_as_often() -> None:
    plan = Plan("market_brief", TEAMS, trials=60)
    found = order.in_order(plan, plans.trials(plan, scenarios.load("market_brief")))
    first = Counter(trial.team for trial in found[:: len(TEAMS)])
    assert set(first) == set(TEAMS)
    assert all(abs(count - 440) < 80 for count in first.values())  # 440 ± 17 by chance


def _big() -> Plan:
    """One agent against an ensemble of three on a weak model: a difference beyond doubt."""
    return Plan("billing_support", ("solo", "pipeline"), model="sim:small", trials=6, stop_early=0.3)


def _conducted(plan: Plan) -> tuple[ExperimentFolder, Progress]:
    folder = prepare(plan)
    return folder, conduct(folder)


@pytest.fixture(scope="module")
def decided() -> dict[str, object]:
    """What came of it on one process; filled by the first test that asks."""
    return {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("place", "workers", "kill"),
    [
        ("processes", 1, None),
        ("processes", 2, "experiments.running.worker"),
        ("here", 2, None),
        ("ray", 2, "ray::Node"),
    ],
)
def test_it_stops_where_all_is_decided_wherever_it_runs_though_a_worker_is_killed(
    place: str, workers: int, kill: str | None, decided: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.running.conduct.HEARTBEAT_S", 0.05)
    folder = prepare(msgspec.structs.replace(_big(), on=place, workers=workers))
    killing = Killing(1, kill or "", times=0 if kill is None else 1)
    progress = conduct(folder, killing)
    assert killing.left == 0
    status = folder.read_status()
    assert status is not None
    assert (status.state, status.message) == ("finished", progress.decided)
    assert progress.decided.startswith("decided after ")
    assert 0 < progress.done < progress.total
    _whole_cases(progress, _big())
    assert not journal.missing(folder.journals()) + [d for path in folder.journals() for d in journal.damaged(path)]
    rows = Store().team_rows(folder.id)
    assert sorted(row.run for row in rows) == sorted(outcome.run for outcome in progress.outcomes)
    found = (progress.digest, progress.decided, progress.done)
    assert decided.setdefault("found", found) == found


def _whole_cases(progress: Progress, plan: Plan) -> None:
    """Whole cases were done, the first of the order, and one fewer would not have decided."""
    done = Counter(outcome.case for outcome in progress.outcomes)
    assert set(done.values()) == {plan.trials * len(plan.teams)}
    wanted = order.cases(plan.seed, (case.id for case in scenarios.load(plan.scenario).cases))
    assert set(done) == set(wanted[: len(done)])
    before = [o for o in progress.outcomes if o.case != wanted[len(done) - 1]]
    assert settled(progress.outcomes, wanted, 0.3)
    assert not settled(before, wanted, 0.3)


def test_what_was_decided_is_not_gone_on_with_and_its_verdict_holds_at_every_look() -> None:
    folder, progress = _conducted(_big())
    again = resume(folder)
    assert (again.done, again.decided) == (progress.done, progress.decided)
    found = judging.again(folder.id, 0.3, Limits())
    (compared,) = found.verdict.differences
    assert compared.these is None
    assert compared.like_these is not None
    assert (compared.like_these.low, compared.like_these.high) == found.pairs[0].at_any_time
    assert compared.like_these.cases == len({outcome.case for outcome in progress.outcomes})
    rows = Store().team_rows(folder.id)
    assert len(rows) == progress.done


def test_one_that_is_not_decided_does_all_its_runs() -> None:
    folder, progress = _conducted(Plan("market_brief", ("solo", "cascade"), trials=1, cases=4, stop_early=0.01))
    assert (progress.done, progress.decided) == (progress.total, "")
    assert "--stop-early 0.01" in folder.read_plan()["command"]


def test_the_order_changes_nothing_in_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("market_brief", ("solo", "market"), trials=2, cases=3, on="here", workers=1)
    _, drawn = _conducted(plan)
    monkeypatch.setattr("experiments.running.threads.in_order", lambda plan, trials: list(reversed(trials)))
    _, reverse = _conducted(plan)
    assert drawn.digest == reverse.digest
    assert [o.run for o in drawn.outcomes] != [o.run for o in reverse.outcomes]


def test_no_look_is_for_a_team_that_is_no_better() -> None:
    """With a look after each of 40 cases, equal teams are called better in few experiments."""
    wrong = 0
    for number in range(60):
        outcomes = list(_equal(number))
        cases = [f"c{n}" for n in range(40)]
        wrong += any(_better([o for o in outcomes if int(o.case[1:]) < n], cases) for n in range(2, 41, 2))
    assert wrong <= 8  # 99.9 % of what 5 % would give


def _better(outcomes: list[Outcome], cases: list[str]) -> bool:
    from experiments.judging.verdict import judge

    return judge(outcomes, order=cases, stopped=True).kind == "team_worth_it"


def _equal(seed: int) -> list[Outcome]:
    import numpy as np

    rng = np.random.default_rng(seed)
    rates = rng.beta(4, 2, 40)
    fixed = {"engine": "native", "model": "m", "score": 0.0, "tokens": 1, "cost_nano_usd": 1, "latency_s": 1.0}
    return [
        Outcome(run=0, team=team, case=f"c{case}", trial=trial, success=bool(rng.random() < rates[case]), messages=0,
                calls=1, status="completed", **fixed)  # type: ignore[arg-type]
        for team in ("solo", "team") for case in range(40) for trial in range(3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan("market_brief", ("solo", "market"), stop_early=1.5), "--stop-early: 1.5 should be between 0 and 1"),
        (Plan("market_brief", ("market",), stop_early=0.1), "there is nothing to decide"),
    ],
)
def test_what_cannot_stop_early_is_told(plan: Plan, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plans.check(plan)


def test_a_run_waits_for_its_case_to_begin(tmp_path: Path) -> None:
    plan = Plan("market_brief", ("solo", "market"), trials=1, stop_early=0.1)
    scenario = scenarios.load("market_brief")
    folder = ExperimentFolder(tmp_path)
    turn = Turn(plan, scenario, lambda: read_begun(folder))
    first, second = order.cases(plan.seed, (case.id for case in scenario.cases))[:2]
    assert not turn.has(Trial(0, "solo", "native", first, 0))
    write_begun(folder, 1)
    assert turn.has(Trial(0, "solo", "native", first, 0))
    assert not turn.has(Trial(1, "solo", "native", second, 0))
