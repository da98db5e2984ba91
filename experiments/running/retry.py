"""Runs that broke off are done again from where they broke off: what they had recorded until then is kept.

Any beginning of a run's record is a place to go on from (running/resume.py). An attempt that broke off keeps the events
before the call that failed; what comes then replaces the rest (traces/stretches.py), which stays in the journal. The
folder says which attempts are to be done again, by their digests: one that was done again has another, so that a kill
in the middle, and a resume after it, lose and repeat nothing.

<experiment>/retries.json       run → its attempts that broke off, the last at the end
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import msgspec
from msgspec import Struct

from experiments.running.rerun import Start
from traces.committed import Committed, committed
from traces.home import ExperimentFolder, write_atomically
from traces.kernel import (
    ApprovalDecided,
    Chat,
    EffectIntended,
    OutputRejected,
    Record,
    RunFinished,
    ToolExecuted,
)

FILE = "retries.json"


class Attempt(Struct, frozen=True):
    """One that broke off: the `digest` of its events, of which the first `kept` count; `error` is what broke it off,
    `asked` when it was asked for again (Unix time). `made`: what it, or one before it, did outside after those."""

    digest: str
    kept: int
    error: str
    asked: float
    made: list[Record] = []


Attempts = dict[int, list[Attempt]]


def request(folder: ExperimentFolder) -> int:
    """Have every run that broke off, or whose grader failed, done again by the next who goes on with the experiment.
    How many there are."""
    known, count = read(folder), 0
    for run in committed(folder.journals()):
        error = _broke_off(run)
        if error is None:
            continue
        count += 1
        if not is_due(run, known):
            records = run.records
            number, earlier = kept(records), not_yet_again(run, known)
            made = [*earlier, *(r for r in records[number:] if isinstance(r.event, EffectIntended | ToolExecuted))]
            attempt = Attempt(str(run.hashed.hexdigest()), number, error, time.time(), made)
            known.setdefault(run.number, []).append(attempt)
    if count:
        write_atomically(folder.path / FILE, msgspec.json.encode(known))
    return count


def read(folder: ExperimentFolder) -> Attempts:
    """The attempts that are, or were, to be done again."""
    file = folder.path / FILE
    return msgspec.json.decode(file.read_bytes(), type=Attempts) if file.is_file() else {}


def is_due(run: Committed, attempts: Attempts) -> bool:
    """Whether the run as it is recorded is an attempt that is to be done again."""
    asked = attempts.get(run.number)
    return bool(asked) and asked is not None and asked[-1].digest == str(run.hashed.hexdigest())


def start(run: Committed, attempts: Attempts) -> Start:
    """Where the next attempt of a run that is due starts, or goes on that was begun and is not over."""
    last = attempts[run.number][-1] if run.number in attempts else None
    if last is None:
        return Start.at_the_end_of(run)
    if not is_due(run, attempts):
        return replace(Start.at_the_end_of(run), made=not_yet_again(run, attempts))
    begun = Start.at_the_end_of(Committed(run.number, partial(_first, run, last.kept)))
    return replace(begun, made=last.made)


def not_yet_again(run: Committed, attempts: Attempts) -> list[Record]:
    """The effects of attempts that broke off, without those that the run as it is recorded came to again."""
    if run.number not in attempts:
        return []
    last = attempts[run.number][-1]
    left = list(last.made)
    for record in run.records[last.kept :]:
        event = record.event
        if isinstance(event, EffectIntended):
            alike = next((one for one in left if _alike(one.event, event)), None)
            left = [one for one in left if one is not alike and not (alike and _is_result(one.event, alike.event))]
    return left


def _alike(one: object, other: EffectIntended) -> bool:
    return isinstance(one, EffectIntended) and (one.tool, one.arguments) == (other.tool, other.arguments)


def _is_result(one: object, intended: object) -> bool:
    known = isinstance(one, ToolExecuted) and isinstance(intended, EffectIntended)
    return known and (one.agent, one.tool, one.call_id) == (intended.agent, intended.tool, intended.call_id)  # type: ignore[attr-defined]


def _first(run: Committed, number: int) -> list[bytes]:
    return list(islice(run.lines, number))


def _broke_off(run: Committed) -> str | None:
    if run.outcome is None:
        return None
    graded, finished = run.outcome
    return (finished.error or finished.ended_by) if finished.status == "failed" else graded.error or None


def kept(records: Sequence[Record]) -> int:
    """How many of the first events of an attempt that broke off its next one has: those before the model call that
    failed, or before the replies that could not be read; else all up to the last that took work."""
    failing = [place for place in map(partial(_failing, records), _agents(records)) if place is not None]
    if failing:
        return max(1, min(failing))
    work = Chat | OutputRejected | ApprovalDecided | EffectIntended | ToolExecuted
    return max((record.seq + 1 for record in records if isinstance(record.event, work)), default=1)


def _agents(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.event.agent for record in records if isinstance(record.event, Chat)))


def _failing(records: Sequence[Record], agent: str) -> int | None:
    """The event at which the agent's last call began to fail; None where that was answered, or where the run's error
    came from another agent's replies."""
    own = [r for r in records if isinstance(r.event, Chat | OutputRejected | ToolExecuted) and r.event.agent == agent]
    place, bad = len(own), 0
    while place and _is_bad(own, place - 1):
        place -= 1
        bad += 1
    if not bad:
        return None
    last = own[-1].event
    if isinstance(last, OutputRejected) and not (last.final and _error(records).startswith(f"{agent}: ")):
        return None
    return own[place].seq


def _is_bad(own: Sequence[Record], place: int) -> bool:
    """Whether an event of an agent is a call that failed, or a reply that could not be read."""
    event = own[place].event
    if isinstance(event, OutputRejected):
        return True
    rejected = place + 1 < len(own) and isinstance(own[place + 1].event, OutputRejected)
    return isinstance(event, Chat) and (bool(event.error) or rejected)


def _error(records: Sequence[Record]) -> str:
    return next((r.event.error for r in reversed(records) if isinstance(r.event, RunFinished)), "")
