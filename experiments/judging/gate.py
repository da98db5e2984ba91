"""Whether an experiment reached what was asked of it: each criterion met, missed, or not to be told from so few trials.

A success rate, and being not worse than another team on these cases, are judged by their 95 % intervals: met where the
whole interval is on the right side, missed where all of it is on the wrong side, else undecided. Sums, means,
percentiles and counts are judged by what they were in the runs that gave an answer.

Runs without a result are missing data: an interval reaches from the end at which they are failures to that at which
they are successes. Where no run has one, nothing was measured and the check fails; where a team lost more than a tenth
of its runs, it fails by a criterion of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from experiments import words
from experiments.judging import missing
from experiments.judging.comparing import on_these
from experiments.judging.gatefile import Accept, GateFile
from experiments.judging.judged import with_cut_off
from experiments.judging.missing import Lost
from experiments.judging.statistics import success_bounds
from experiments.judging.summaries import TeamSummary, groups, summarise
from experiments.outcome import Outcome
from traces.store import Store

State = Literal["met", "missed", "undecided"]
BROKE_OFF = "runs that broke off"
NO_RESULT = "runs without a result"


class Criterion(Struct, frozen=True):
    """`wanted` and `found` are words, such as `at least 90 %` and `92 % (85 to 96 %)`."""

    team: str
    name: str
    wanted: str
    found: str
    state: State


class Checked(Struct, frozen=True):
    """`kind` is `measured`, or `nothing_measured`: then there are no criteria, and `why` says what broke the runs off.
    `lost`: every team's runs, with those that gave no answer, where any did not."""

    experiment: str
    command: str
    simulated: bool
    passed: bool
    criteria: tuple[Criterion, ...]
    runs: int
    wall_s: float = 0.0
    kind: Literal["measured", "nothing_measured"] = "measured"
    why: str = ""
    lost: tuple[Lost, ...] = ()


class Acts(Struct, frozen=True):
    """What the runs of an experiment did to the world outside, by team and engine: refused calls, and calls by tool."""

    refused: dict[tuple[str, str], int]
    called: dict[tuple[str, str], dict[str, int]]


def check(file: GateFile, experiment: str, command: str, done: Sequence[Outcome], store: Store) -> Checked:
    """`done`: the runs that came to an end; those that were cut off on the way are looked up."""
    outcomes = with_cut_off({}, done, store.team_rows(experiment))
    lost = missing.losses(outcomes)
    lost = lost if any(one.lost for one in lost) else ()
    simulated = any(o.simulated for o in outcomes)
    if not outcomes or missing.nothing_measured(lost):
        why = missing.short(missing.first_error(outcomes)) or "no run came to an end"
        return Checked(experiment, command, simulated, False, (), len(outcomes), 0.0, "nothing_measured", why, lost)
    criteria = tuple(judged(file, outcomes, acts(experiment, store)))
    bad = ("missed", "undecided") if file.undecided == "fail" else ("missed",)
    passed = not any(criterion.state in bad for criterion in criteria)
    return Checked(experiment, command, simulated, passed, criteria, len(outcomes), lost=lost)


def acts(experiment: str, store: Store) -> Acts:
    """From the index, once the experiment is over."""
    refused: dict[tuple[str, str], int] = {}
    called: dict[tuple[str, str], dict[str, int]] = {}
    rows = store.ask(
        experiment,
        "SELECT team, engine, type, e.body->>'$.tool' AS tool, count(*) AS n "
        "FROM events e JOIN runs USING (experiment, run) WHERE part = $part AND "
        "(type = 'execute_tool' OR (type = 'approval' AND NOT (body->>'$.approved')::BOOLEAN)) GROUP BY ALL",
    )
    for row in rows:
        group = row["team"], row["engine"]
        if row["type"] == "approval":
            refused[group] = refused.get(group, 0) + row["n"]
        else:
            called.setdefault(group, {})[row["tool"]] = row["n"]
    return Acts(refused, called)


def judged(file: GateFile, outcomes: Sequence[Outcome], did: Acts) -> Iterator[Criterion]:
    """Every criterion of the file, for every team (on each engine) that it is about."""
    by_group = groups(outcomes)
    lost = {one.name: one for one in missing.losses(outcomes)}
    for one in missing.unmeasured(list(lost.values())):
        yield _too_many(one)
    for summary in summarise(outcomes):
        group = by_group[summary.team, summary.engine]
        for accept in file.accept:
            if accept.team in (None, summary.team):
                yield from _of_team(accept, summary, group, did, lost[summary.name])
                yield from _against(accept, summary, by_group)
        if missing.too_many([lost[summary.name]]):
            yield _too_many(lost[summary.name])


def _too_many(one: Lost) -> Criterion:
    found = f"{one.lost / one.runs:.1%} ({missing.in_total([one])})"
    return Criterion(one.name, NO_RESULT, f"at most {missing.MOST:.0%}", found, "missed")


def _of_team(accept: Accept, team: TeamSummary, group: list[Outcome], did: Acts, lost: Lost) -> Iterator[Criterion]:
    if accept.success is not None:
        low, high = success_bounds(group)
        found = f"{team.success:.1%} ({100 * low:.1f} to {100 * high:.1f} %)"
        found += f"; {missing.in_total([lost])}" if lost.lost else ""
        state = _by_interval(low >= accept.success, high < accept.success)
        yield Criterion(team.name, "success", f"at least {accept.success:.1%}", found, state)
    limits = (
        ("cost per run", accept.cost_usd, team.cost_usd, words.money),
        ("tokens per run", accept.tokens, team.tokens, words.count),
        ("latency p95", accept.latency_p95_s, team.latency_p95_s, words.seconds),
    )
    for name, limit, value, shown in limits:
        if limit is not None:
            found = "unknown" if value is None else shown(value)
            yield Criterion(team.name, name, f"at most {shown(limit)}", found, _at_most(value, limit))
    counts = (
        ("refused actions", accept.refused_actions, did.refused.get((team.team, team.engine), 0)),
        (BROKE_OFF, accept.failed, lost.lost - lost.ungraded),
    )
    for name, most, number in counts:
        if most is not None:
            yield Criterion(team.name, name, f"at most {most:,}", f"{number:,}", _at_most(number, most))
    for tool in accept.never:
        number = did.called.get((team.team, team.engine), {}).get(tool, 0)
        yield Criterion(team.name, f"calls of {tool}", "none", f"{number:,}", _at_most(number, 0))


def _against(accept: Accept, team: TeamSummary, by_group: dict[tuple[str, str], list[Outcome]]) -> Iterator[Criterion]:
    than = accept.not_worse_than
    if than is None or than.team == team.team:
        return
    base = by_group.get((than.team, team.engine)) or next(g for key, g in by_group.items() if key[0] == than.team)
    name, wanted = f"not worse than {than.team}", f"by at most {100 * than.margin:g} points"
    difference = on_these(by_group[team.team, team.engine], base)
    if difference is None:
        yield Criterion(team.name, name, wanted, "too few trials were done by both", "missed")
        return
    found = f"{100 * difference.value:+.1f} points ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
    state = _by_interval(difference.low > -than.margin, difference.high < -than.margin)
    yield Criterion(team.name, name, wanted, found, state)


def _by_interval(met: bool, missed: bool) -> State:
    return "met" if met else "missed" if missed else "undecided"


def _at_most(value: float | None, limit: float) -> State:
    """An unknown value is no value within a limit."""
    return "met" if value is not None and value <= limit else "missed"
