"""What a few cases say: of themselves, of others like them, and at every look."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

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


def test_evidence_on_known_samples() -> None:
    """All stakes on a sure gain: m log(1 + g). Two wins in three at even odds: stake 1/3, by Kelly."""
    assert like_these.evidence_above([0.5] * 8, 0.0) == pytest.approx(8 * math.log(1.5))
    assert like_these.evidence_above([0.5] * 8, 0.2) == pytest.approx(8 * math.log(1 + 0.3 / 1.2))
    kelly = 2 * math.log(4 / 3) + math.log(2 / 3)
    assert like_these.evidence_above([1, 1, -1], 0.0) == pytest.approx(kelly)
    assert like_these.evidence_below([-1, -1, 1], 0.0) == pytest.approx(kelly)
    assert like_these.evidence_above([0.1, 0.1, -0.3], 0.0) == 0.0  # a loss on average speaks for nothing
    assert like_these.evidence_above([0.5, 0.5], -1.0) == math.inf
    assert like_these.evidence_below([0.5, 0.5], 1.0) == math.inf


def test_p_values_on_known_samples() -> None:
    """Eight cases of 0.1: the evidence is 8 log 1.1 = 0.7625, chi-square's at p = 0.2169; the signs' is 2/2^8."""
    assert like_these.p_value([0.1] * 8) == pytest.approx(stats.chi2.sf(2 * 8 * math.log(1.1), 1))
    assert like_these.p_value([-0.1] * 8) == pytest.approx(stats.chi2.sf(2 * 8 * math.log(1.1), 1))
    assert like_these.p_value([1.0] * 8) == pytest.approx(2 / 2**8)
    assert like_these.p_value([0.0] * 8) == 1.0


def test_the_interval_ends_where_chi_square_has_95_percent() -> None:
    low, high = like_these.interval([0.0] * 20)
    edge = math.expm1(stats.chi2.ppf(0.95, 1) / 2 / 20)
    assert (low, high) == pytest.approx((-edge / (1 + edge), edge / (1 + edge)), abs=1e-5)
    assert like_these.interval([1.0] * 9)[1] == 1.0


def test_the_fewest_cases_by_hand() -> None:
    assert [like_these.fewest_for_worth(teams) for teams in (0, 1, 2, 3)] == [6, 6, 7, 7]
    assert like_these.fewest_for_worth(1, 0.005) == 9
    assert [like_these.fewest_for_enough(margin) for margin in (0.05, 0.1, 0.9)] == [59, 29, 6]


ROWS = st.integers(2, 18).flatmap(
    lambda cases: st.lists(
        st.lists(st.integers(-10, 10).map(lambda n: n / 10), min_size=cases, max_size=cases), min_size=1, max_size=5
    )
)


@settings(max_examples=60)
@given(ROWS, st.floats(-0.8, 0.8))
def test_many_samples_at_once_come_to_what_each_comes_to(rows: list[list[float]], value: float) -> None:
    means = np.array(rows)
    alone = [like_these.evidence_above(row, value) for row in rows]
    assert like_these.evidence_in_rows(means, value) == pytest.approx(np.array(alone), abs=1e-6)
    assert list(like_these.rules_out_in_rows(means, 0.2)) == [like_these.rules_out(row, 0.2) for row in rows]


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_worth_in_rows_is_the_p_value_of_each_on_the_teams_side(alpha: float) -> None:
    rng = np.random.default_rng(3)
    for cases in (6, 8, 12, 14):
        means = rng.choice([-0.5, 0.0, 0.5, 1.0], (60, cases), p=[0.1, 0.2, 0.3, 0.4])
        expected = [like_these.p_value(row) < alpha and row.sum() > 0 for row in means]
        assert list(like_these.worth_in_rows(means, alpha)) == expected
        assert cases == 6 or 0 < sum(expected) < 60
        if alpha == 0.05:
            assert list(like_these.worth_in_rows(means)) == expected
    many = np.full((2, 40), 0.1) * np.array([[1], [-1]])  # 40 log 1.1 = 3.8: p = 0.0058
    assert list(like_these.worth_in_rows(many, alpha)) == [True, False]
    assert list(like_these.worth_in_rows(np.full((1, 40), 0.04), alpha)) == [False]  # 40 log 1.04 = 1.57: p = 0.077


def test_rows_without_a_gain_speak_for_nothing() -> None:
    assert list(like_these.evidence_in_rows(np.array([[0.0, 0.0], [0.5, -0.5], [1.0, 1.0]]), 0.0)) == pytest.approx(
        [0.0, 0.0, 2 * math.log(2)]
    )


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


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [(0.0, 0.1, (-0.2228, 0.2228)), (0.95, 0.1, (0.7272, 1.0)), (-0.95, 0.1, (-1.0, -0.7272))],
)
def test_the_interval_is_students_and_within_what_a_difference_can_be(
    value: float, error: float, expected: tuple[float, float]
) -> None:
    found = these_cases.Estimate(value, error, 10)
    assert found.interval() == pytest.approx(expected, abs=1e-4)  # t of 10 degrees of freedom: 2.2281
    assert found.interval(0.9)[0] == pytest.approx(max(-1.0, value - 1.8125 * error), abs=1e-4)


@pytest.mark.parametrize("value", [0.2228139, -0.2228139])
def test_the_p_value_is_students_on_both_sides(value: float) -> None:
    assert these_cases.Estimate(value, 0.1, 10).p == pytest.approx(0.05, abs=1e-6)


def test_two_trials_in_all_say_something() -> None:
    for cases in ([Case([1, 0], [0, 0])], [Case([1], [0]), Case([0], [0])]):
        found = these_cases.estimate(cases)
        assert found is not None
        assert found.value == 0.5


def test_a_case_with_a_single_trial_varies_as_much_as_the_others_do() -> None:
    """Its variance cannot be told; it is taken to be the mean of the others'."""
    two, three = Case([1, 0], [1, 0]), Case([1, 1, 0], [0, 0, 0])
    found = these_cases.estimate([two, three, Case([1], [0])])
    assert found is not None
    variances = [(1 / 4 + 1 / 4) * 2, (2 / 9) * 3 / 2]
    assert found.value == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert found.error == pytest.approx(math.sqrt(variances[0] / 2 + variances[1] / 3 + sum(variances) / 2) / 3)
    assert found.freedom == 2 * (1 + 2)


