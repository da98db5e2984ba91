"""What a few cases say: of themselves, of others like them, and at every look."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.judging import betting, like_these, these_cases
from experiments.judging.these_cases import Case

MEANS = st.lists(st.integers(-20, 20).map(lambda n: n / 20), min_size=2, max_size=30)


@given(MEANS, st.floats(-0.9, 0.9))
def test_the_evidence_is_the_best_bet_that_cannot_lose_everything(means: list[float], value: float) -> None:
    stakes = np.linspace(0, 1 - 1e-9, 4001)
    gains = (np.array(means) - value) / (1 + value)
    best = max(0.0, float(np.log1p(np.outer(stakes, gains)).sum(axis=1).max()))
    assert like_these.evidence_above(means, value) == pytest.approx(best, abs=1e-3)


@given(MEANS)
def test_the_interval_holds_the_mean_and_turns_round_with_the_sides(means: list[float]) -> None:
    low, high = like_these.interval(means)
    assert -1 <= low <= np.mean(means) + 1e-9
    assert np.mean(means) - 1e-9 <= high <= 1
    assert like_these.interval([-x for x in means]) == pytest.approx((-high, -low))
    assert 0 <= like_these.p_value(means) <= 1


@given(MEANS, st.data())
def test_a_case_that_went_worse_for_the_team_never_speaks_for_it(means: list[float], data: st.DataObject) -> None:
    worse = data.draw(st.integers(0, len(means) - 1))
    lower = [*means[:worse], max(-1.0, means[worse] - 0.1), *means[worse + 1 :]]
    assert like_these.evidence_above(lower, 0.0) <= like_these.evidence_above(means, 0.0) + 1e-9
    assert like_these.ruled_out_above(lower) <= like_these.ruled_out_above(means) + 1e-9


@pytest.mark.parametrize("cases", [6, 24, 59, 149])
def test_where_nothing_differed_the_bound_is_the_exact_rule_of_three(cases: int) -> None:
    assert like_these.ruled_out_above([0.0] * cases) == pytest.approx(1 - 0.05 ** (1 / cases))


@pytest.mark.parametrize("margin", [0.02, 0.03, 0.05, 0.1, 0.15, 0.2])
def test_the_fewest_cases_for_enough_are_just_enough(margin: float) -> None:
    fewest = like_these.fewest_for_enough(margin)
    assert like_these.rules_out([0.0] * fewest, margin)
    assert not like_these.rules_out([0.0] * (fewest - 1), margin)


@pytest.mark.parametrize("teams", [1, 2, 3, 4, 6, 9, 12])
def test_with_fewer_cases_than_needed_no_team_can_be_worth_it(teams: int) -> None:
    fewest = like_these.fewest_for_worth(teams)
    assert like_these.p_value([1.0] * fewest) * teams < 0.05
    below = like_these.p_value([1.0] * (fewest - 1)) * teams
    assert below >= 0.05 or fewest == like_these.FEWEST


@pytest.mark.parametrize("cases", [6, 12, 24, 60])
def test_the_smallest_gain_that_can_be_seen_is_the_edge(cases: int) -> None:
    gain = like_these.smallest_gain(cases)
    assert like_these.evidence_above([gain + 1e-4] * cases, 0.0) >= like_these.EVIDENCE
    assert like_these.evidence_above([gain - 1e-4] * cases, 0.0) < like_these.EVIDENCE


def test_a_few_bad_cases_that_may_have_been_missed_keep_a_team_from_being_worth_it() -> None:
    """Six points better in each of twelve cases: one case in seventeen at the bottom would undo that."""
    assert like_these.interval([0.06] * 12)[0] < 0
    found = these_cases.estimate([Case([1] * 20, [1] * 18 + [0] * 2)] * 12)
    assert found is not None
    assert found.interval()[0] > 0


def test_the_stratified_error_is_by_the_book() -> None:
    cases = [Case([1, 1, 0, 1], [0, 1, 0, 0]), Case([0, 0, 1, 0], [0, 0, 1, 1])]
    found = these_cases.estimate(cases)
    assert found is not None
    variances = [(3 / 16 + 3 / 16) * 4 / 3, (3 / 16 + 4 / 16) * 4 / 3]
    assert found.value == pytest.approx((0.5 - 0.25) / 2)
    assert found.error == pytest.approx(math.sqrt(sum(variances) / 4) / 2)
    assert found.freedom == 12


def test_trials_that_all_agree_leave_what_the_rule_of_three_leaves() -> None:
    found = these_cases.estimate([Case([1] * 100, [1] * 100)])
    assert found is not None
    assert found.interval()[1] == pytest.approx(3 / 100, rel=0.03)


def test_one_trial_of_a_single_case_says_nothing_and_of_many_the_cases_spread() -> None:
    assert these_cases.estimate([Case([1], [0])]) is None
    assert these_cases.estimate([]) is None
    found = these_cases.estimate([Case([1], [0]), Case([0], [0]), Case([1], [1]), Case([0], [1])])
    assert found is not None
    assert found.freedom == 3
    assert found.error == pytest.approx(math.sqrt(max(4 * 2 / 3, 2.34)) / 4)


def test_the_fewest_runs_for_enough_are_just_enough() -> None:
    for margin in (0.02, 0.05, 0.1, 0.2):
        fewest = these_cases.fewest_runs_for_enough(margin)
        for runs, expected in ((fewest, True), (fewest - 1, False)):
            found = these_cases.Estimate(0.0, math.sqrt(these_cases.FLOOR) / runs, runs)
            assert (found.interval()[1] < margin) is expected


@pytest.mark.parametrize("value", [-0.5, 0.0, 0.3])
def test_betting_against_a_fair_game_wins_nothing_on_average(value: float) -> None:
    chance = (1 + value) / 2  # of 1, else -1: the mean is `value`
    wins = against = 0.0
    for drawn in itertools.product((1, -1), repeat=8):
        likely = math.prod(chance if x > 0 else 1 - chance for x in drawn)
        wins += likely * betting.wealth_above(drawn, value)
        against += likely * betting.wealth_against_margin(drawn, value)
    assert wins == pytest.approx(1)
    assert against == pytest.approx(1)


@given(st.lists(st.integers(-5, 5).map(lambda n: n / 5), min_size=1, max_size=20))
def test_what_was_won_once_counts_at_every_later_look(drawn: list[float]) -> None:
    looks = [betting.confidence_sequence(drawn[:n]) for n in range(1, len(drawn) + 1)]
    assert all(-1 <= low <= high <= 1 for low, high in looks)
    best = [betting.best_above(drawn[:n], 0.0) for n in range(1, len(drawn) + 1)]
    assert best == sorted(best)
    assert 0 < betting.p_value(drawn) <= 1
