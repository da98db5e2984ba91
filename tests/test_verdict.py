"""The verdict: each form from data that calls for it, never stronger than the numbers."""

from __future__ import annotations

import msgspec

from experiments.judging.verdict import judge, summarise
from experiments.outcome import Outcome
from tests.test_statistics import outcome


def _experiment(rates: dict[str, float], cases: int = 30, trials: int = 10, **more: object) -> list[Outcome]:
    """Each team succeeds in the first share of the trials of each case, so that rates are exact."""
    return [
        outcome(f"c{c}", t, (t + 7 * c) % trials < rate * trials, team, run=c * trials + t, **more)
        for team, rate in rates.items()
        for c in range(cases)
        for t in range(trials)
    ]


def test_a_team_that_is_much_better_is_worth_it() -> None:
    found = judge(_experiment({"solo": 0.5, "market": 0.8}))
    assert found.kind == "team_worth_it"
    assert found.text.startswith("The team is worth it: market succeeds in 30.0%")
    assert "1.0x the cost" in found.text


def test_an_equal_team_is_not() -> None:
    found = judge(_experiment({"solo": 0.8, "supervisor": 0.8, "market": 0.7}, cases=100))
    assert found.kind == "one_is_enough"
    assert found.text.startswith("One agent is enough: no team is better by more than 5 points")


def test_few_trials_decide_nothing() -> None:
    found = judge(_experiment({"solo": 0.5, "market": 1.0}, cases=2, trials=2))
    assert found.kind == "not_enough_trials"
    assert "would tell" in found.text


def test_it_may_depend_on_the_case() -> None:
    hard = _experiment({"solo": 0.4, "market": 0.7}, difficulty="hard", cases=12)
    easy = [
        msgspec.structs.replace(o, case=f"e{o.case}", difficulty="easy")
        for o in _experiment({"solo": 1.0, "market": 0.7}, cases=12)
    ]
    found = judge([*hard, *easy])
    assert found.kind == "depends_on_case"
    assert "on hard cases market" in found.text


def test_without_a_baseline_or_a_team_there_is_no_comparison() -> None:
    assert judge(_experiment({"solo": 0.5})).kind == "no_comparison"
    assert judge(_experiment({"market": 0.5})).kind == "no_comparison"
    assert judge([]).kind == "no_comparison"


def test_simulated_results_say_so_and_unknown_prices_stay_unknown() -> None:
    outcomes = _experiment({"solo": 0.8, "market": 0.8}, simulated=True, cost_nano_usd=None)
    found = judge(outcomes)
    assert "(simulated)" in found.reason
    assert "cost unknown" in found.reason
    assert all(s.cost_usd is None and s.cost_per_success_usd is None for s in summarise(outcomes))


def test_a_summary_adds_up() -> None:
    outcomes = [outcome("a", 0, True), outcome("b", 0, False, status="limited", tokens=300, latency_s=3.0)]
    (summary,) = summarise(outcomes)
    assert (summary.trials, summary.success, summary.tokens, summary.latency_s) == (2, 0.5, 200, 2.0)
    assert (summary.cost_usd, summary.cost_per_success_usd) == (1e-6, 2e-6)
    assert (summary.limited, summary.failed) == (0.5, 0.0)
