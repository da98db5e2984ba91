"""Runs without a result are no evidence: what is said holds whatever they would have come to, and where too many are
lost nothing is said."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds import outcomes
from experiments.judging import comparing, these_cases
from experiments.judging.missing import bounded
from experiments.judging.statistics import Difference
from experiments.judging.verdict import Verdict, judge
from experiments.outcome import Outcome
from experiments.running.stopping import settled
from tests.test_statistics import outcome
from tests.test_verdict import _experiment

REFUSED = "no connection to http://10.0.0.7:8000/v1 (tried 3 times)"
RULES: list[Callable[[Sequence[Outcome], Sequence[Outcome]], Difference | None]] = [
    comparing.on_these,
    comparing.on_like_these,
    lambda a, b: comparing.at_every_look(a, b, list(dict.fromkeys(o.case for o in b))),
]


def lost(one: Outcome, status: str = "failed", error: str = REFUSED) -> Outcome:
    return msgspec.structs.replace(one, status=status, success=False, error=error)


def losing(made: Sequence[Outcome], team: str, number: int, status: str = "failed") -> list[Outcome]:
    """The first runs of a team that had succeeded are lost."""
    chosen = [o.run for o in made if o.team == team and o.success][:number]
    return [lost(o, status) if o.team == team and o.run in chosen else o for o in made]


def _of(team: str, made: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in made if one.team == team]


def _either(one: Outcome, rng: random.Random) -> Outcome:
    return msgspec.structs.replace(one, success=rng.random() < 0.5)


@pytest.mark.parametrize("rule", RULES, ids=["these", "like these", "every look"])
@settings(max_examples=25)
@given(data=st.data())
def test_what_is_said_holds_whatever_the_lost_runs_would_have_come_to(
    rule: Callable[[Sequence[Outcome], Sequence[Outcome]], Difference | None], data: st.DataObject
) -> None:
    rng = random.Random(data.draw(st.integers(0, 10_000)))
    cases, trials = data.draw(st.sampled_from([(1, 10), (6, 3), (8, 5), (12, 1), (30, 2)]))
    rates = {team: data.draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])) for team in ("solo", "market")}
    whole = [
        outcome(f"c{c}", t, rng.random() < rates[team], team)
        for c in range(cases)
        for t in range(trials)
        for team in rates
    ]
    gone = set(rng.sample(range(len(whole)), data.draw(st.integers(1, max(1, len(whole) // 8)))))
    known = [lost(one) if n in gone else one for n, one in enumerate(whole)]
    said = rule(_of("market", known), _of("solo", known))
    if said is None:
        return
    for _ in range(2):
        would = [_either(o, rng) if n in gone else o for n, o in enumerate(whole)]
        true = rule(_of("market", would), _of("solo", would))
        assert true is not None
        assert said.low <= true.value <= said.high
        if said.low > 0:
            assert true.low > 0
            assert true.p <= max(said.p, 1e-3)  # far below any level it need not be ordered
        if said.at_most < 0.3:
            assert true.at_most <= said.at_most


def test_a_verdict_is_given_where_both_ends_agree_and_says_how_many_broke_off_and_why() -> None:
    found = judge(losing(_experiment({"solo": 0.5, "market": 0.8}), "market", 6))
    assert found.kind == "team_worth_it"
    assert found.text.endswith("That holds whatever the 6 runs that broke off would have come to.")
    assert f"6 of 600 runs broke off: market: 6 of 300 (6 x {REFUSED})." in found.reason
    enough = judge(losing(_experiment({"solo": 0.9, "market": 0.5}), "market", 1))
    assert enough.kind == "one_is_enough"
    assert enough.text.endswith("That holds whatever the 1 run that broke off would have come to.")


def test_where_only_the_other_runs_decide_that_is_said_as_such() -> None:
    made = _experiment({"solo": 0.5, "market": 0.7}, cases=12)
    assert judge(made).kind == "team_worth_it"
    found = judge(losing(made, "market", 10))
    assert found.kind == "not_enough_trials"
    assert found.text.startswith("Not beyond doubt, since 10 of 240 runs broke off. If the 10 runs that broke off are")
    assert "the team is worth it" in found.text
    assert found.answers["these"] == "not_enough_trials"


def test_above_a_tenth_of_a_teams_runs_there_is_no_verdict() -> None:
    made = _experiment({"solo": 0.1, "market": 1.0}, cases=10)
    assert judge(losing(made, "market", 10)).kind == "team_worth_it"
    found = judge(losing(made, "market", 11))
    assert (found.kind, found.question, found.answers) == ("runs_broke_off", "", {})
    assert found.text.startswith("No verdict: 11 of 200 runs broke off, 11% of market's.")
    assert REFUSED in found.reason
    assert not settled(losing(made, "market", 11), [f"c{c}" for c in range(10)], 0.05)


def test_where_one_team_has_no_result_the_others_are_told_and_no_verdict_is_given() -> None:
    for gone, there in (("solo", "market"), ("market", "solo")):
        made = [lost(o) if o.team == gone else o for o in _experiment({"solo": 0.9, "market": 0.9}, cases=4)]
        found = judge(made)
        assert found.kind == "runs_broke_off"
        assert found.text.startswith(f"No verdict: no run of {gone} has a result; 40 of 80 runs broke off.")
        assert there not in found.reason


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (["failed"], "the only run broke off"),
        (["failed"] * 4, "all 4 runs broke off"),
        (["ungraded"] * 3, "none of 3 runs could be graded"),
        (["interrupted"] * 2, "none of 2 runs finished"),
        (["failed", "ungraded"], "1 of 2 runs broke off and 1 could not be graded"),
    ],
)
def test_where_no_run_has_a_result_nothing_is_said_but_that_and_the_first_error(ways: list[str], said: str) -> None:
    found = judge([lost(outcome(f"c{n}", 0, False, run=n), way, f"error {n}") for n, way in enumerate(ways)])
    assert found == Verdict(
        "nothing_measured",
        f"Nothing was measured: {said}.",
        "The first error: error 0",
        lost=found.lost,
        first_error="error 0",
    )


def test_runs_that_nobody_could_grade_or_that_were_cut_off_did_not_break_off() -> None:
    made = _experiment({"solo": 0.1, "market": 1.0}, cases=10)
    ungraded = judge(losing(made, "market", 3, "ungraded"))
    assert "3 of 200 runs could not be graded" in ungraded.reason
    cut_off = judge(losing(made, "market", 12, "interrupted"))
    assert cut_off.kind == "team_worth_it"
    assert "12 of 200 runs did not finish" in cut_off.reason
    assert "broke off" not in ungraded.text + ungraded.reason + cut_off.text + cut_off.reason


def test_a_team_of_which_all_runs_were_cut_off_is_as_if_it_had_not_begun() -> None:
    two = _experiment({"solo": 0.1, "market": 1.0}, cases=10)
    begun = [lost(outcome("c0", 0, False, "supervisor", run=900), "interrupted")]
    assert judge(two + begun) == judge(two)


def test_a_budget_that_ended_a_run_is_an_answer() -> None:
    made = [msgspec.structs.replace(o, status="limited") for o in _experiment({"solo": 0.1, "market": 1.0}, cases=10)]
    assert judge(made).kind == "team_worth_it"
    assert not judge(made).lost


def test_help_on_a_class_of_cases_is_claimed_there_alone() -> None:
    made = [
        outcome(f"c{c}", t, (t < 10 * rates[c % 2]), team, run=100 * c + t, difficulty=("easy", "hard")[c % 2])
        for team, rates in (("solo", (1.0, 0.1)), ("market", (0.2, 1.0)))
        for c in range(24)
        for t in range(10)
    ]
    found = judge(losing(made, "market", 2))
    assert found.kind == "depends_on_case"
    assert found.text.endswith("On those cases that holds whatever the 2 runs that broke off would have come to.")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_a_better_team_whose_runs_are_lost_is_never_told_that_one_agent_is_enough(share: float) -> None:
    """12 points better; lost runs counted as failures made one agent enough (benchmarks/lost.py has the rates)."""
    rng = np.random.default_rng(5)
    kinds: Counter[str] = Counter()
    for _ in range(12):
        solo = rng.beta(2, 2, 24) * 0.88
        made = outcomes(10, (solo, solo + 0.12), rng)
        kinds[judge([lost(o) if o.team != "solo" and rng.random() < share else o for o in made]).kind] += 1
    assert "one_is_enough" not in kinds
    assert kinds["team_worth_it"] >= 10 or share > 0
    assert kinds["runs_broke_off"] == 12 or share < 0.3


def _pairs(team: str, base: str) -> tuple[list[Outcome], list[Outcome]]:
    """Six trials of each of a few cases, given by a letter each: w(on), l(ost), anything else failed."""

    def made(results: str, name: str) -> list[Outcome]:
        done = [outcome(f"c{n // 6}", n % 6, letter == "w", name) for n, letter in enumerate(results)]
        return [lost(one) if results[n] == "l" else one for n, one in enumerate(done)]

    return made(team, "market"), made(base, "solo")


def test_bounds_by_hand() -> None:
    """Of 12 pairs one is lost for the team and one for the baseline, both of which may have been either."""
    a, b = _pairs("wwwwwlwwwwww", "w-----l-----")
    low, high = (
        comparing.on_these(*_pairs(*both)) for both in (("wwwww-wwwwww", "w-----w-----"), ("w" * 12, "w-----------"))
    )
    found = comparing.on_these(a, b)
    assert found is not None
    assert low is not None
    assert high is not None
    assert (found.low, found.high, found.at_most) == (low.low, high.high, high.at_most)
    assert found.p == max(low.p, high.p) < 1
    assert (found.cases, found.pairs, found.lost) == (2, 10, 2)
    assert found.rates == pytest.approx((1.0, 0.1))
    assert found.value == pytest.approx(0.9)
    turned = comparing.on_these(b, a)
    assert turned is not None
    assert turned.value == pytest.approx(-0.9)
    assert turned.p == pytest.approx(found.p)


@pytest.mark.parametrize(
    ("team", "base", "p"),
    [("wl----", "w-----", 1.0), ("w-----", "wl----", 1.0), ("w--l--", "---w--", 1.0), ("ll----", "-w----", 1.0)],
)
def test_where_no_difference_lies_between_the_bounds_its_p_is_1(team: str, base: str, p: float) -> None:
    found = comparing.on_these(*_pairs(team, base))
    assert found is not None
    assert found.p == p


def test_where_all_of_one_side_is_lost_the_value_is_the_middle() -> None:
    found = comparing.on_these(*_pairs("llllll", "w-----"))
    assert found is not None
    assert (found.pairs, found.lost, found.rates) == (0, 6, None)
    assert found.value == pytest.approx((-1 / 6 + 5 / 6) / 2)


def test_of_fewer_than_six_cases_nothing_is_said_about_others_and_of_none_nothing_at_all() -> None:
    six, five = _pairs("w" * 36, "-" * 36), _pairs("w" * 30, "-" * 30)
    assert comparing.on_like_these(*six) is not None
    assert comparing.on_like_these(*five) is None
    five[0][3] = lost(five[0][3])
    assert comparing.on_like_these(*five) is None
    assert comparing.on_these([], []) is None
    assert comparing.at_every_look(*six, order=["elsewhere"]) is None
    found = comparing.at_every_look(*six, order=["c2", "elsewhere"])
    assert found is not None
    assert found.value == 1.0


def test_equivalence_is_within_the_margin_on_both_sides_whatever_was_lost() -> None:
    even = _pairs("w-" * 60, "w-" * 60)
    more, less = _pairs("w" * 120, "w" * 114 + "-" * 6), _pairs("w" * 114 + "-" * 6, "w" * 120)
    for a, b in (more, less):
        margins = [margin for margin in (0.02, 0.05, 0.08, 0.12, 0.3) if comparing.equivalent(a, b, margin)]
        assert margins == [0.08, 0.12, 0.3]  # the interval at 90% ends at 7.1 points
        estimate = these_cases.estimate(list(bounded(a, b).low.values()))
        assert estimate is not None
        end = max(map(abs, estimate.interval(0.9)))
        assert not comparing.equivalent(a, b, end)
        assert comparing.equivalent(a, b, end + 1e-9)
    assert comparing.equivalent(*even, 0.2)
    holes = [lost(one) if n % 3 == 0 else one for n, one in enumerate(even[0])]
    assert not comparing.equivalent(holes, even[1], 0.2)
    assert not comparing.equivalent([], [], 0.9)
