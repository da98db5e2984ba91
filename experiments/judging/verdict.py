"""The verdict: is one agent enough, is a team worth it, does it depend, or were there too few trials to tell?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from experiments.judging import missing
from experiments.judging.missing import Lost, answered
from experiments.judging.statistics import (
    Difference,
    cases_needed,
    difference_at_any_time,
    holm,
    paired_difference,
    success_interval,
)
from experiments.outcome import Outcome, named
from traces.kernel import Origin, least_certain

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
ALPHA = 0.05
MARGIN = 0.05  # a difference that does not matter, where the user sets none


class TeamSummary(Struct, frozen=True):
    """One team on one engine. All but `lost` and `failed` is of the `trials` that gave an answer: `tokens`, `cost_usd`,
    `latency_s` and `messages` are means per run; `cost_usd` is None where a price is unknown; `limited` is the share of
    runs that a limit ended. `lost` counts the runs that gave none (they broke off), `failed` is their share of all."""

    team: str
    engine: str
    model: str
    trials: int
    success: float
    ci_low: float
    ci_high: float
    tokens: float
    cost_usd: float | None
    latency_s: float
    latency_p95_s: float
    messages: float
    cost_per_success_usd: float | None
    limited: float
    failed: float
    tokens_origin: Origin = "measured"
    waited_s: float = 0.0
    lost: int = 0

    @property
    def name(self) -> str:
        return named(self.team, self.engine)


class Compared(Struct, frozen=True):
    """A team against the baseline. `p_adjusted` is Holm's over all teams."""

    team: str
    engine: str
    difference: Difference
    p_adjusted: float

    @property
    def better(self) -> bool:
        """Beyond doubt, whatever its lost runs and the baseline's would have been."""
        return self.difference.low > 0 and self.p_adjusted < ALPHA


class Verdict(Struct, frozen=True):
    """`text` is the answer in one sentence, `reason` what it rests on. `lost`: every team's runs with those that gave
    no answer and what broke them off; empty where all runs gave one. `first_error`: the first of those errors."""

    kind: Kind
    text: str
    reason: str
    differences: tuple[Compared, ...] = ()
    lost: tuple[Lost, ...] = ()
    first_error: str = ""


def groups(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    """(team, engine) → its outcomes, in order of first appearance by run number."""
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda o: o.run):
        found[outcome.group].append(outcome)
    return found


def summarise(outcomes: Sequence[Outcome]) -> list[TeamSummary]:
    """Every team that gave an answer in a run."""
    return [_summary(group) for group in groups(outcomes).values() if answered(group)]


def _summary(begun: Sequence[Outcome]) -> TeamSummary:
    outcomes = answered(begun)
    first, n = outcomes[0], len(outcomes)
    lost = len(begun) - n
    interval = success_interval(outcomes)
    costs = [o.cost_usd for o in outcomes if o.cost_usd is not None]
    cost = sum(costs) / n if len(costs) == n else None
    won = sum(o.success for o in outcomes)
    return TeamSummary(
        team=first.team,
        engine=first.engine,
        model=first.model,
        trials=n,
        success=interval.value,
        ci_low=interval.low,
        ci_high=interval.high,
        tokens=sum(o.tokens for o in outcomes) / n,
        cost_usd=cost,
        latency_s=sum(o.latency_s for o in outcomes) / n,
        latency_p95_s=float(np.percentile([o.latency_s for o in outcomes], 95)),
        messages=sum(o.messages for o in outcomes) / n,
        cost_per_success_usd=cost * n / won if cost is not None and won else None,
        limited=sum(o.status == "limited" for o in outcomes) / n,
        tokens_origin=least_certain(o.tokens_origin for o in outcomes),
        waited_s=sum(o.waited_s for o in outcomes) / n,
        failed=lost / len(begun),
        lost=lost,
    )


