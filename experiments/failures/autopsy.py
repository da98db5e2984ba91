"""Why runs failed: of each, the first decisive error with its label, who passed it on, and who could have caught it.

`autopsy` reads one run, `of_experiment` all failed runs of an experiment, `by_team` puts them together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from agents.models.simulated.index import Index, index_of
from experiments import plan as plans
from experiments.failures.autopsy_rules import Error, Found, Statement, find
from experiments.failures.mast import LABELS, MODES
from experiments.judging.reviews import Look
from experiments.outcome import named
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.kernel import Chat, Evaluated, Record, RunFinished, RunStarted
from traces.store import Store

CHECKS = ("incomplete_check", "wrong_check")
IN_VAIN = ("repeats", "resets", "derails", "unaware_of_end", "disobeys_role")
Part = Literal["introduced", "passed_on", "saw", "let_through", "caught"]
_NUMBER = re.compile(r"[-_]\d+$")
NO_ERROR = "not found"
"""The label of a failed run in which the rules find no error that explains it."""
ENDED = {"failed": "broke off", "limited": "ended by a limit"}
"""Those of such a run that an error or a limit ended before its team was done."""


class Link(Struct, frozen=True):
    """What an agent had to do with the decisive error, first at event `seq`: it `introduced` it, `passed_on` its wrong
    value, `saw` that value in a message, or as a reviewer was shown wrong work and `let_through` or `caught` it."""

    seq: int
    agent: str
    part: Part


class Autopsy(Struct, frozen=True):
    """Of one failed run. `decisive`: the first error that was never put right (None: the rules find none). `errors`:
    all that they find, in order. `chain`: who had to do with the decisive one, in order, each part of each once.
    `ended`: what ended the run before its team was done, if anything did (limited: a budget or another limit,
    failed: an error)."""

    run: int
    team: str
    engine: str
    case: str
    decisive: Error | None
    errors: tuple[Error, ...]
    chain: tuple[Link, ...] = ()
    ended: str = ""

    @property
    def label(self) -> str:
        if self.decisive is not None:
            return self.decisive.label
        return ENDED.get(self.ended.partition(":")[0], NO_ERROR)

    def agents(self, part: Part) -> tuple[str, ...]:
        return tuple(link.agent for link in self.chain if link.part == part)

    @property
    def shown(self) -> bool:
        """Whether a reviewer was shown wrong work after the error."""
        return any(link.part in ("let_through", "caught") for link in self.chain)


class TeamFailures(Struct, frozen=True):
    """The failed runs of a team on an engine. `labels`: label → runs whose decisive error has it; `agents`: role of
    the agent that introduced it → runs. In `passed_on` of the failed runs another agent repeated it; in `shown` a
    reviewer of others' work was shown wrong work after it, and in `caught` one of them objected (in vain, since the
    run failed)."""

    team: str
    engine: str
    failed: int
    labels: dict[str, int]
    agents: dict[str, int]
    passed_on: int
    shown: int
    caught: int

    @property
    def name(self) -> str:
        """As tables and charts have it."""
        return named(self.team, self.engine)


def title(label: str) -> str:
    """A label in words: MAST's code and name, or what it stands for."""
    if label in MODES:
        return f"{MODES[label].code} {MODES[label].name}"
    codes = ", ".join(MODES[name].code for name in LABELS.get(label, ()) if name in MODES)
    return f"{label} ({codes})" if codes else label


def short(label: str) -> str:
    """A label for a table: MAST's code and the short name, or the name of a class."""
    return f"{MODES[label].code} {label}" if label in MODES else label


def autopsy(records: Sequence[Record], index: Index) -> Autopsy | None:
    """Of a run from its records, in order; None unless it was graded a failure, or broke off: of such a run nobody is
    blamed, and `ended` says what broke it off."""
    graded = [r.event for r in records if isinstance(r.event, Evaluated)]
    broke_off = _ended(records).startswith("failed")
    if not broke_off and (not graded or graded[-1].success or graded[-1].error):
        return None
    run = next((r.event.run for r in records if isinstance(r.event, RunStarted)), None)
    about = (run.team, run.engine, run.case) if run is not None else ("", "", index.case.id)
    if broke_off:
        return Autopsy(records[0].run, *about, None, (), (), _ended(records))
    found = find(records, index)
    decisive = _decisive(found, index)
    chain = _chain(decisive, found, records, index) if decisive is not None else ()
    return Autopsy(records[0].run, *about, decisive, found.errors, chain, _ended(records))


def _ended(records: Sequence[Record]) -> str:
    last = next((r.event for r in reversed(records) if isinstance(r.event, RunFinished)), None)
    if last is None or last.status == "completed":
        return ""
    return f"{last.status}: {last.error or last.ended_by}"


