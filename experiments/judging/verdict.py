"""The verdict: is one agent enough, is a team worth it, does it depend, or is it open?

Two questions are told apart: what holds for these cases, and what for cases like these, of which these are a sample
(answering.py). The headline is the stronger claim that holds; a second line says what the other question comes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from experiments.judging import answering, missing, saying
from experiments.judging.answering import Answer, Compared, Question, Terms
from experiments.judging.missing import Lost, answered
from experiments.judging.summaries import groups, summarise
from experiments.outcome import Outcome

Kind = Literal[
    "one_is_enough",
    "team_worth_it",
    "depends_on_case",
    "not_enough_trials",
    "no_comparison",
    "nothing_measured",
    "runs_broke_off",
]
UNJUDGED = ("nothing_measured", "runs_broke_off")
"""Kinds of verdict that say that there is none, because too many runs gave no answer."""
DECIDED = ("one_is_enough", "team_worth_it", "depends_on_case")
_AGAIN = "Do them again (resume with --retry-broken)."
MARGIN = 0.05  # a difference that does not matter, where the user sets none


class Verdict(Struct, frozen=True):
    """`text` is the answer in one sentence, and `question` which of the two it answers ("" where there is none);
    `second` says what the other comes to, `reason` what both rest on; `answers` has the kind of each. `lost`: every
    team's runs with those that gave no answer and what broke them off; empty where all runs gave one. `first_error`:
    the first of those errors."""

    kind: Kind
    text: str
    reason: str
    differences: tuple[Compared, ...] = ()
    lost: tuple[Lost, ...] = ()
    first_error: str = ""
    question: Question | Literal[""] = ""
    second: str = ""
    answers: dict[Question, str] = {}


def judge(
    outcomes: Sequence[Outcome],
    baseline: str = "solo",
    margin: float = MARGIN,
    order: Sequence[str] | None = None,
    *,
    stopped: bool = False,
    exhaustive: bool = False,
) -> Verdict:
    """The verdict on every team against `baseline` (on the same engine where it ran there). `order`: the cases after
    which an experiment that may stop early was looked at; what is said of cases like these then holds at every look.
    `stopped`: what came out ended it, before all its cases were done. `exhaustive`: the cases are all there are.

    On either question a team is worth it when its success is higher beyond doubt (Holm-adjusted p < 0.05 and an
    interval above 0); else it depends on the case, where it is so on one class of cases; else one agent is enough when
    every team is ruled out to be better by `margin` (non-inferiority); else the question is open.

    Runs without a result are missing data (missing.py): what is said holds whatever they would have come to. Where no
    run has one nothing is said, and where a team lost more than a tenth of its runs there is no verdict.
    """
    terms = Terms(baseline, margin, order, stopped, exhaustive)
    outcomes = missing.begun(outcomes) or outcomes
    lost = missing.losses(outcomes)
    if not any(one.lost for one in lost):
        return _judge(outcomes, terms)
    first = missing.first_error(outcomes)
    if missing.nothing_measured(lost):
        text = f"Nothing was measured: {missing.none_of(lost)}."
        return Verdict("nothing_measured", text, f"The first error: {missing.short(first)}", (), lost, first)
    if missing.unmeasured(lost):
        return Verdict("runs_broke_off", _none_of(lost), f"{'; '.join(missing.by_team(lost))}.", (), lost, first)
    found = _judge(outcomes, terms)
    if missing.too_many(lost):
        text, reason = _broke_off(lost), "; ".join(missing.by_team(lost))
        return Verdict("runs_broke_off", text, f"{reason}.", found.differences, lost, first)
    reason = f"{_sentence(found.reason)}{missing.in_total(lost)}: {'; '.join(missing.by_team(lost))}."
    text = found.text
    if found.kind in DECIDED:
        what = "On those cases that" if found.kind == "depends_on_case" else "That"
        text = f"{found.text} {what} holds whatever the {missing.those(lost)} would have come to."
    elif found.kind == "not_enough_trials":
        text = _open(found, _judge(answered(outcomes), terms), lost)
    return msgspec.structs.replace(found, text=text, reason=reason, lost=lost, first_error=first)


def _none_of(lost: Sequence[Lost]) -> str:
    none = ", ".join(one.name for one in missing.unmeasured(lost))
    return f"No verdict: no run of {none} has a result; {missing.in_total(lost)}. {_AGAIN}"


def _broke_off(lost: Sequence[Lost]) -> str:
    worst = ", ".join(f"{one.share:.0%} of {one.name}'s" for one in missing.too_many(lost))
    return (
        f"No verdict: {missing.in_total(lost)}, {worst}. Above {missing.MOST:.0%} of any team's runs, what is left "
        f"says too little. {_AGAIN}"
    )


def _open(found: Verdict, left_out: Verdict, lost: Sequence[Lost]) -> str:
    """Where the bounds leave it open: what the other runs alone would say."""
    those = missing.those(lost)
    if left_out.kind in DECIDED:
        said = left_out.text[0].lower() + left_out.text[1:]
        alike = "is like the others" if those.startswith("1 ") else "are like the others"
        return f"Not beyond doubt, since {missing.in_total(lost)}. If the {those} {alike}: {said}"
    return f"{found.text.rstrip('.')}; the {those} would tell more if done again."


def _sentence(text: str) -> str:
    return f"{text} " if text else ""


def _judge(outcomes: Sequence[Outcome], terms: Terms) -> Verdict:
    by_group = groups(outcomes)
    baseline = terms.baseline
    base = next((key for key in by_group if key[0] == baseline), None)
    if base is None or len(by_group) == 1:
        return Verdict("no_comparison", _alone(by_group), f"Compare {baseline!r} with at least one team.")
    found = answering.find(outcomes, base, terms)
    if all(key[0] == baseline for key in by_group):
        only = f"No comparison: there is only {baseline}, on {len(by_group)} engines."
        return Verdict("no_comparison", only, f"Compare {baseline!r} with at least one team.", found.compared)
    if not found.answers:
        return Verdict("no_comparison", *_incomparable(by_group, base), found.compared)
    return _said(found, saying.Costs.of(summarise(outcomes), base, simulated=by_group[base][0].simulated), terms)


def _alone(by_group: dict[tuple[str, str], list[Outcome]]) -> str:
    return f"No comparison: there is only {', '.join(dict.fromkeys(team for team, _ in by_group)) or 'nothing'}."


def _incomparable(by_group: dict[tuple[str, str], list[Outcome]], base: tuple[str, str]) -> tuple[str, str]:
    alone = {(o.case, o.trial) for o in by_group[base]}
    both = {(o.case, o.trial) for key, group in by_group.items() if key != base for o in group} & alone
    if not both:
        return "No comparison: no trial was done by two teams.", ""
    return "No comparison: one trial of one case tells nothing.", "Give more cases, or more trials of this one."


def _said(found: answering.Found, costs: saying.Costs, terms: Terms) -> Verdict:
    answers = found.answers
    headline = next((one for one in answers if one.kind in DECIDED), None)
    other: Answer | None
    if headline is None:
        text, second = saying.nothing_decided(found, costs, terms)
        kind, question = "not_enough_trials", ""
    else:
        other = next((one for one in answers if one is not headline), None)
        text, second = saying.answer(headline, costs, terms), saying.beside(headline, other, costs, terms)
        kind, question = headline.kind, headline.question
    reason = saying.reason(found.compared, costs)
    kinds = {one.question: one.kind for one in answers}
    return Verdict(kind, text, reason, found.compared, question=question, second=second, answers=kinds)  # type: ignore[arg-type]
