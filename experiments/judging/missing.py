"""Runs without a result are missing data, not failures: worst-case bounds over whatever they would have been.

A run that broke off (a network, a server, an error of the framework), that was cut off with its worker, or whose
grader failed, says nothing about its team. Its success is unknown, so a difference between two teams has a low end (the
lost runs of A counted as failures, those of B as successes) and a high end (the reverse): Horowitz & Manski 1995,
"Identification and robustness with contaminated and corrupted data", Econometrica 63; Manski 2003, "Partial
Identification of Probability Distributions". What is claimed must hold at the end that speaks against it. A run that a
limit ended is an answer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from experiments.judging.paired import Case, Paired
from experiments.outcome import Outcome, named

MOST = 0.10
"""With a greater share of any team's runs lost there is no verdict."""
BROKE_OFF, NOT_GRADED, NOT_FINISHED = "broke off", "could not be graded", "did not finish"
KINDS_SHOWN = 3
_VARIES = re.compile(r"\b[0-9a-fA-F]{8,}\b|\d+")
_LONGEST = 240


class Lost(Struct, frozen=True):
    """A team's runs without a result: `lost` of `runs`, by what broke them off, the most frequent first. `ungraded` of
    the lost have an answer that no grader could judge; `unfinished` were cut off, and go on when the experiment is
    resumed."""

    team: str
    engine: str
    runs: int
    lost: int
    errors: dict[str, int]
    ungraded: int = 0
    unfinished: int = 0

    @property
    def name(self) -> str:
        return named(self.team, self.engine)

    @property
    def broke_off(self) -> int:
        return self.lost - self.ungraded - self.unfinished

    @property
    def share(self) -> float:
        """Of the runs that are over, those without a result."""
        return (self.lost - self.unfinished) / max(1, self.runs - self.unfinished)


class Bounds(Struct, frozen=True):
    """The trials of each case that a team and the baseline both began: at the low end of what can be (the team's lost
    runs are failures, the baseline's successes) and at the high end; `answered` has those alone that both answered.
    `lost` counts the trials that one of them did not."""

    low: Paired
    high: Paired
    answered: Paired
    lost: int