def judge(
    outcomes: Sequence[Outcome], baseline: str = "solo", margin: float = MARGIN, order: Sequence[str] | None = None
) -> Verdict:
    """The verdict on every team against `baseline` (on the same engine where it ran there). `order`: the cases after
    which an experiment that may stop early was looked at; its intervals and p values then hold at every look.

    A team is worth it when its success is higher beyond doubt (Holm-adjusted p < 0.05 and an interval above 0). One
    agent is enough when no team can be better by more than `margin` (non-inferiority). Else it depends on the case,
    where classes of cases differ beyond doubt; else there were not enough trials.

    Runs that gave no answer are missing data (missing.py): what is said holds whatever they would have been. Where a
    team gave no answer at all nothing is said, and where one lost more than a tenth of its runs there is no verdict.
    """
    lost = missing.losses(outcomes)
    if not any(one.lost for one in lost):
        return _judge(outcomes, baseline, margin, order)
    first = missing.first_error(outcomes)
    if missing.nothing_measured(lost):
        return Verdict("nothing_measured", _nothing(lost), f"The first error: {missing.short(first)}", (), lost, first)
    if missing.too_many(lost):
        found = _judge(outcomes, baseline, margin, order)
        text, reason = _broke_off(lost), "; ".join(missing.by_team(lost))
        return Verdict("runs_broke_off", text, f"{reason}.", found.differences, lost, first)
    found = _judge(outcomes, baseline, margin, order)
    reason = f"{_sentence(found.reason)}{missing.in_total(lost)}: {'; '.join(missing.by_team(lost))}."
    if found.kind in DECIDED:
        text = f"{found.text} That holds whatever the {_count(lost)} would have answered."
        return msgspec.structs.replace(found, text=text, reason=reason, lost=lost, first_error=first)
    if found.kind == "not_enough_trials":
        left_out = _judge(answered(outcomes), baseline, margin, order)
        text = _open(left_out, lost)
        return msgspec.structs.replace(found, text=text, reason=reason, lost=lost, first_error=first)
    return msgspec.structs.replace(found, reason=reason, lost=lost, first_error=first)


def _nothing(lost: Sequence[Lost]) -> str:
    if all(one.lost == one.runs for one in lost):
        return f"Nothing was measured: {_all_of(sum(one.runs for one in lost))} broke off."
    none = ", ".join(one.name for one in lost if one.lost == one.runs)
    return f"Nothing was measured: no run of {none} gave an answer; {missing.in_total(lost)}."


def _all_of(runs: int) -> str:
    return "the only run" if runs == 1 else f"all {runs:,} runs"


def _broke_off(lost: Sequence[Lost]) -> str:
    worst = ", ".join(f"{one.share:.0%} of {one.name}'s" for one in missing.too_many(lost))
    return (
        f"No verdict: {missing.in_total(lost)}, {worst}. Above {missing.MOST:.0%} of any team's runs, what is left "
        "says too little: do them again (resume with --retry-broken)."
    )


def _count(lost: Sequence[Lost]) -> str:
    number = sum(one.lost for one in lost)
    return "run that broke off" if number == 1 else f"{number:,} runs that broke off"


def _open(left_out: Verdict, lost: Sequence[Lost]) -> str:
    """Where the bounds leave it open: what the other runs alone would say."""
    number = _count(lost)
    if left_out.kind in DECIDED:
        said = left_out.text[0].lower() + left_out.text[1:]
        alike = "is like the others" if number.startswith("run") else "are like the others"
        return f"Not beyond doubt, since {missing.in_total(lost)}. If the {number} {alike}: {said}"
    return f"{left_out.text.rstrip('.')}; the {number} would tell more if done again."


def _sentence(text: str) -> str:
    return f"{text} " if text else ""


def _judge(outcomes: Sequence[Outcome], baseline: str, margin: float, order: Sequence[str] | None) -> Verdict:
    by_group = groups(outcomes)
    base = next((key for key in by_group if key[0] == baseline), None)
    others = [key for key in by_group if key != base]
    if base is None or not others:
        return Verdict("no_comparison", _alone(by_group), f"Compare {baseline!r} with at least one team.")
    compared = _compare(by_group, base, others, order)
    teams = [c for c in compared if c.team != baseline]
    if compared and not teams:
        only = f"No comparison: there is only {baseline}, on {len(by_group)} engines."
        return Verdict("no_comparison", only, f"Compare {baseline!r} with at least one team.", tuple(compared))
    if not compared:
        return Verdict("no_comparison", "No comparison: no trial was done by two teams.", "")
    summaries = {(s.team, s.engine): s for s in summarise(outcomes)}
    return _decide(teams, summaries, base, margin, by_group, order)


def _alone(by_group: dict[tuple[str, str], list[Outcome]]) -> str:
    return f"No comparison: there is only {', '.join(dict.fromkeys(team for team, _ in by_group)) or 'nothing'}."


def _compare(
    by_group: dict[tuple[str, str], list[Outcome]],
    base: tuple[str, str],
    others: Sequence[tuple[str, str]],
    order: Sequence[str] | None,
) -> list[Compared]:
    found = []
    for team, engine in others:
        against = by_group.get((base[0], engine), by_group[base]) if team != base[0] else by_group[base]
        difference = _difference(by_group[team, engine], against, order, len(others))
        if difference is not None:
            found.append((team, engine, difference))
    adjusted = holm([difference.p for _, _, difference in found])
    return [Compared(t, e, d, p) for (t, e, d), p in zip(found, adjusted, strict=True)]


