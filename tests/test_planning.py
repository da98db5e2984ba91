"""How many trials an experiment needs: the power that is promised is there, and what cannot be known is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from experiments.design import planning, power
from experiments.design.planning import Question
from experiments.design.power import Spread
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


def test_the_spread_of_known_cases_is_found() -> None:
    rng = np.random.default_rng(5)
    between, within, trials = 0.04, 0.25, 6
    means = rng.normal(0.1, np.sqrt(between), 4000)
    found = power.spread((means[:, None] + rng.normal(0, np.sqrt(within), (4000, trials))).tolist())
    assert found is not None
    assert found.between == pytest.approx(between, rel=0.1)
    assert found.within == pytest.approx(within, rel=0.05)


@pytest.mark.parametrize(("cases", "trials"), [(24, 5), (60, 2), (12, 20)])
def test_the_power_that_is_promised_is_there(cases: int, trials: int) -> None:
    rng, effect, experiments = np.random.default_rng(6), 0.12, 600
    many = _differences(rng, 20_000, 8, effect)
    spread = power.spread(many.tolist())
    assert spread is not None
    promised = power.power(spread, float(many.mean()), cases, trials, 0.05)
    means = np.stack([_differences(rng, cases, trials, effect).mean(axis=1) for _ in range(experiments)])
    seen = int((stats.ttest_1samp(means, 0, axis=1).pvalue < 0.05).sum())
    low, high = stats.binom.ppf([0.0005, 0.9995], experiments, promised)
    assert low - 0.03 * experiments <= seen <= high + 0.03 * experiments
    assert 0.2 < promised < 0.99


def test_fewer_trials_than_needed_have_less_power_and_so_many_have_enough() -> None:
    spread = Spread(within=0.3, between=0.01, cases=20, pairs=100)
    needed = power.trials_needed(spread, 0.06, 24, 0.05, 0.8)
    assert needed is not None
    assert needed > 1
    assert power.power(spread, 0.06, 24, needed, 0.05) >= 0.8 > power.power(spread, 0.06, 24, needed - 1, 0.05)
    smallest = power.detectable(spread, 24, needed, 0.05, 0.8)
    assert smallest is not None
    assert 0.05 < smallest <= 0.0602


def test_cases_that_differ_too_much_need_more_of_them() -> None:
    spread = Spread(within=0.3, between=0.09, cases=20, pairs=100)
    assert power.trials_needed(spread, 0.05, 20, 0.05, 0.8) is None
    needed = power.cases_needed(spread, 0.05, 5, 0.05, 0.8)
    assert needed is not None
    assert needed > 300
    assert power.power(spread, 0.05, needed, 5, 0.05) >= 0.8


def test_one_trial_a_case_tells_nothing_about_trials() -> None:
    spread = power.spread([[1], [0], [0], [-1], [1], [0]])
    assert spread is not None
    assert not spread.known
    assert spread.within == 0
    assert power.power(spread, 0.3, 6, 1, 0.05) == power.power(spread, 0.3, 6, 100, 0.05)


def test_no_difference_seen_is_not_taken_for_certainty() -> None:
    spread = power.spread([[0, 0, 0]] * 10)
    assert spread is not None
    assert spread.within + spread.between > 0
    assert power.spread([]) is None


def test_past_runs_are_known_from_and_a_pilot_stands_in() -> None:
    plan = Plan("market_brief", ("solo", "market"), cases=6, trials=3)
    first = planning.design(plan, Question(0.1), Store())
    assert [need.basis for need in first.needs] == ["pilot"]
    conduct(prepare(plan))
    second = planning.design(plan, Question(0.1), Store())
    assert [(need.basis, need.spread.pairs) for need in second.needs] == [("past", 18)]
    other = planning.design(Plan("market_brief", ("solo", "debate"), cases=6), Question(0.1), Store())
    assert [need.basis for need in other.needs] == ["other team"]


def test_the_command_says_how_many_and_what_they_cost(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "market_brief", "--teams", "solo,market", "--difference", "0.2", "--cases", "8"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] >= 1
    assert found["runs"] == 2 * 8 * found["trials"]
    assert found["cost_usd"] > 0
    assert f"--trials {found['trials']}" in found["command"]
    assert found["tokens"] > 1000 * found["runs"]


@pytest.mark.parametrize(
    ("question", "teams", "words"),
    [
        (Question(0.0), ("solo", "market"), "--difference: 0 should be between 0 and 1"),
        (Question(0.05, 1.0), ("solo", "market"), "--power: 1 should be from 0.5 to below 1"),
        (Question(), ("market",), "--teams: give solo and at least one other"),
    ],
)
def test_a_question_that_is_none_is_told(question: Question, teams: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        planning.design(Plan("market_brief", teams), question, Store())


def test_what_the_launch_page_says_names_the_trials() -> None:
    plan = Plan("market_brief", ("solo", "market"), trials=5)
    spreads: planning.Spreads = {"market": (Spread(0.2, 0.0, 20, 100), "past")}
    needs = planning.needed(plan, scenarios.load("market_brief"), Question(), spreads)
    said = planning_report.seen(needs, 5)
    assert said.startswith("5 trials show differences of ")
    assert f"5 points take {needs[0].trials}" in said