def answered(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The runs that gave an answer, right or wrong."""
    return [outcome for outcome in outcomes if not outcome.lost]


def filled(outcomes: Iterable[Outcome], success: bool) -> list[Outcome]:
    """All runs, with what is missing taken for a success or for a failure: one end of what can be."""
    return [
        msgspec.structs.replace(outcome, status="completed", success=success) if outcome.lost else outcome
        for outcome in outcomes
    ]


def bounded(a: Sequence[Outcome], b: Sequence[Outcome]) -> Bounds:
    """A against B over the trials that both began, whatever the lost runs would have been."""
    other = {(o.case, o.trial): o for o in b}
    low, high, known = (defaultdict[str, Case](lambda: Case([], [])) for _ in range(3))
    lost = 0
    for one in sorted(a, key=lambda o: (o.case, o.trial)):
        against = other.get((one.case, one.trial))
        if against is None:
            continue
        _add(low[one.case], _least(one), _most(against))
        _add(high[one.case], _most(one), _least(against))
        if one.lost or against.lost:
            lost += 1
        else:
            _add(known[one.case], int(one.success), int(against.success))
    return Bounds(dict(low), dict(high), dict(known), lost)


def _add(case: Case, team: int, base: int) -> None:
    case.team.append(team)
    case.base.append(base)


def _least(outcome: Outcome) -> int:
    return int(outcome.success and not outcome.lost)


def _most(outcome: Outcome) -> int:
    return int(outcome.success or outcome.lost)


def losses(outcomes: Iterable[Outcome]) -> tuple[Lost, ...]:
    """Of every team on every engine, in the order of their first runs; those that lost none too."""
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda o: o.run):
        groups[outcome.group].append(outcome)
    return tuple(_losses(group) for group in groups.values())


def _losses(group: Sequence[Outcome]) -> Lost:
    first = group[0]
    missing = [outcome for outcome in group if outcome.lost]
    ways = Counter(outcome.status for outcome in missing)
    errors = _kinds(outcome.why_lost for outcome in missing)
    return Lost(first.team, first.engine, len(group), len(missing), errors, ways["ungraded"], ways["interrupted"])


def _kinds(errors: Iterable[str]) -> dict[str, int]:
    """Errors that differ in numbers alone are one kind, in the words of its first."""
    words: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for error in errors:
        kind = _VARIES.sub("#", error)
        words.setdefault(kind, error)
        counts[kind] += 1
    return {words[kind]: count for kind, count in counts.most_common()}


def first_error(outcomes: Iterable[Outcome]) -> str:
    """What broke off the first run that did, or kept it from being graded; empty where none did. Where runs were only
    cut off, what that was."""
    lost = [outcome for outcome in outcomes if outcome.lost]
    first = min(lost, key=lambda o: (o.status == "interrupted", o.run), default=None)
    return "" if first is None else first.why_lost


def begun(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Without the teams of which every run was cut off: they are as if they had not been begun."""
    over = {outcome.group for outcome in outcomes if outcome.status != "interrupted"}
    return [outcome for outcome in outcomes if outcome.group in over]


def nothing_measured(lost: Sequence[Lost]) -> bool:
    """Whether no run of any team has a result; not so where there are no runs, or nothing is known to be lost."""
    return bool(lost) and all(one.lost == one.runs for one in lost)


def unmeasured(lost: Sequence[Lost]) -> list[Lost]:
    """The teams of which no run has a result."""
    return [one for one in lost if one.lost == one.runs]


def too_many(lost: Sequence[Lost]) -> list[Lost]:
    """The teams that lost so many runs that no verdict would rest on anything."""
    return [one for one in lost if one.share > MOST]


def in_total(lost: Sequence[Lost]) -> str:
    """`3 of 20 runs broke off and 1 could not be graded`; empty where none is lost."""
    runs, ways = sum(one.runs for one in lost), list(_ways(lost).items())
    said = [f"{number:,} of {_count(runs)} {how}" for how, number in ways[:1]]
    return " and ".join(said + [f"{number:,} {how}" for how, number in ways[1:]])


def none_of(lost: Sequence[Lost]) -> str:
    """`all 4 runs broke off`: what became of all runs, where none has a result."""
    runs, ways = sum(one.runs for one in lost), _ways(lost)
    if len(ways) > 1:
        return in_total(lost)
    all_of_them = {BROKE_OFF: f"all {_count(runs)} broke off", NOT_GRADED: f"none of {_count(runs)} could be graded"}
    how = next(iter(ways))
    return f"the only run {how}" if runs == 1 else all_of_them.get(how, f"none of {_count(runs)} finished")


def those(lost: Sequence[Lost]) -> str:
    """`3 runs that broke off`."""
    number, ways = sum(one.lost for one in lost), _ways(lost)
    return f"{_count(number)} {f'that {next(iter(ways))}' if len(ways) == 1 else 'without a result'}"


def _ways(lost: Sequence[Lost]) -> dict[str, int]:
    """How runs came to have no result, with how many."""
    ways = {
        BROKE_OFF: sum(one.broke_off for one in lost),
        NOT_GRADED: sum(one.ungraded for one in lost),
        NOT_FINISHED: sum(one.unfinished for one in lost),
    }
    return {how: number for how, number in ways.items() if number}


def _count(runs: int) -> str:
    return f"{runs:,} {'run' if runs == 1 else 'runs'}"


def once_more(experiment: str, lost: Sequence[Lost]) -> str:
    """The command that does the lost runs again, or goes on with those that were only cut off."""
    again = any(one.lost > one.unfinished for one in lost)
    return f"headcount resume {experiment}{' --retry-broken' if again else ''}"


def by_team(lost: Sequence[Lost]) -> list[str]:
    """A line for each team that lost runs: how many, and why, with counts."""
    return [f"{one.name}: {one.lost:,} of {one.runs:,} ({_errors(one.errors)})" for one in lost if one.lost]


def _errors(errors: dict[str, int]) -> str:
    shown = [f"{count:,} x {short(error)}" for error, count in list(errors.items())[:KINDS_SHOWN]]
    others = sum(list(errors.values())[KINDS_SHOWN:])
    return "; ".join(shown + ([f"{others:,} x other errors"] if others else []))


def short(error: str) -> str:
    """An error on one line, of bounded length."""
    line = "".join(c for c in " ".join(error.split()) if c.isprintable())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
