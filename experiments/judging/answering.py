"""The two questions of a verdict, each with its own answer: on these cases, and for cases like these.

In each, one family of tests holds every team overall and every team on every class of cases, with Holm's correction in
its weighted form: OVERALL of the 5 % is for the teams overall, the rest for the classes. A class is of one difficulty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs

from experiments.judging import comparing, like_these
from experiments.judging.statistics import ALPHA, Difference, holm
from experiments.judging.summaries import groups
from experiments.outcome import Outcome, named

Question = Literal["like_these", "these"]
QUESTIONS: tuple[Question, ...] = ("like_these", "these")
"""The stronger claim first."""
Kind = Literal["team_worth_it", "depends_on_case", "one_is_enough", "not_enough_trials"]
OVERALL = 0.8
FEWEST_OF_A_CLASS = 3
"""Fewer cases are no class, for these cases; for cases like these it takes like_these.FEWEST."""
Group = tuple[str, str]


class Terms(Struct, frozen=True):
    """`margin`: a difference that does not matter. `order`: the cases after which an experiment that may stop early was
    looked at; `stopped`: it did, by what came out of these cases, so that it says nothing of them alone. `exhaustive`:
    the cases are all there are, so that only they are asked about."""

    baseline: str
    margin: float
    order: Sequence[str] | None = None
    stopped: bool = False
    exhaustive: bool = False


class Compared(Struct, frozen=True):
    """A team against the baseline, on each question; None where a question is not asked, or so few cases say nothing.
    Each p is adjusted for the other teams and the classes of cases."""

    team: str
    engine: str
    these: Difference | None
    like_these: Difference | None

    @property
    def name(self) -> str:
        return named(self.team, self.engine)

    def on(self, question: Question) -> Difference | None:
        return self.these if question == "these" else self.like_these

    @property
    def shown(self) -> Difference | None:
        """What there is: for cases like these, else for these alone."""
        return self.like_these or self.these

    @property
    def better(self) -> bool:
        """Beyond doubt on one of the questions, whatever its lost runs and the baseline's would have been."""
        return any(found is not None and found.better for found in (self.like_these, self.these))


class OnClass(Struct, frozen=True):
    """A team on the cases of one difficulty, its p adjusted in the family."""

    team: str
    engine: str
    level: str
    difference: Difference

    @property
    def name(self) -> str:
        return named(self.team, self.engine)


class Answer(Struct, frozen=True):
    """One question's answer: its kind, the teams that it compares, and for `depends_on_case` on which class which."""

    question: Question
    kind: Kind
    differences: dict[str, Difference]
    on_class: OnClass | None = None


class Found(Struct, frozen=True):
    """Every comparison, and the answer to each question that could be asked."""

    compared: tuple[Compared, ...]
    answers: tuple[Answer, ...]


def find(outcomes: Sequence[Outcome], base: Group, terms: Terms) -> Found:
    """All teams against the group `base` (on their own engine where the baseline ran there)."""
    by_group = groups(outcomes)
    against = {key: _baseline(by_group, key, base) for key in by_group if key != base}
    levels = sorted({o.difficulty for o in by_group[base] if o.difficulty})
    found: dict[Question, dict[Group, Difference]] = {}
    answers = []
    for question in _asked(terms):
        overall = {
            key: one for key, alone in against.items() if (one := _difference(by_group[key], alone, question, terms))
        }
        teams = [key for key in overall if key[0] != terms.baseline]
        classes = [
            OnClass(*key, level, one)
            for key in teams
            for level in (levels if len(levels) > 1 else [])
            if (one := _on_class(by_group[key], against[key], level, question, terms))
        ]
        overall, classes = _adjusted(overall, classes)
        found[question] = overall
        if teams:
            everyone = len(teams) == sum(key[0] != terms.baseline for key in against)
            answers.append(_answer(question, {key: overall[key] for key in teams}, classes, terms.margin, everyone))
    return Found(tuple(_compared(against, found)), tuple(answers))


def _asked(terms: Terms) -> list[Question]:
    if terms.exhaustive:
        return ["these"]
    return ["like_these"] if terms.stopped else ["like_these", "these"]


def _baseline(by_group: dict[Group, list[Outcome]], key: Group, base: Group) -> list[Outcome]:
    return by_group.get((base[0], key[1]), by_group[base]) if key[0] != base[0] else by_group[base]


def _difference(a: Sequence[Outcome], b: Sequence[Outcome], question: Question, terms: Terms) -> Difference | None:
    if question == "these":
        return comparing.on_these(a, b)
    return comparing.on_like_these(a, b) if terms.order is None else comparing.at_every_look(a, b, terms.order)


def _on_class(
    a: Sequence[Outcome], b: Sequence[Outcome], level: str, question: Question, terms: Terms
) -> Difference | None:
    of_a, of_b = ([o for o in some if o.difficulty == level] for some in (a, b))
    found = _difference(of_a, of_b, question, terms)
    return found if found is not None and found.cases >= FEWEST_OF_A_CLASS else None


def _adjusted(
    overall: dict[Group, Difference], classes: list[OnClass]
) -> tuple[dict[Group, Difference], list[OnClass]]:
    """Holm's p values over both together."""
    if not overall:
        return overall, classes
    weights = [(OVERALL if classes else 1.0) / len(overall)] * len(overall)
    weights += [(1 - OVERALL) / len(classes)] * len(classes) if classes else []
    p = holm([d.p for d in overall.values()] + [one.difference.p for one in classes], weights)
    return (
        {key: structs.replace(d, p_adjusted=p[n]) for n, (key, d) in enumerate(overall.items())},
        [
            structs.replace(one, difference=structs.replace(one.difference, p_adjusted=p[len(overall) + n]))
            for n, one in enumerate(classes)
        ],
    )


def _answer(
    question: Question, teams: dict[Group, Difference], classes: list[OnClass], margin: float, everyone: bool
) -> Answer:
    """`everyone`: no team is left out for having too few cases."""
    differences = {named(*key): found for key, found in teams.items()}
    if any(found.better for found in teams.values()):
        return Answer(question, "team_worth_it", differences)
    split = max((one for one in classes if one.difference.better), key=lambda one: one.difference.value, default=None)
    if split is not None:
        return Answer(question, "depends_on_case", differences, split)
    if everyone and all(found.at_most < margin for found in teams.values()):
        return Answer(question, "one_is_enough", differences)
    return Answer(question, "not_enough_trials", differences)


def _compared(against: dict[Group, list[Outcome]], found: dict[Question, dict[Group, Difference]]) -> list[Compared]:
    compared = [Compared(*key, *(found.get(q, {}).get(key) for q in ("these", "like_these"))) for key in against]
    return [one for one in compared if one.shown is not None]


def fewest_for_worth(teams: int, classes: bool) -> int:
    """How many cases any verdict for a team takes, for cases like these, by the share of the 5 % that is for it."""
    return like_these.fewest_for_worth(teams, ALPHA * (OVERALL if classes else 1.0))
