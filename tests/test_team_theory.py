"""Teams against closed forms: voters, cascades, chains and reviewers on puzzles of known difficulty.

Each conclusion is right with a known probability, so what a team's shape makes of it can be worked out."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import binom, binomtest

from experiments.plan import Plan
from tests.trials import do, profile, puzzle

RUNS = 500


def _share(plan: Plan) -> tuple[int, int, float]:
    """(successes, runs, mean model calls)"""
    outcomes = [outcome for outcome, _ in do(plan)]
    return sum(o.success for o in outcomes), len(outcomes), sum(o.calls for o in outcomes) / len(outcomes)


def _agrees(successes: int, runs: int, expected: float) -> bool:
    interval = binomtest(successes, runs).proportion_ci(0.999, "wilson")
    return bool(interval.low <= expected <= interval.high)


def _team(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(("voters", "error"), [(3, 0.3), (5, 0.3), (5, 0.45), (4, 0.4)])
def test_independent_voters_are_a_binomial_majority(voters: int, error: float, tmp_path: Path) -> None:
    """Condorcet's jury theorem. Two groups of equal size: the earliest proposal decides, a coin as fair as any."""
    scenario = puzzle(tmp_path / "puzzle")
    team = _team(tmp_path / "jury.yaml", f"shape: ensemble\nmembers: [{{role: solo, count: {voters}}}]\n")
    model = profile(tmp_path / "model.yaml", error=error)
    successes, runs, calls = _share(Plan(str(scenario), (team,), model=model, trials=RUNS))
    right = 1 - error
    expected = 1 - binom.cdf(voters // 2, voters, right)
    if voters % 2 == 0:
        expected += binom.pmf(voters // 2, voters, right) * 0.5
    assert _agrees(successes, runs, expected), f"{successes} of {runs}, expected {expected:.3f}"
    assert calls == voters


def test_two_voters_who_differ_are_judged(tmp_path: Path) -> None:
    """A judge who never errs makes two voters right unless both are wrong."""
    scenario = puzzle(tmp_path / "puzzle")
    team = _team(tmp_path / "pair.yaml", "shape: ensemble\nmembers: [{role: solo, count: 2}]\n")
    model = profile(tmp_path / "model.yaml", error=0.4)
    successes, runs, _ = _share(Plan(str(scenario), (team,), model=model, trials=RUNS))
    assert _agrees(successes, runs, 1 - 0.4**2)


def test_a_cascade_costs_and_gives_what_its_formula_says(tmp_path: Path) -> None:
    scenario = puzzle(tmp_path / "puzzle")
    first, second, catch, alarm = 0.6, 0.9, 0.8, 0.1
    small = profile(tmp_path / "small.yaml", error=1 - first)
    check = {"other": catch, "false_alarm": alarm}
    large = profile(tmp_path / "large.yaml", error=1 - second, check=check)
    team = _team(
        tmp_path / "two.yaml", f"shape: cascade\nmembers: [{{role: solo, model: '{small}'}}, {{role: solo}}]\n"
    )
    successes, runs, calls = _share(Plan(str(scenario), (team,), model=large, trials=RUNS))
    escalated = first * alarm + (1 - first) * catch
    assert _agrees(successes, runs, first * (1 - alarm) + escalated * second)
    assert _agrees(round((calls - 2) * runs), runs, escalated)


@pytest.mark.parametrize("stages", [1, 2, 5])
def test_a_chain_without_checks_is_right_when_every_stage_is(stages: int, tmp_path: Path) -> None:
    scenario = puzzle(tmp_path / "puzzle", subtasks=stages)
    model = profile(tmp_path / "model.yaml", error=0.1)
    successes, runs, calls = _share(Plan(str(scenario), ("pipeline",), model=model, trials=RUNS))
    assert _agrees(successes, runs, 0.9**stages)
    assert calls == stages


@pytest.mark.parametrize(("catch", "alarm"), [(0.0, 0.0), (0.7, 0.0), (1.0, 0.0), (0.7, 0.4)])
def test_a_reviewer_changes_success_as_its_formula_says(catch: float, alarm: float, tmp_path: Path) -> None:
    """Two conclusions, the second resting on the first, one round of review. A caught root is found out again with what
    rests on it; a false alarm about the first has it found out again, and the second stands if that is the same."""
    scenario = puzzle(tmp_path / "puzzle", subtasks=2)
    right = 0.7
    model = profile(tmp_path / "model.yaml", error=1 - right, check={"other": catch, "false_alarm": alarm})
    team = _team(tmp_path / "reviewed.yaml", "shape: supervisor\nstop: {max_rounds: 2}\n")
    successes, runs, _ = _share(Plan(str(scenario), (team,), model=model, trials=RUNS))
    unhurt = right**2 * (1 - alarm + alarm * right)
    mended = catch * ((1 - right) * right**2 + right * (1 - right) * right)
    assert _agrees(successes, runs, unhurt + mended)


def test_debaters_with_sharp_eyes_are_right_unless_they_agree_on_what_is_wrong(tmp_path: Path) -> None:
    """Every error is attacked, and the judge never errs: only a shared error, which ends the debate at once, stays."""
    scenario = puzzle(tmp_path / "puzzle")
    model = profile(tmp_path / "model.yaml", error=0.4)
    successes, runs, _ = _share(Plan(str(scenario), ("debate",), model=model, trials=RUNS))
    assert _agrees(successes, runs, 1 - 0.4**2)
