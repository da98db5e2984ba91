"""The answers to the two questions of a verdict: who is compared with whom, in which family, and what is claimed."""

from __future__ import annotations

import msgspec
import pytest

from experiments.judging import answering
from experiments.judging.answering import Compared, Found, Terms
from experiments.judging.statistics import Difference
from experiments.outcome import Outcome
from tests.test_statistics import outcome

TERMS = Terms("solo", 0.05)
BASE = ("solo", "native")


def _made(rates: dict[tuple[str, str], float], cases: int = 10, trials: int = 10, **more: object) -> list[Outcome]:
    """Each team on its engine succeeds in the first share of the trials of each case."""
    return [
        outcome(f"c{c}", t, t < rate * trials, team, engine=engine, run=c * trials + t, **more)
        for (team, engine), rate in rates.items()
        for c in range(cases)
        for t in range(trials)
    ]


def _classed(made: list[Outcome], levels: dict[str, int]) -> list[Outcome]:
    """The first so many cases are of the first level, and so on."""
    of_case = [level for level, count in levels.items() for _ in range(count)]
    return [msgspec.structs.replace(o, difficulty=of_case[int(o.case[1:])]) for o in made]


def _difference(low: float, p: float = 0.001) -> Difference:
    return Difference(0.2, low, 0.4, p, 10, 100)


def test_a_team_is_compared_on_its_own_engine_where_the_baseline_ran_there() -> None:
    rates = {
        BASE: 0.5,
        ("solo", "autogen"): 0.2,
        ("market", "native"): 0.9,
        ("market", "autogen"): 0.9,
        ("market", "crewai"): 0.8,
    }
    found = answering.find(_made(rates), BASE, TERMS)
    values = {one.name: one.on("these").value for one in found.compared}  # type: ignore[union-attr]
    assert values == pytest.approx(
        {"solo on autogen": -0.3, "market": 0.4, "market on autogen": 0.7, "market on crewai": 0.3}
    )
    for answer in found.answers:
        assert list(answer.differences) == ["market", "market on autogen", "market on crewai"]
        assert answer.kind == "team_worth_it"


def test_the_baseline_on_another_engine_is_no_team_that_may_be_worth_it() -> None:
    rates = {BASE: 0.2, ("solo", "autogen"): 0.9, ("market", "native"): 0.2}
    found = answering.find(_made(rates, cases=70), BASE, TERMS)
    assert [one.name for one in found.compared if one.better] == ["solo on autogen"]
    assert {answer.kind for answer in found.answers} == {"one_is_enough"}
    only = answering.find(_made({BASE: 0.2, ("solo", "autogen"): 0.9}), BASE, TERMS)
    assert (only.answers, len(only.compared)) == ((), 1)


def test_where_a_team_has_too_few_cases_it_is_not_said_that_none_is_better() -> None:
    made = _made({BASE: 0.5, ("market", "native"): 0.3}, cases=70)
    few = _made({("pair", "native"): 0.5}, cases=3)
    like, these = answering.find([*made, *few], BASE, TERMS).answers
    assert (like.question, list(like.differences), like.kind) == ("like_these", ["market"], "not_enough_trials")
    assert list(these.differences) == ["market", "pair"]
    assert answering.find(made, BASE, TERMS).answers[0].kind == "one_is_enough"


def test_a_margin_is_ruled_out_only_below_it() -> None:
    made = _made({BASE: 0.5, ("market", "native"): 0.5})

    def kind(margin: float) -> str:
        return answering.find(made, BASE, Terms("solo", margin, exhaustive=True)).answers[0].kind

    at_most = answering.find(made, BASE, TERMS).compared[0].these.at_most  # type: ignore[union-attr]
    assert (kind(at_most), kind(at_most + 1e-9)) == ("not_enough_trials", "one_is_enough")


def test_what_is_compared_is_better_on_either_question() -> None:
    good, bad = _difference(0.1), _difference(-0.1)
    for these, like, better in (
        (good, None, True),
        (None, good, True),
        (good, bad, True),
        (bad, good, True),
        (bad, None, False),
        (None, bad, False),
        (bad, bad, False),
    ):
        one = Compared("market", "native", these, like)
        assert one.better is better
        assert (one.on("these"), one.on("like_these")) == (these, like)
        assert one.shown == (like or these)


def _adjusted(found: Found) -> list[float]:
    """By which factor the correction raised each p on these cases."""
    return [one.these.p_adjusted / one.these.p for one in found.compared]  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(
    ("levels", "factor"),
    [
        ({"easy": 10}, 1.0),  # one class is no class
        ({"easy": 7, "hard": 3}, 1 / 0.8),
        ({"easy": 8, "hard": 2}, 1 / 0.8),  # the easy ones are a class still
        ({"a": 2, "b": 2, "c": 2, "d": 2, "e": 2}, 1.0),
        ({"": 10}, 1.0),
    ],
)
def test_classes_of_three_cases_or_more_share_the_five_percent(levels: dict[str, int], factor: float) -> None:
    made = _classed(_made({BASE: 0.5, ("market", "native"): 0.7}), levels)
    assert _adjusted(answering.find(made, BASE, TERMS)) == pytest.approx([factor])


def test_a_class_of_a_single_trial_says_nothing() -> None:
    made = _classed(_made({BASE: 0.5, ("market", "native"): 0.5}), {"easy": 10})
    single = [outcome("c99", 0, team == "market", team, difficulty="hard") for team in ("solo", "market")]
    kinds = {answer.question: answer.kind for answer in answering.find([*made, *single], BASE, TERMS).answers}
    assert kinds == {"like_these": "not_enough_trials", "these": "not_enough_trials"}


def test_teams_share_what_the_classes_leave() -> None:
    rates = {BASE: 0.5, ("market", "native"): 0.8, ("pair", "native"): 0.6}
    assert _adjusted(answering.find(_made(rates), BASE, TERMS)) == pytest.approx([2.0, 1.0])
    made = _classed(_made(rates), {"easy": 5, "hard": 5})
    assert _adjusted(answering.find(made, BASE, TERMS))[0] == pytest.approx(2 / 0.8)


def test_of_several_classes_the_one_with_most_help_is_named() -> None:
    rates = {"easy": (0.5, 0.4), "hard": (0.2, 0.5), "hardest": (0.1, 0.6)}
    made = [
        outcome(f"{level}{c}", t, t < rate * 20, team, difficulty=level)
        for level, both in rates.items()
        for team, rate in zip(("solo", "market"), both, strict=True)
        for c in range(3)
        for t in range(20)
    ]
    worse = [
        outcome(f"x{c}", t, t < rate * 20, team, difficulty="easy")
        for team, rate in (("solo", 1.0), ("market", 0.5))
        for c in range(5)
        for t in range(20)
    ]
    (answer,) = answering.find([*made, *worse], BASE, Terms("solo", 0.05, exhaustive=True)).answers
    assert answer.kind == "depends_on_case"
    assert answer.on_class is not None
    assert (answer.on_class.name, answer.on_class.level) == ("market", "hardest")
    assert answer.on_class.difference.value == pytest.approx(0.5)


def test_the_fewest_cases_are_reckoned_with_the_share_for_the_teams() -> None:
    assert answering.fewest_for_worth(3, classes=False) == 7
    assert answering.fewest_for_worth(3, classes=True) == 8
