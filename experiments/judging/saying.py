"""A verdict in words: each sentence names the question that it answers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from experiments.judging import answering, like_these
from experiments.judging.answering import Answer, Compared, Found, Group, Question, Terms
from experiments.judging.statistics import Difference
from experiments.judging.summaries import TeamSummary
from experiments.outcome import named

_TABLE_OFF = 0.0005
"""From this difference on a table of all runs and the paired ones show different figures."""


class Costs(Struct, frozen=True):
    """What each team costs beside one agent."""

    solo: TeamSummary
    teams: dict[str, TeamSummary]
    simulated: bool

    @classmethod
    def of(cls, summaries: Sequence[TeamSummary], base: Group, *, simulated: bool) -> Costs:
        by_name = {one.name: one for one in summaries}
        return cls(by_name[named(*base)], by_name, simulated)

    def in_words(self, name: str) -> str:
        """`, for 2.1x the cost and 1.4x the time`."""
        team, parts = self.teams[name], []
        if team.cost_usd is None or self.solo.cost_usd is None:
            parts.append("cost unknown")
        elif self.solo.cost_usd > 0:
            parts.append(f"{team.cost_usd / self.solo.cost_usd:.1f}x the cost")
        if self.solo.latency_s > 0:
            parts.append(f"{team.latency_s / self.solo.latency_s:.1f}x the time")
        return f", for {' and '.join(parts)}" if parts else ""

    def dearer(self, names: Sequence[str]) -> str:
        """`, and they cost 1.7 to 2.1 times as much`; "" where one of them costs no more, or a price is unknown."""
        ratios = [
            cost / self.solo.cost_usd
            for name in names
            if self.solo.cost_usd and (cost := self.teams[name].cost_usd) is not None
        ]
        if not ratios or min(ratios) <= 1:
            return ""
        low, high = f"{min(ratios):.1f}", f"{max(ratios):.1f}"
        they = "it costs" if len(names) == 1 else "they cost"
        return f", and {they} {low if low == high else f'{low} to {high}'} times as much"


def answer(found: Answer, costs: Costs, terms: Terms) -> str:
    """One question's answer, where it has one."""
    about = _about(found.question, _cases(found.differences), terms)
    if found.kind == "team_worth_it":
        name, best = max(((n, d) for n, d in found.differences.items() if d.better), key=lambda one: one[1].value)
        return (
            f"{about} the team is worth it: {name} succeeds in {_share(best)} more runs than one agent"
            f"{costs.in_words(name)}."
        )
    if found.kind == "depends_on_case":
        assert found.on_class is not None
        return (
            f"{about} it depends on the case: on {found.on_class.level} cases {found.on_class.name} succeeds in "
            f"{_share(found.on_class.difference)} more runs than one agent; overall no difference is beyond doubt."
        )
    assert found.kind == "one_is_enough"
    which = f"{next(iter(found.differences))} is not" if len(found.differences) == 1 else "no team is"
    dearer = costs.dearer(list(found.differences))
    return f"{about} one agent is enough: {which} better by more than {100 * terms.margin:g} points{dearer}."


def beside(headline: Answer, other: Answer | None, costs: Costs, terms: Terms) -> str:
    """The line below the headline: the other question's answer, or what is missing for one."""
    cases = _cases(headline.differences)
    if terms.exhaustive:
        return "These cases are all there are, as was declared: no others are asked about."
    if headline.question == "these":
        if other is None:
            return _too_few(cases, terms.margin)
        return f"For cases like these the answer is open: {_leaves_open(other, terms)}."
    if other is None:
        return "It was stopped by what came out of these cases, so it says nothing of them alone."
    if other.kind == "not_enough_trials":
        return f"{_about('these', cases, terms)} alone the answer is open."
    return answer(other, costs, terms)


