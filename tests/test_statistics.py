"""Intervals and tests: right on published examples, honest about clusters, and never out of bounds."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.judging.comparing import on_like_these, on_these
from experiments.judging.flips import sign_flip
from experiments.judging.statistics import Difference, case_differences, holm, success_bounds, success_interval
from experiments.outcome import Outcome


def outcome(case: str, trial: int, success: bool, team: str = "solo", **more: object) -> Outcome:
    fields: dict[str, object] = {
        "run": 0,
        "team": team,
        "engine": "native",
        "model": "sim:medium",
        "case": case,
        "trial": trial,
        "success": success,
        "score": float(success),
        "tokens": 100,
        "cost_nano_usd": 1000,
        "latency_s": 1.0,
        "messages": 1,
        "calls": 1,
        "status": "completed",
    }
    return Outcome(**{**fields, **more})  # type: ignore[arg-type]


def grid(won: dict[str, list[bool]], team: str = "solo") -> list[Outcome]:
    return [outcome(case, trial, s, team) for case, trials in won.items() for trial, s in enumerate(trials)]


@pytest.mark.parametrize(("won", "n"), [(81, 263), (15, 148), (0, 20), (1, 29), (29, 29)])
def test_one_trial_of_each_case_gives_wilsons_interval(won: int, n: int) -> None:
    """The cases of Newcombe 1998, table I, against scipy's own."""
    found = success_interval([outcome(f"c{i}", 0, i < won) for i in range(n)])
    wilson = stats.binomtest(won, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_trials_of_one_case_are_not_independent() -> None:
    clustered = grid({f"c{i}": [i % 2 == 0] * 50 for i in range(20)})
    spread = grid({f"c{i}": [(t + i) % 2 == 0 for t in range(50)] for i in range(20)})
    wide, narrow = success_interval(clustered), success_interval(spread)
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


def _korn_graubard(rate: float, effective: float) -> tuple[float, float]:
    """Wilson's interval, as it is in the books: the roots of (p - rate)^2 = z^2 p (1 - p) / n."""
    z = 1.959963984540054
    roots = np.roots([1 + z**2 / effective, -(2 * rate + z**2 / effective), rate**2])
    return float(min(roots)), float(max(roots))


def test_the_design_effect_of_a_known_sample() -> None:
    """Four cases of five trials with rates .2, .4, .8 and 1: the variance of the mean is .4 / 3 / 4 = 1/30, that of
    twenty independent trials .24 / 20 = .012; so the design effect is 2.78, and they count as 7.2 trials. With three
    degrees of freedom (t = 3.1824) as 7.2 (1.96 / 3.1824)^2 = 2.731."""
    won = {f"c{i}": [t < count for t in range(5)] for i, count in enumerate((1, 2, 4, 5))}
    found = success_interval(grid(won))
    assert found.value == pytest.approx(0.6)
    assert (found.low, found.high) == pytest.approx(_korn_graubard(0.6, 7.2 * (1.959963984540054 / 3.1824463) ** 2))
    assert (found.low, found.high) == pytest.approx((0.1625, 0.9206), abs=1e-4)


def test_cases_that_differ_less_than_chance_count_as_their_trials_and_no_more() -> None:
    """Twenty cases at 5 of 10 each, or nearly: no design effect below 1; 19 degrees of freedom (t = 2.0930)."""
    for counts in ([5] * 20, [5] * 18 + [4, 6]):
        found = success_interval(grid({f"c{i}": [t < count for t in range(10)] for i, count in enumerate(counts)}))
        assert (found.low, found.high) == pytest.approx(_korn_graubard(0.5, 200 * (1.9599640 / 2.0930241) ** 2))


@pytest.mark.parametrize(("cases", "trials", "counts_as"), [(1, 8, 1), (12, 8, 12), (12, 1, 12), (1, 1, 1)])
def test_where_all_trials_agree_the_cases_count(cases: int, trials: int, counts_as: int) -> None:
    found = success_interval(grid({f"c{i}": [True] * trials for i in range(cases)}))
    assert (found.low, found.value, found.high) == pytest.approx((_korn_graubard(1.0, counts_as)[0], 1.0, 1.0))
    found = success_interval(grid({f"c{i}": [False] * trials for i in range(cases)}))
    assert (found.low, found.value, found.high) == pytest.approx((0.0, 0.0, _korn_graubard(0.0, counts_as)[1]))


def test_one_case_counts_once_however_often_it_was_tried() -> None:
    found = success_interval(grid({"c": [True, False, True, True]}))
    assert (found.low, found.high) == pytest.approx(_korn_graubard(0.75, 1))


def test_few_cases_that_contradict_each_other_count_as_one_at_least() -> None:
    found = success_interval(grid({"a": [True] * 50, "b": [False] * 50}))  # t of one degree of freedom is 12.7
    assert (found.low, found.high) == pytest.approx(_korn_graubard(0.5, 1))


def test_lost_runs_may_have_been_either() -> None:
    lost = [outcome("c9", t, False, status="failed", error="the network") for t in range(2)]
    known = [outcome(f"c{i}", 0, i % 2 == 0) for i in range(8)]
    low, high = success_bounds([*known, *lost])
    for success, end in ((False, low), (True, high)):
        all_known = success_interval([*known, *(outcome("c9", t, success) for t in range(2))])
        assert end == pytest.approx(all_known.low if not success else all_known.high)
    assert success_interval([*known, *lost]) == success_interval(known)


def test_a_difference_is_beyond_doubt_by_its_interval_and_its_p_value() -> None:
    def better(low: float, p: float, adjusted: float | None = None) -> bool:
        return Difference(0.2, low, 0.4, p, 10, 10, p_adjusted=adjusted).better

    assert better(0.01, 0.049)
    assert better(0.01, 0.2, 0.049)
    assert not better(0.0, 0.01)
    assert not better(0.01, 0.05)
    assert not better(0.01, 0.01, 0.05)


def test_differences_are_of_the_trials_that_both_answered_in_order() -> None:
    a = [outcome("x", 2, False), outcome("x", 0, True), outcome("x", 1, True), outcome("y", 0, True)]
    b = [outcome("x", 0, False), outcome("x", 1, True), outcome("x", 2, True), outcome("y", 0, True, status="failed")]
    assert case_differences(a, b) == {"x": [1, 0, -1]}


def test_all_right_is_not_certain() -> None:
    found = success_interval(grid({f"c{i}": [True] * 100 for i in range(20)}))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.8 < found.low < 0.9


def test_intervals_of_clustered_data_cover_the_truth() -> None:
    rng = random.Random(3)
    covered = 0
    for _ in range(400):
        rates = [min(1.0, max(0.0, rng.gauss(0.7, 0.2))) for _ in range(24)]
        found = success_interval(grid({f"c{i}": [rng.random() < p for _ in range(8)] for i, p in enumerate(rates)}))
        covered += found.low <= 0.69 <= found.high  # the mean of the clipped distribution is 0.69
    assert covered >= stats.binom.ppf(0.001, 400, 0.95)


@pytest.mark.parametrize("rule", [on_these, on_like_these])
def test_no_difference_is_rarely_called_one(rule: Callable[..., Difference | None]) -> None:
    rng = random.Random(5)
    false = 0
    for _ in range(200):
        rates = [rng.random() for _ in range(20)]
        a = grid({f"c{i}": [rng.random() < p for _ in range(4)] for i, p in enumerate(rates)}, "a")
        b = grid({f"c{i}": [rng.random() < p for _ in range(4)] for i, p in enumerate(rates)}, "b")
        difference = rule(a, b)
        assert difference is not None
        false += difference.p < 0.05
    assert false <= stats.binom.ppf(0.999, 200, 0.05)


def test_only_shared_trials_are_paired() -> None:
    a = [outcome("x", 0, True), outcome("x", 1, True), outcome("x", 2, True), outcome("y", 0, True)]
    b = [outcome("x", 0, False), outcome("x", 1, False), outcome("z", 0, True)]
    difference = on_these(a, b)
    assert difference is not None
    assert (difference.value, difference.pairs, difference.cases) == (1.0, 2, 1)
    assert on_these(a, [outcome("z", 0, True)]) is None


@pytest.mark.parametrize("rule", [on_these, on_like_these])
def test_a_clear_difference_is_found(rule: Callable[..., Difference | None]) -> None:
    a = grid({f"c{i}": [True, True, i % 4 != 0] for i in range(20)}, "a")
    b = grid({f"c{i}": [i % 3 == 0, False, True] for i in range(20)}, "b")
    difference = rule(a, b)
    assert difference is not None
    assert difference.low > 0
    assert difference.better
    assert difference.p < 0.01


@pytest.mark.parametrize(
    ("given_", "adjusted"),
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.2], [0.2]), ([], []), ([0.9, 0.8], [1.0, 1.0])],
)
def test_holm(given_: list[float], adjusted: list[float]) -> None:
    assert holm(given_) == pytest.approx(adjusted)


