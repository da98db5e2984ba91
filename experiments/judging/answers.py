"""The verdicts of experiments that are over, kept beside their journals so that nobody judges the same runs twice.

<experiment>/verdict.json can be deleted at any time; it counts only for the very journals and the very code of the
judgement that it was made from.
"""

from __future__ import annotations

import contextlib
import hashlib
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from traces import index
from traces.errors import TraceError
from traces.home import NotWritten, experiment_folder, read_json, write_atomically
from traces.rows import ExperimentRow
from traces.store import Store

FILE = "verdict.json"
_JUDGES = (
    "judging/answering.py",
    "judging/answers.py",
    "judging/betting.py",
    "judging/comparing.py",
    "judging/flips.py",
    "judging/judged.py",
    "judging/like_these.py",
    "judging/missing.py",
    "judging/outlook.py",
    "judging/paired.py",
    "judging/saying.py",
    "judging/statistics.py",
    "judging/summaries.py",
    "judging/these_cases.py",
    "judging/verdict.py",
    "order.py",
    "outcome.py",
)


class Answered(Struct, frozen=True):
    """A verdict in short: its `kind` (of forks, which are no comparison, `fork`), its sentence, what it rests on;
    `made_from` names journals and code;
    `second` what it comes to on the other question."""

    kind: str
    text: str
    reason: str
    runs: int
    made_from: str
    second: str = ""


def answer(row: ExperimentRow, store: Store) -> Answered:
    """The verdict on an experiment that is over; `kind` is empty where no run was graded."""
    folder = experiment_folder(row.id, store.home)
    made_from = f"{index.signature(folder, row.state)} {_code()}"
    kept = _kept(folder.path / FILE)
    if kept is not None and kept.made_from == made_from:
        return kept
    found = _judged(row, store, made_from)
    with contextlib.suppress(NotWritten):  # a home that can only be read: it is found again each time
        write_atomically(folder.path / FILE, msgspec.json.encode(found))
    return found


def _judged(row: ExperimentRow, store: Store, made_from: str) -> Answered:
    from experiments.judging.judged import outcomes_in, verdict_on
    from experiments.judging.missing import answered, in_total, losses

    rows = store.team_rows(row.id)
    outcomes = outcomes_in(row.plan, rows)
    if not outcomes:
        text = "Success is unknown: no run was graded." if rows else "No run was finished."
        return Answered("", text, "", 0, made_from)
    if fork := (row.plan.get("plan") or {}).get("fork"):
        known = answered(outcomes)
        won = sum(outcome.success for outcome in known)
        text = f"Forked from run {fork['run']} of {fork['experiment']} at step {fork['step']}: "
        broke_off = f"; {lost}" if (lost := in_total(losses(outcomes))) else ""
        text = f"{text}{won:,} of {len(known):,} succeeded{broke_off}."
        return Answered("fork" if known else "nothing_measured", text, "", len(outcomes), made_from)
    verdict = verdict_on(row.plan, outcomes)
    return Answered(verdict.kind, verdict.text, verdict.reason, len(answered(outcomes)), made_from, verdict.second)


def _kept(file: Path) -> Answered | None:
    try:
        return read_json(file, Answered, "an answer")
    except TraceError:
        return None


@cache
def _code() -> str:
    """Names the code of the judgement: with another, old verdicts are made anew."""
    whole = b"".join((Path(__file__).parents[1] / name).read_bytes() for name in _JUDGES)
    return hashlib.blake2b(whole, digest_size=8).hexdigest()