def nothing_decided(found: Found, costs: Costs, terms: Terms) -> tuple[str, str]:
    """Where no question has an answer: that it is open, and what is missing for either."""
    by_question = {one.question: one for one in found.answers}
    first = by_question.get("these") or by_question["like_these"]
    cases = _cases(first.differences)
    where = {"these": _about("these", cases, terms), "like_these": "For cases like these"}[first.question]
    one = next(iter(first.differences)) if len(first.differences) == 1 else ""
    text = (
        f"The answer is open: {where[0].lower()}{where[1:]} "
        f"{f'{one} is not' if one else 'no team is'} better beyond doubt, and "
        f"{'it cannot' if one else 'not all can'} be ruled out to be by {100 * terms.margin:g} points."
    )
    if terms.exhaustive:
        return text, ""
    like = by_question.get("like_these")
    if like is None:
        return text, _too_few(cases, terms.margin)
    second = f"For cases like these {_leaves_open(like, terms)}."
    return text, second[0].upper() + second[1:]


def reason(compared: Sequence[Compared], costs: Costs) -> str:
    """What it rests on: every team's difference on both questions, over how many cases and trials."""
    shown = [one.shown for one in compared]
    most = max((one for one in shown if one is not None), key=lambda one: one.pairs)
    mark = " (simulated)" if costs.simulated else ""
    parts = "; ".join(_team(one, costs) for one in compared)
    return f"{parts}. Paired over {_count(most.cases, 'case')} and {_count(most.pairs, 'trial')}{mark}."


def _team(compared: Compared, costs: Costs) -> str:
    found = compared.shown
    assert found is not None
    intervals = [
        f"{_interval(one)} {words}"
        for one, words in ((compared.these, "on these cases"), (compared.like_these, "on cases like these"))
        if one is not None
    ]
    said = f"{compared.name} {100 * found.value:+.1f} points ({', '.join(intervals)}){costs.in_words(compared.name)}"
    return said + _unlike_the_table(compared, found, costs)


def _unlike_the_table(compared: Compared, found: Difference, costs: Costs) -> str:
    """Where the two did not do the same trials, what they came to over those that both did: a table of all runs of
    each shows another difference."""
    team, solo = costs.teams[compared.name], costs.solo
    if found.rates is None or abs((team.success - solo.success) - (found.rates[0] - found.rates[1])) < _TABLE_OFF:
        return ""
    return (
        f" (over the {_count(found.pairs, 'trial')} that both answered, each case counting alike: "
        f"{found.rates[0]:.1%} against {found.rates[1]:.1%})"
    )


def _about(question: Question, cases: int, terms: Terms) -> str:
    if question == "like_these":
        return "For cases like these"
    return f"On {_these(cases)}"


def _these(cases: int) -> str:
    return "this case" if cases == 1 else f"these {cases:,} cases"


def _too_few(cases: int, margin: float) -> str:
    return (
        f"Of other cases {_these(cases)} {'says' if cases == 1 else 'say'} nothing: that takes at least "
        f"{like_these.FEWEST} cases, and {like_these.fewest_for_enough(margin):,} to rule out {100 * margin:g} points."
    )


def _leaves_open(like: Answer, terms: Terms) -> str:
    """What these cases leave open of others like them, and how many it takes."""
    cases = _cases(like.differences)
    most = max(found.at_most for found in like.differences.values())
    missed = 1 - 0.05 ** (1 / cases)
    said = f"{_count(cases, 'case')} can miss a kind of case that makes up {missed:.0%} of them"
    said += f", and rule out {100 * most:.0f} points" if most < 1 else ""
    enough = like_these.fewest_for_enough(terms.margin)
    worth = answering.fewest_for_worth(len(like.differences), classes=True)
    if cases < enough:
        said += f"; to rule out {100 * terms.margin:g} takes {enough:,} cases or more"
    if cases < worth:
        said += f"; for a team to be worth it, {worth} or more"
    return said


def _cases(differences: dict[str, Difference]) -> int:
    return max(found.cases for found in differences.values())


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _interval(difference: Difference) -> str:
    return f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}"


def _share(difference: Difference) -> str:
    return f"{difference.value:.1%} ({difference.low:.1%} to {difference.high:.1%})"