def test_what_more_trials_would_come_to_is_what_they_come_to() -> None:
    cases = [Case([1, 1, 0, 1] * 5, [0, 1, 0, 0] * 5), Case([0, 0, 1, 0] * 5, [0, 0, 1, 1] * 5)]
    found = these_cases.estimate(cases)
    assert found is not None
    variance = sum((a * (1 - a) + b * (1 - b)) * 20 / 19 for a, b in ((0.75, 0.25), (0.25, 0.5)))
    assert these_cases.error_with(variance, 2, 20) == pytest.approx(found.error)
    assert these_cases.error_with(0.0, 2, 20) == pytest.approx(math.sqrt(these_cases.FLOOR) / 20 / 2)


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


def test_what_bets_come_to_by_hand() -> None:
    """Spread evenly over stakes from 0 to 1: a sure gain of 1 makes 1 + 1/2, one and a loss the mean of 1 - stake^2."""
    assert betting.wealth_above([], 0.0) == 1.0
    assert betting.wealth_above([1.0], 0.0) == pytest.approx(1.5)
    assert betting.wealth_above([1.0], 0.5) == pytest.approx(1 + 1 / 2 / 3)
    assert betting.wealth_above([1.0, -1.0], 0.0) == pytest.approx(2 / 3, rel=1e-3)
    assert betting.best_above([1.0, -1.0], 0.0) == pytest.approx(1.5)
    assert betting.best_above([-1.0], 0.0) == betting.best_above([], 0.0) == 1.0
    assert betting.wealth_against_margin([0.0], 0.5) == pytest.approx(1 + 0.025 + 0.05 + 0.075 + 0.7 * 0.999)
    assert betting.wealth_against_margin([1.0], 0.5) == pytest.approx(0.1 * (0.75 + 0.5 + 0.25) + 0.7 * 0.001)
    assert betting.wealth_against_margin([0.0], 0.2) == pytest.approx(1 + 0.25 * (0.15 + 0.7 * 0.999))


def test_wealth_beyond_all_bounds_is_a_number() -> None:
    most = pytest.approx(math.exp(700.0))
    assert betting.wealth_above([1.0] * 3000, 0.0) == most
    assert betting.best_above([1.0] * 3000, 0.0) == most
    assert betting.wealth_above([0.5], -1.0) == most
    assert betting.wealth_against_margin([-1.0] * 3000, 0.5) == most


@pytest.mark.parametrize(
    ("drawn", "p"),
    [
        ([1.0] * 5, 6 / 63),  # the mean of (1 + stake)^5 is (2^6 - 1) / 6
        ([-1.0] * 5, 6 / 63),
        ([0.5], 1 / 1.25),
        ([-0.5], 1 / 1.25),
        ([1.0, -1.0], 1 / 1.5),
        ([-1.0, 1.0], 1.0),
        ([0.0], 1.0),
    ],
)
def test_p_values_of_bets_by_hand(drawn: list[float], p: float) -> None:
    assert betting.p_value(drawn) == pytest.approx(p, rel=1e-3)


def test_the_ends_are_where_betting_against_them_has_made_the_inverse_of_what_is_allowed() -> None:
    drawn = [0.5, 0.2, -0.1, 0.3] * 10
    for level, limit, (low, high) in (
        (0.95, 20.0, betting.confidence_sequence(drawn)),
        (0.9, 10.0, betting.confidence_sequence(drawn, 0.9)),
    ):
        assert -1 < low < 0.225 < high < 1
        assert betting.best_above(drawn, low) == pytest.approx(limit, rel=1e-4)
        assert betting.best_above([-x for x in drawn], -high) == pytest.approx(limit, rel=1e-4)
        out = betting.ruled_out_above([0.0] * 60) if level == 0.95 else betting.ruled_out_above([0.0] * 60, level)
        assert 0 < out < 0.2
        assert betting.wealth_against_margin([0.0] * 60, out) == pytest.approx(limit, rel=1e-4)
    assert betting.confidence_sequence([]) == (-1.0, 1.0)
    assert betting.ruled_out_above([1.0]) == 1.0
