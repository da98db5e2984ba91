"""The verdict on an experiment on the terms of its plan, such as that it may have stopped early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import structs

from experiments.judging import beside
from experiments.judging import outlook as looking
from experiments.judging.verdict import MARGIN, UNJUDGED, Verdict, judge
from experiments.order import looked_at
from experiments.outcome import Outcome, outcomes_of
from experiments.plan import BASELINE, recorded_in
from traces.rows import RunRow


def verdict_on(
    recorded: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    margin: float | None = None,
    baseline: str = BASELINE,
    exhaustive: bool | None = None,
) -> Verdict:
    """`recorded`: what the experiment's folder says of it (experiment.json). `margin`: the plan's, or 5 points, where
    none is given; `exhaustive`: whether the cases are all there are, as the plan says where it is not given."""
    plan = recorded_in(recorded)
    order = looked_at(plan, outcomes) if plan is not None else None
    if exhaustive is None:
        exhaustive = plan is not None and plan.exhaustive
    stopped = order is not None and len(outcomes) < int(recorded.get("total") or 0)
    asked = exhaustive and not stopped
    verdict = judge(outcomes, baseline, margin or margin_of(recorded), order, stopped=stopped, exhaustive=asked)
    open_questions = [question for question, kind in verdict.answers.items() if kind == "not_enough_trials"]
    if verdict.question != "like_these" and open_questions and order is None and verdict.kind not in UNJUDGED:
        outlook = looking.in_words(outcomes, baseline, margin or margin_of(recorded), open_questions)
        verdict = structs.replace(verdict, second=" ".join(filter(None, (verdict.second, outlook))))
    said = (verdict.reason, beside.in_words(outcomes), beside.waiting_in_words(outcomes))
    return structs.replace(verdict, reason=" ".join(filter(None, said)))


def outcomes_in(recorded: Mapping[str, Any], rows: Iterable[RunRow]) -> list[Outcome]:
    """What an experiment's runs that are over came to, those that gave no answer included."""
    return outcomes_of(rows, foreign=is_foreign(recorded))


def with_cut_off(recorded: Mapping[str, Any], done: Sequence[Outcome], rows: Iterable[RunRow]) -> list[Outcome]:
    """The runs that came to an end, as their workers said, with those of `rows` that were cut off on the way."""
    known = {outcome.run for outcome in done}
    return [*done, *(one for one in outcomes_in(recorded, rows) if one.run not in known)]


def is_foreign(recorded: Mapping[str, Any]) -> bool:
    """Whether its runs are traces of another framework, which nobody need have graded."""
    return (recorded.get("imported") or {}).get("kind") == "otlp"


def margin_of(recorded: Mapping[str, Any]) -> float:
    """The difference that does not matter: what the experiment may stop by, or 5 points."""
    plan = recorded_in(recorded)
    return (plan.stop_early if plan is not None else None) or MARGIN