def _decisive(found: Found, index: Index) -> Error | None:
    """The first error whose harm is there at the end; else the first that what is wrong at the end rests on; else the
    first that cost work (the budget may have run out on it); else the first wrong review."""
    made = [error for error in found.errors if error.label not in CHECKS]
    direct = [error for error in made if _harmed(error, found, index)]
    ending = found.wrong | found.unsaid | {name for step in found.undone for name in index.steps[step].facts}
    upstream = [e for e in made if any(index.rests_on(n) & ending for n in e.facts if n in index.producer)]
    return next(iter(direct or upstream or made or found.errors), None)


def _harmed(error: Error, found: Found, index: Index) -> bool:
    """Whether what it did is there at the end: it acted outside, its act was not done or not rightly, or its facts are
    wrong or were never known again. Work that was done in vain does no harm once its step is done."""
    if error.lasting or error.step in found.undone:
        return True
    open_ = {name for name in error.facts if found.right.get(name, -1) <= error.seq}
    return bool(
        open_ & (found.wrong | found.unsaid)
        if error.label in IN_VAIN
        else found.wrong.intersection(error.facts) or open_ & found.unsaid
    )


def _chain(decisive: Error, found: Found, records: Sequence[Record], index: Index) -> tuple[Link, ...]:
    facts = {later for name in decisive.facts if name in index.producer for later in {name} | index.rests_on(name)}
    wrong = [s for s in found.statements if s.seq >= decisive.seq and s.fact in facts and not s.right]
    links = [Link(decisive.seq, decisive.agent, "introduced")]
    links += [Link(s.seq, s.agent, "passed_on") for s in wrong if s.agent != decisive.agent]
    links += _seen(decisive, wrong, records)
    links += [_reviewed(one) for one in found.looks if one.seq > decisive.seq and one.wrong and not one.own]
    first: dict[tuple[str, str], Link] = {}
    for link in sorted(links, key=lambda link: link.seq):
        first.setdefault((link.agent, link.part), link)
    return tuple(first.values())


def _reviewed(one: Look) -> Link:
    return Link(one.seq, one.agent, "let_through" if one.passed else "caught")


def _seen(decisive: Error, wrong: Iterable[Statement], records: Iterable[Record]) -> Iterator[Link]:
    """Others to whom a message brought the wrong value."""
    lines = {f"- {s.fact}: {s.value}" for s in wrong}
    for record in records:
        chat = record.event
        if isinstance(chat, Chat) and record.seq > decisive.seq and chat.agent != decisive.agent:
            told = [message.content for message in chat.added if message.role == "user"]
            if any(line in text for text in told for line in lines):
                yield Link(record.seq, chat.agent, "saw")


def of_run(folder: ExperimentFolder, run: int, store: Store | None = None) -> Autopsy | None:
    """Of one recorded run; None unless it was graded a failure. Raises InputError where there is no such run, or where
    its scenario is not here."""
    store = store or Store()
    row = store.run(folder.id, run)
    return autopsy(store.events(folder.id, run), _indexes(folder)[row.case_id])


def of_experiment(folder: ExperimentFolder, store: Store | None = None) -> Iterator[Autopsy]:
    """Of each failed run, by number. Raises InputError where the experiment's scenario is not here."""
    for found, _ in with_records(folder, store or Store()):
        yield found


def with_records(folder: ExperimentFolder, store: Store) -> Iterator[tuple[Autopsy, list[Record]]]:
    """The same, each with what it was read from."""
    known = _indexes(folder)
    cases = {row.run: row.case_id for row in store.team_rows(folder.id) if row.success is False}
    for run, records in store.each_run(folder.id, sorted(cases)):
        found = autopsy(records, known[cases[run]]) if cases[run] in known else None
        if found is not None:
            yield found, records


def _indexes(folder: ExperimentFolder) -> dict[str, Index]:
    scenario = plans.scenario_of(folder)
    if scenario is None:
        raise InputError(
            f"experiment {folder.id}: its scenario is not here as it was, and without its reference solutions nobody "
            "can say where a run went wrong"
        )
    return {case.id: index_of(case) for case in scenario.cases}


def by_team(autopsies: Iterable[Autopsy]) -> list[TeamFailures]:
    """The failed runs of each team put together, in the order in which teams come up."""
    groups: dict[tuple[str, str], list[Autopsy]] = defaultdict(list)
    for one in autopsies:
        groups[one.team, one.engine].append(one)
    return [_of_team(team, engine, group) for (team, engine), group in groups.items()]


def _of_team(team: str, engine: str, group: list[Autopsy]) -> TeamFailures:
    roles = Counter(_NUMBER.sub("", one.decisive.agent) for one in group if one.decisive)
    return TeamFailures(
        team,
        engine,
        len(group),
        dict(Counter(one.label for one in group).most_common()),
        dict(roles.most_common()),
        sum(bool(one.agents("passed_on")) for one in group),
        sum(one.shown for one in group),
        sum(bool(one.agents("caught")) for one in group),
    )