def test_weighted_holm_spends_each_share_on_its_own() -> None:
    """Holm 1979, section 4: step by step, p over its weight, times the weights that are left."""
    found = holm([0.01, 0.004, 0.9], [0.8, 0.1, 0.1])
    assert found == pytest.approx([0.0125, 0.0125, 0.9])  # 0.01 / 0.8; 0.2 * 0.004 / 0.1 is less
    assert holm([0.02, 0.03], [0.5, 0.5]) == pytest.approx(holm([0.02, 0.03]))


_WON = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=12
)


@settings(max_examples=80, deadline=None)
@given(_WON, _WON)
def test_intervals_stay_in_bounds_and_hold_their_estimate(a: dict[str, list[bool]], b: dict[str, list[bool]]) -> None:
    found = success_interval(grid(a))
    assert 0 <= found.low <= found.value <= found.high <= 1
    for rule in (on_these, on_like_these):
        difference, other = rule(grid(a, "a"), grid(b, "b")), rule(grid(b, "b"), grid(a, "a"))
        if difference is not None:
            assert -1 <= difference.low <= difference.value <= difference.high <= difference.at_most <= 1
            assert 0 < difference.p <= 1
            assert other is not None
            assert other.value == pytest.approx(-difference.value)
            assert (other.low, other.high) == pytest.approx((-difference.high, -difference.low), abs=1e-6)


@pytest.mark.parametrize("count", [2, 9, 14, 15, 40])
def test_the_p_value_of_sign_flips_is_scipys(count: int) -> None:
    values = np.random.default_rng(count).choice([-0.4, -0.2, 0.0, 0.2, 0.6], count)
    peer = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf if count <= 14 else 20_000, vectorized=True
    )
    assert sign_flip(values) == pytest.approx(peer.pvalue, abs=1e-9 if count <= 14 else 0.02)