def _difference(
    a: Sequence[Outcome], b: Sequence[Outcome], order: Sequence[str] | None, tests: int
) -> Difference | None:
    """With an order, each of so many intervals is wide enough for all to hold together (Bonferroni)."""
    if order is None:
        return paired_difference(a, b)
    return difference_at_any_time(a, b, order, 1 - ALPHA / tests)


def _decide(
    compared: list[Compared],
    summaries: dict[tuple[str, str], TeamSummary],
    base: tuple[str, str],
    margin: float,
    by_group: dict[tuple[str, str], list[Outcome]],
    order: Sequence[str] | None,
) -> Verdict:
    solo = summaries[base]
    simulated = by_group[base][0].simulated
    better = [c for c in compared if c.better]
    reason = "; ".join(_in_words(c, summaries[c.team, c.engine], solo) for c in compared)
    reason = f"{reason}. Paired over {compared[0].difference.cases} cases{_mark(simulated)}."
    if better:
        best = max(better, key=lambda c: c.difference.value)
        text = f"The team is worth it: {_name(best)} succeeds in {_points(best.difference)} more runs than one agent"
        return Verdict(
            "team_worth_it", f"{text}{_price(summaries[best.team, best.engine], solo)}.", reason, tuple(compared)
        )
    split = _by_difficulty(compared, by_group, base, order)
    if split:
        return Verdict("depends_on_case", split, reason, tuple(compared))
    if all(c.difference.high < margin for c in compared):
        cheap = _dearer(compared, summaries, solo)
        text = f"One agent is enough: no team is better by more than {100 * margin:g} points{cheap}."
        return Verdict("one_is_enough", text, reason, tuple(compared))
    return Verdict("not_enough_trials", _too_few(compared, margin), reason, tuple(compared))


def _by_difficulty(
    compared: list[Compared],
    by_group: dict[tuple[str, str], list[Outcome]],
    base: tuple[str, str],
    order: Sequence[str] | None,
) -> str:
    """A team that is beyond doubt better on one class of cases, if any: tested over all teams and classes."""
    tried = []
    levels = sorted({o.difficulty for o in by_group[base] if o.difficulty})
    for c in compared:
        for level in levels:
            team, alone = ([o for o in by_group[key] if o.difficulty == level] for key in ((c.team, c.engine), base))
            difference = _difference(team, alone, order, len(compared) * len(levels))
            if difference is not None and difference.cases > 2:
                tried.append((c, level, difference))
    adjusted = holm([difference.p for _, _, difference in tried])
    for (c, level, difference), p in zip(tried, adjusted, strict=True):
        if p < ALPHA and difference.low > 0:
            return (
                f"It depends on the case: on {level} cases {_name(c)} succeeds in {_points(difference)} more runs "
                "than one agent; overall no difference is beyond doubt."
            )
    return ""


def _too_few(compared: list[Compared], margin: float) -> str:
    needed = [n for n in (cases_needed(c.difference, margin) for c in compared) if n is not None]
    more = max(needed, default=0) - compared[0].difference.cases
    hint = (
        f"about {more:,} more cases like these would tell" if more > 0 else "a few more trials of each case would tell"
    )
    return f"Not enough trials: no team is better beyond doubt, and none can be ruled out to be; {hint}."


def _name(compared: Compared) -> str:
    return named(compared.team, compared.engine)


def _points(difference: Difference) -> str:
    return f"{difference.value:.1%} ({difference.low:.1%} to {difference.high:.1%})"


def _in_words(compared: Compared, team: TeamSummary, solo: TeamSummary) -> str:
    d = compared.difference
    return (
        f"{_name(compared)} {d.value * 100:+.1f} points ({d.low * 100:+.1f} to {d.high * 100:+.1f}){_price(team, solo)}"
    )


def _price(team: TeamSummary, solo: TeamSummary) -> str:
    """What the team costs beside one agent."""
    parts = []
    if team.cost_usd is None or solo.cost_usd is None:
        parts.append("cost unknown")
    elif solo.cost_usd > 0:
        parts.append(f"{team.cost_usd / solo.cost_usd:.1f}x the cost")
    if solo.latency_s > 0:
        parts.append(f"{team.latency_s / solo.latency_s:.1f}x the time")
    return f", for {' and '.join(parts)}" if parts else ""


def _dearer(compared: list[Compared], summaries: dict[tuple[str, str], TeamSummary], solo: TeamSummary) -> str:
    ratios = [
        (summaries[c.team, c.engine].cost_usd or 0) / solo.cost_usd
        for c in compared
        if solo.cost_usd and summaries[c.team, c.engine].cost_usd is not None
    ]
    if not ratios or min(ratios) <= 1:
        return ""
    low, high = min(ratios), max(ratios)
    shown = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"
    return f", and they cost {shown} times as much"


def _mark(simulated: bool) -> str:
    return " (simulated)" if simulated else ""
