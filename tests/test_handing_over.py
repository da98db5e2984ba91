"""What passes between agents is lost now and then; who has a part of the job does not have the plan of all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.models.simulated.index import index_of
from experiments.failures.autopsy_rules import find
from experiments.judging.statistics import wilson
from experiments.plan import Plan
from experiments.running.trial import Bench
from tests import trials
from tests.trials import chats, do, profile, puzzle

RUNS = 120


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return puzzle(tmp_path / "puzzle", subtasks=4)


def _done(job: Path, team: str, runs: int = RUNS, **handover: float) -> list[trials.Done]:
    model = profile(job.with_name("model.yaml"), handover={"loss": 0.2, "bent": 1, "unaided": 1, **handover})
    return do(Plan(str(job), (team,), model=model, trials=runs, seed=5))


def _right(done: list[trials.Done]) -> float:
    return sum(bool(outcome.success) for outcome, _ in done) / len(done)


def _holds(rate: float, expected: float) -> bool:
    low, high = wilson(rate, RUNS)
    return low - 0.03 <= expected <= high + 0.03


def test_each_hop_loses_and_one_agent_loses_nothing(job: Path) -> None:
    assert _right(_done(job, "solo", 10)) == 1
    assert _holds(_right(_done(job, "pipeline")), 0.8**3)


def test_who_has_a_part_finds_out_by_itself_what_it_was_not_told_or_does_without(job: Path) -> None:
    assert _right(_done(job, "graph", 20, bent=0, unaided=1)) == 1
    assert _holds(_right(_done(job, "graph", bent=0, unaided=0)), 0.8**3)


def test_a_plan_that_forgets_what_a_part_rests_on_is_mended_only_by_who_works_it_out(job: Path) -> None:
    def right(unaided: float) -> float:
        model = profile(
            job.with_name("m.yaml"),
            plan_error=1,
            handover={"loss": 0, "bent": 0, "unaided": unaided},
            check={"own": 0, "other": 0},
        )
        return _right(do(Plan(str(job), ("supervisor",), model=model, trials=20, seed=5)))

    assert right(0) < 0.5  # the last part is told of all
    assert right(1) == 1


@pytest.mark.parametrize("bent", [0, 1])
def test_what_got_lost_is_labelled_where_it_did_and_the_autopsy_finds_it(job: Path, bent: float) -> None:
    index = index_of(Bench(Plan(str(job), ("graph",))).scenario.case("case_0"))
    failed = [recorder for outcome, recorder in _done(job, "graph", 40, bent=bent, unaided=0) if not outcome.success]
    assert failed
    for recorder in failed:
        fault = next(chat.fault for chat in chats(recorder) if chat.fault is not None)
        first = find(recorder.records, index).errors[0]
        assert fault.mode == ("says_not_does" if bent else "withholds")
        assert (first.step, first.label) == (fault.step, "careless" if bent else "withholds")
