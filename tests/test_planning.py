"""How many trials an experiment needs: the power that is promised is there, and what cannot be known is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from experiments.design import planning, power
from experiments.design.planning import Question as Wanted
from experiments.design.power import Asked, Spread
from experiments.judging import like_these, these_cases
from experiments.judging.answering import Question
from experiments.judging.paired import Case
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from experiments.terminal import planning_report
from headcount import main
from tasks import scenario as scenarios
from traces.errors import InputError
from traces.store import Store


def _differences(rng: np.random.Generator, cases: int, trials: int, effect: float) -> np.ndarray:
    """Paired differences of made-up cases, which differ in how much the team helps."""
    solo = rng.beta(4, 2, cases)
    team = np.clip(solo + effect + 0.1 * rng.standard_normal(cases), 0, 1)
    a, b = (rng.random((cases, trials)) < rate[:, None] for rate in (team, solo))
    return a.astype(int) - b.astype(int)


def _spread(rng: np.random.Generator, within: float, between: float, cases: int, trials: int) -> Spread:
    """What runs show of cases that differ so much."""
    means = rng.normal(0.1, np.sqrt(between), cases)
    found = power.spread((means[:, None] + rng.normal(0, np.sqrt(within), (cases, trials))).tolist())
    assert found is not None
    return found


def test_the_spread_of_many_cases_is_known_well() -> None:
    likely = power.likely(_spread(np.random.default_rng(5), 0.25, 0.04, 4000, 6))
    assert likely.weight @ likely.between == pytest.approx(0.04, rel=0.1)
    assert likely.weight @ likely.within == pytest.approx(0.25, rel=0.05)


def test_the_spread_that_there_is_is_held_possible_after_few_runs() -> None:
    rng, held = np.random.default_rng(8), 0
    for _ in range(200):
        likely = power.likely(_spread(rng, 0.3, 0.006, 24, 8))
        held += 0.05 < likely.weight @ (likely.between <= 0.006) < 0.95
    assert held >= 0.85 * 200


def test_spreads_of_cases_done_unequally_often_are_their_means() -> None:
    found = power.spread([[1, 0], [0, 0, 0, 1], [1]])
    assert found is not None
    assert found.trials == pytest.approx(3 / (1 / 2 + 1 / 4 + 1))
    assert found.means == pytest.approx(np.var([0.5, 0.25, 1.0], ddof=1))
    assert found.within == pytest.approx((0.5 + 0.75) / 4)


@pytest.mark.parametrize(
    ("about", "cases", "trials"),
    [("like_these", 24, 5), ("like_these", 60, 2), ("like_these", 12, 20), ("these", 12, 5), ("these", 4, 20)],
)
def test_the_power_that_is_promised_is_there(about: Question, cases: int, trials: int) -> None:
    rng, experiments = np.random.default_rng(6), 300
    effect = 0.15 if about == "like_these" else 0.22
    many = _differences(rng, 20_000, 8, effect)
    spread = power.spread(many.tolist())
    assert spread is not None
    asked = Asked(float(many.mean()), 0.05, about)
    promised = power.power(power.likely(spread), asked, cases, trials)
    seen = sum(_worth(rng, about, cases, trials, effect) for _ in range(experiments))
    low, high = stats.binom.ppf([0.0005, 0.9995], experiments, promised)
    assert low - 0.05 * experiments <= seen <= high + 0.05 * experiments
    assert 0.1 < promised < 0.99


def _worth(rng: np.random.Generator, about: Question, cases: int, trials: int, effect: float) -> bool:
    """Whether the rule that decides finds the team better, in one made-up experiment."""
    solo = rng.beta(4, 2, cases)
    team = np.clip(solo + effect + 0.1 * rng.standard_normal(cases), 0, 1)
    a, b = (rng.random((cases, trials)) < rate[:, None] for rate in (team, solo))
    if about == "these":
        found = these_cases.estimate(
            [Case(x.astype(int).tolist(), y.astype(int).tolist()) for x, y in zip(a, b, strict=True)]
        )
        return found is not None and found.interval()[0] > 0
    means = (a.mean(axis=1) - b.mean(axis=1)).tolist()
    return float(np.mean(means)) > 0 and like_these.p_value(means) < 0.05


def test_a_team_that_is_no_better_is_shown_not_to_be_as_often_as_promised() -> None:
    rng, cases, experiments, found = np.random.default_rng(3), 80, 200, 0
    solo = rng.beta(4, 2, (experiments, cases))
    a, b = (rng.binomial(10, solo) / 10 for _ in range(2))
    found = sum(like_these.rules_out(row.tolist(), 0.05) for row in a - b)
    spread = power.known(float(2 * (solo * (1 - solo)).mean()), 0.0)
    promised = power.power_of_enough(spread, Asked(0.05, 0.05), cases, 10)
    low, high = stats.binom.ppf([0.0005, 0.9995], experiments, promised)
    assert low - 0.05 * experiments <= found <= high + 0.05 * experiments


def test_power_on_these_cases_is_what_statsmodels_says() -> None:
    for difference, cases, trials in ((0.05, 24, 5), (0.1, 12, 40), (0.02, 100, 3), (0.3, 1, 30)):
        freedom = 2 * cases * (trials - 1)
        effect = difference / np.sqrt(0.3 / trials / cases) / np.sqrt(freedom + 1)
        other = TTestPower().power(effect, freedom + 1, 0.025, alternative="larger")
        found = power.power(power.known(0.3, 0.01), Asked(difference, 0.05, "these"), cases, trials)
        assert found == pytest.approx(1.0 if np.isnan(other) else other, abs=1e-6)


@pytest.mark.parametrize("about", ["like_these", "these"])
def test_fewer_trials_than_needed_have_less_power_and_so_many_have_enough(about: Question) -> None:
    spread, asked = power.known(within=0.3, between=0.01), Asked(0.12, 0.05, about)
    needed = power.trials_needed(spread, asked, 24, 0.8)
    assert needed is not None
    assert needed > 1
    assert power.power(spread, asked, 24, needed) >= 0.8 > power.power(spread, asked, 24, needed - 1)
    smallest = power.detectable(spread, asked, 24, needed, 0.8)
    assert smallest is not None
    assert 0.1 < smallest <= 0.1202


def test_cases_that_differ_too_much_need_more_of_them() -> None:
    spread, asked = power.known(within=0.3, between=0.09), Asked(0.05, 0.05)
    assert power.advice([spread], asked, 20, 0.8)[:3] == (None, None, None)
    needed = power.cases_needed(spread, asked, 5, 0.8)
    assert needed is not None
    assert needed > 300
    assert power.power(spread, asked, needed, 5) >= 0.8


@pytest.mark.parametrize(("teams", "cases"), [(1, 5), (3, 6), (9, 8)])
def test_below_the_least_number_of_cases_nothing_is_promised(teams: int, cases: int) -> None:
    """However many trials, and however large the difference: no outcome of so few cases is an answer."""
    asked = Asked(0.4, 0.05 / teams)
    assert power.power(power.known(0.01, 0.0), asked, cases, 10_000) == 0
    assert power.advice([power.known(0.01, 0.0)], asked, cases, 0.8).trials is None
    assert power.detectable(power.known(0.01, 0.0), asked, cases, 10_000, 0.8) is None
    assert power.power_of_enough(power.known(0.01, 0.0), Asked(0.05, 0.05), 58, 10_000) == 0
    assert power.power_of_enough(power.known(0.01, 0.0), Asked(0.05, 0.05), 80, 10_000) > 0.9


def test_what_few_runs_leave_open_is_told_and_more_of_them_tell_more() -> None:
    few, many = (power.likely(Spread(0.3, 0.002 + 0.3 / k, k, 24, 24 * k)) for k in (8, 400))
    after_few, after_many = (power.advice([likely], Asked(0.105, 0.05), 24, 0.8) for likely in (few, many))
    sure = power.trials_needed(power.known(0.3, 0.002), Asked(0.105, 0.05), 24, 0.8)
    assert after_few.trials is not None
    assert after_many.trials is not None
    assert sure is not None
    assert after_few.most is None
    assert after_few.power < after_many.power
    assert after_many.least is not None
    assert after_many.most is not None
    assert after_many.least <= sure <= after_many.most < 2 * sure
    assert sure <= after_many.trials < after_few.trials


def test_no_number_is_said_only_where_the_runs_support_it() -> None:
    barely, clearly = (power.likely(Spread(0.3, means, 8, 24, 192)) for means in (0.06, 0.2))
    assert power.trials_needed(barely, Asked(0.12, 0.05), 24, 0.8) is not None
    assert power.trials_needed(clearly, Asked(0.12, 0.05), 24, 0.8) is None


def test_after_pilots_differences_are_seen_about_as_often_as_they_should_be() -> None:
    """A small version of benchmarks.power: 40 cases that differ a little, 10 points, pilots of five trials each."""
    rng, seen, without, pilots = np.random.default_rng(9), 0, 0, 80
    for _ in range(pilots):
        solo = rng.beta(4, 2, 40)
        team = np.clip(solo + 0.105 + 0.08 * rng.standard_normal(40), 0, 1)
        a, b = (rng.binomial(1, rate[:, None], (40, 5)) for rate in (team, solo))
        spread = power.spread((a - b).tolist())
        assert spread is not None
        trials = power.trials_needed(power.likely(spread), Asked(0.1, 0.05), 40, 0.8)
        without += trials is None
        means = (rng.binomial(trials or 1, team) - rng.binomial(trials or 1, solo)) / (trials or 1)
        seen += trials is not None and means.mean() > 0 and like_these.p_value(means.tolist()) < 0.05
    assert without == 0
    assert 0.68 * pilots <= seen <= 0.95 * pilots


def test_one_trial_a_case_leaves_open_what_more_trials_give() -> None:
    spread = power.spread([[1], [0], [0], [-1], [1], [0]] * 8)
    assert spread is not None
    assert spread.within is None
    found = power.advice([power.likely(spread)], Asked(0.12, 0.05), 48, 0.8)
    assert found.least is not None
    assert found.least > 1
    assert found.most is None


def test_no_difference_seen_is_not_taken_for_certainty() -> None:
    for runs in ([[0, 0, 0]] * 10, [[0]] * 10, [[0, 0]], [[1]]):
        spread = power.spread(runs)
        assert spread is not None
        assert float(power.likely(spread).within.min()) > 0
    assert power.spread([]) is None


def test_past_runs_are_known_from_and_a_pilot_stands_in() -> None:
    plan = Plan("market_brief", ("solo", "market"), cases=6, trials=3)
    first = planning.design(plan, Wanted(0.1), Store())
    assert [need.basis for need in first.needs] == ["pilot"]
    conduct(prepare(plan))
    second = planning.design(plan, Wanted(0.1), Store())
    assert [(need.basis, need.spread.pairs) for need in second.needs] == [("past", 18)]
    other = planning.design(Plan("market_brief", ("solo", "debate"), cases=6), Wanted(0.1), Store())
    assert [need.basis for need in other.needs] == ["other team"]


def test_the_command_says_how_many_and_what_they_cost(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "market_brief", "--teams", "solo,market", "--difference", "0.3", "--cases", "12"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] >= 1
    assert found["runs"] == 2 * 12 * found["trials"]
    assert found["cost_usd"] > 0
    assert f"--trials {found['trials']}" in found["command"]
    assert found["tokens"] > 1000 * found["runs"]


@pytest.mark.parametrize(
    ("question", "teams", "words"),
    [
        (Wanted(0.0), ("solo", "market"), "--difference: 0 should be between 0 and 1"),
        (Wanted(0.05, 1.0), ("solo", "market"), "--power: 1 should be from 0.5 to below 1"),
        (Wanted(), ("market",), "--teams: give solo and at least one other"),
    ],
)
def test_a_question_that_is_none_is_told(question: Wanted, teams: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        planning.design(Plan("market_brief", teams), question, Store())


def test_a_pilot_of_no_runs_is_told() -> None:
    with pytest.raises(InputError, match="--pilot: 0 should be 1 run or more, such as 400"):
        planning.design(Plan("market_brief", ("solo", "market")), Wanted(), Store(), pilot=0)


def _design(spread: Spread, model: str = "sim:medium", basis: planning.Basis = "pilot") -> planning.Design:
    plan = Plan("market_brief", ("solo", "market"), model=model, trials=5)
    simulated = model.startswith("sim:")
    return planning.answer(
        plan, scenarios.load("market_brief"), Wanted(0.12), {"market": (spread, basis)}, [], simulated
    )


def test_what_is_not_known_well_is_told_with_what_to_do() -> None:
    found = _design(Spread(0.2, 0.002 + 0.2 / 9, 9, 22, 198))
    assert planning_report.answer(found).startswith(
        f"Run {found.trials} trials of each of the 22 cases, {found.runs:,} "
    )
    assert f"{100 * found.power:.0f} % power" in planning_report.answer(found)
    said = planning_report.leeway(found)
    assert said.startswith(
        f"As few as {found.least} trials may be enough, or no number: a simulated pilot cannot tell."
    )
    assert f"{found.cases_needed} like these with 5 trials each, {found.cases_runs:,} runs in all" in said
    assert "A larger pilot tells more: headcount plan --pilot 1980." in said
    real = planning_report.leeway(_design(Spread(0.2, 0.002 + 0.2 / 9, 9, 22, 198), "openai/some"))
    assert "After a first experiment on openai/some ask again" in real
    past = planning_report.leeway(_design(Spread(0.2, 0.002 + 0.2 / 9, 9, 22, 198), basis="past"))
    assert "After these runs ask again" in past


def test_more_cases_are_proposed_first_where_these_may_not_be_enough() -> None:
    uncertain, clear = (_design(Spread(0.2, means, 9, 22, 198)) for means in (0.035, 0.2))
    assert uncertain.trials is not None
    assert planning_report.answer(uncertain).startswith(f"Add cases: {uncertain.cases_needed} like these with 5 trials")
    assert f"{uncertain.runs:,} runs in all, have {100 * uncertain.power:.0f} %." in planning_report.answer(uncertain)
    assert clear.trials is None
    assert planning_report.answer(clear).startswith(
        "No number of trials of these 22 cases shows 12 points with 80 % power"
    )


def test_what_the_planned_trials_show_is_told() -> None:
    found = _design(Spread(0.2, 0.2 / 50, 50, 22, 1100))
    assert planning_report.seen(found).startswith("5 trials show differences of ")
