"""The verdict: each form from data that calls for it, never stronger than the numbers."""

from __future__ import annotations

import re

import msgspec
import pytest

from experiments.judging.judged import verdict_on
from experiments.judging.summaries import summarise
from experiments.judging.verdict import judge
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
    assert (found.kind, found.question) == ("team_worth_it", "like_these")
    assert found.text.startswith("For cases like these the team is worth it: market succeeds in 30.0%")
    assert "1.0x the cost" in found.text
    assert found.second.startswith("On these 30 cases the team is worth it")


def test_an_equal_team_is_not() -> None:
    found = judge(_experiment({"solo": 0.8, "supervisor": 0.8, "market": 0.7}, cases=100))
    assert (found.kind, found.question) == ("one_is_enough", "like_these")
    assert found.text == "For cases like these one agent is enough: no team is better by more than 5 points."


def test_the_stronger_claim_that_holds_is_the_headline_and_the_other_says_what_is_missing() -> None:
    """The demo's case: enough on the cases that were tried, open for others."""
    found = judge(_experiment({"solo": 0.95, "supervisor": 0.9, "market": 0.9}, cases=24, trials=20))
    assert (found.kind, found.question) == ("one_is_enough", "these")
    assert found.text.startswith("On these 24 cases one agent is enough: no team is better by more than 5 points")
    assert found.answers == {"like_these": "not_enough_trials", "these": "one_is_enough"}
    assert "can miss a kind of case that makes up 12% of them" in found.second
    assert "59 cases or more" in found.second


def test_few_trials_decide_nothing() -> None:
    found = judge(_experiment({"solo": 0.5, "market": 1.0}, cases=2, trials=2))
    assert (found.kind, found.question) == ("not_enough_trials", "")
    assert found.text.startswith("The answer is open: on these 2 cases market is not better beyond doubt")
    assert "takes at least 6 cases" in found.second


@pytest.mark.parametrize("cases", [1, 5])
def test_fewer_than_six_cases_answer_for_themselves_alone(cases: int) -> None:
    found = judge(_experiment({"solo": 0.0, "market": 1.0}, cases=cases, trials=20))
    assert (found.kind, found.question) == ("team_worth_it", "these")
    assert found.text.startswith("On this case" if cases == 1 else "On these 5 cases")
    assert all(one.like_these is None for one in found.differences)
    assert f"Of other cases {'this case says' if cases == 1 else 'these 5 cases say'} nothing" in found.second


def test_one_trial_of_one_case_is_no_comparison() -> None:
    found = judge(_experiment({"solo": 0.0, "market": 1.0}, cases=1, trials=1))
    assert found.kind == "no_comparison"
    assert "one trial of one case" in found.text


def test_cases_that_are_all_there_are_answer_for_themselves_alone() -> None:
    outcomes = _experiment({"solo": 0.5, "market": 0.8})
    found = judge(outcomes, exhaustive=True)
    assert (found.kind, found.question) == ("team_worth_it", "these")
    assert found.answers == {"these": "team_worth_it"}
    assert "all there are" in found.second


def test_what_stopped_early_says_nothing_of_these_cases_alone() -> None:
    outcomes = _experiment({"solo": 0.2, "market": 1.0}, cases=24)
    order = [f"c{n}" for n in range(60)]
    found = judge(outcomes, order=order, stopped=True)
    assert (found.kind, found.question) == ("team_worth_it", "like_these")
    assert all(one.these is None for one in found.differences)
    whole = judge(outcomes, order=order)
    assert whole.answers["these"] == "team_worth_it"


def test_help_that_lives_in_few_cases_is_not_denied_to_others_like_them() -> None:
    """Twelve cases that both solve nearly always: a kind of case that only the team can do may well be missing."""
    found = judge(_experiment({"solo": 1.0, "market": 1.0}, cases=12, trials=20))
    assert (found.kind, found.question) == ("one_is_enough", "these")
    assert found.answers["like_these"] == "not_enough_trials"


def test_classes_and_overall_share_one_family_of_tests() -> None:
    outcomes = [
        msgspec.structs.replace(o, difficulty=("easy", "hard")[int(o.case[1:]) % 2])
        for o in _experiment({"solo": 0.5, "market": 0.7}, cases=24)
    ]
    (alone,) = judge(_experiment({"solo": 0.5, "market": 0.7}, cases=24)).differences
    (split,) = judge(outcomes).differences
    assert alone.these is not None
    assert split.these is not None
    assert alone.these.p_adjusted == alone.these.p
    assert split.these.p_adjusted == pytest.approx(alone.these.p / 0.8)


def test_unequal_trials_are_told_where_the_table_shows_another_difference() -> None:
    """One agent's other trials went well: over those that both did the team is better, in the table it is not."""
    team = _experiment({"market": 0.8}, cases=12, trials=5)
    alone = [outcome(f"c{c}", t, t >= 3, "solo") for c in range(12) for t in range(40)]
    found = judge([*alone, *team])
    by_team = {one.team: one.success for one in summarise([*alone, *team])}
    assert by_team["market"] < by_team["solo"]
    assert "over the 60 trials that both answered, each case counting alike: 80.0% against 40.0%" in found.reason


def test_an_answer_is_reckoned_to_come_with_more_cases_or_more_trials() -> None:
    outcomes = _experiment({"solo": 0.8, "supervisor": 0.8}, cases=24, trials=10)
    found = verdict_on({"plan": {"scenario": "s"}}, outcomes)
    assert found.kind == "not_enough_trials"
    cases = re.search(r"([\d,]+) cases in all, 10 trials each, decide with a chance of (\d+)%", found.second)
    trials = re.search(r"([\d,]+) trials of each instead of 10 decide for these 24 cases", found.second)
    assert cases is not None
    assert trials is not None
    assert int(cases[1]) >= 59
    assert int(cases[2]) >= 80
    assert int(trials[1]) > 10


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


def test_where_nothing_can_be_compared_it_says_what_there_is() -> None:
    def text(*groups: tuple[str, str, int]) -> str:
        found = judge([outcome("c", t, True, team, engine=engine) for team, engine, t in groups])
        assert (found.kind, found.question, found.answers) == ("no_comparison", "", {})
        return found.text

    assert text() == "No comparison: there is only nothing."
    assert text(("solo", "native", 0)) == "No comparison: there is only solo."
    assert text(("market", "native", 0), ("pair", "native", 0)) == "No comparison: there is only market, pair."
    assert text(("market", "native", 0), ("market", "crewai", 0)) == "No comparison: there is only market."
    assert text(("solo", "native", 0), ("solo", "crewai", 0)) == "No comparison: there is only solo, on 2 engines."
    assert text(("solo", "native", 0), ("market", "native", 1)) == "No comparison: no trial was done by two teams."
    assert text(("solo", "native", 0), ("market", "native", 0)).startswith("No comparison: one trial of one case")


def test_what_lost_runs_leave_is_said_after_what_the_verdict_rests_on() -> None:
    made = _experiment({"solo": 0.5, "market": 0.7}, cases=12)
    gone = [o.run for o in made if o.team == "market" and o.success][:10]
    lost = [
        msgspec.structs.replace(o, status="failed", success=False, error="x")
        if o.team == "market" and o.run in gone
        else o
        for o in made
    ]
    found = judge(lost)
    assert re.search(r": (on these 12 cases|for cases like these) the team is worth it", found.text)
    assert re.search(r"Paired over 12 cases and \d+ trials\. 10 of 240 runs", found.reason)
