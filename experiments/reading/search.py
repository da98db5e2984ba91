"""Finding events by what they say, who did them, what they are and what they cost: a query over the index."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from experiments.reading import skeleton
from experiments.reading.steps import TITLES
from traces import kernel
from traces.errors import InputError
from traces.labels import Labels, Said
from traces.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

KINDS: tuple[str, ...] = tuple(map(skeleton.tag, kernel.Event.__args__))
_NAMES = {
    skeleton.tag(kind): f"{skeleton.tag(kind)} {known.group} {TITLES[kind]}".lower()
    for kind, known in skeleton.KINDS.items()
}
# What of an event's JSON is no text: names of fields, numbers.
_NO_TEXT = r"\"\w+\":(-?[0-9][0-9.eE+-]*|true|false|null)?"
_FIELDS = (
    " ".join(name for known in vars(kernel).values() for name in getattr(known, "__struct_fields__", ()))
    + " true false null"
)


class Wanted(Struct, frozen=True):
    """What to look for; None and "" leave it open. `text`: somewhere in the event, case aside. `kind`: a type of event
    (KINDS). `min_cost` in dollars: model calls of a known price of at least this. `label`: what was said about the
    event, or about the whole run (`Said.name`)."""

    text: str = ""
    agent: str = ""
    kind: str = ""
    min_cost: float | None = None
    team: str = ""
    case: str = ""
    success: bool | None = None
    label: str = ""


def search(store: Store, experiment: str, wanted: Wanted, limit: int = 50) -> list[dict[str, Any]]:
    """The first `limit` events that fit, by run and step, as rows of experiment, run, team, case_id, seq, t, type,
    agent, cost_nano_usd and body. Raises InputError for a kind that there is not."""
    if wanted.kind and wanted.kind not in KINDS:
        raise InputError(f"--kind: {wanted.kind!r} is none of {', '.join(KINDS)}")
    conditions = [f"e.experiment = {_quoted(experiment)}", *_conditions(wanted)]
    if wanted.label:
        said = [one for one in Labels(store.home).of(experiment) if one.name == wanted.label]
        conditions.append(f"({' OR '.join(map(_about, said)) or 'false'})")
    return store.sql(
        "SELECT e.experiment, e.run, r.team, r.case_id, e.seq, e.t, e.type, e.agent, e.cost_nano_usd, "
        "e.body::VARCHAR AS body FROM events e JOIN runs r USING (experiment, run) "
        f"WHERE {' AND '.join(conditions)} ORDER BY e.run, e.seq",
        limit,
    )


def _about(said: Said) -> str:
    """Whether something was said about an event, in SQL."""
    return f"e.run = {said.run}" + ("" if said.step is None else f" AND e.seq = {said.step}")


def _conditions(wanted: Wanted) -> list[str]:
    texts = {"e.agent": wanted.agent, "e.type": wanted.kind, "r.team": wanted.team, "r.case_id": wanted.case}
    found = [f"{column} = {_quoted(value)}" for column, value in texts.items() if value]
    if wanted.text:
        found.append(f"contains(lower(e.body::VARCHAR), lower({_quoted(wanted.text)}))")
    if wanted.min_cost is not None:
        found.append(f"e.cost_nano_usd >= {round(wanted.min_cost * kernel.NANO)}")
    if wanted.success is not None:
        found.append(f"r.success = {str(wanted.success).lower()}")
    return found


def steps(store: Store, experiment: str, run: int, words: Sequence[str]) -> NDArray[Any]:
    """The events of a run, by number, in which all of these words stand, each in one of its texts or in the name of
    its kind; case aside."""
    where = " AND ".join(f"({_says(word.lower())} OR type IN ({_kinds(word.lower())}))" for word in words) or "true"

    def ask(con: DuckDBPyConnection, events: str) -> NDArray[Any]:
        found = con.execute(f"SELECT seq FROM {events} WHERE {where} ORDER BY seq").fetchnumpy()
        return cast("NDArray[Any]", found["seq"])

    return store.about_run(experiment, run, ask)


def _says(word: str) -> str:
    """Whether a word stands in a text of an event, in SQL. That it does not stand in the whole costs far less to find
    out than that it stands in a text, which has to be asked only of what may be something else."""
    written = _quoted(msgspec.json.encode(word).decode()[1:-1])
    anywhere = f"contains(lower(body::VARCHAR), {written})"
    if word not in _FIELDS and word.strip("0123456789.e+-"):
        return anywhere
    return f"{anywhere} AND contains(lower(regexp_replace(body::VARCHAR, {_quoted(_NO_TEXT)}, '', 'g')), {written})"


def _kinds(word: str) -> str:
    """The types of events in whose names a word stands, in SQL."""
    return ", ".join(_quoted(kind) for kind, names in _NAMES.items() if word in names) or "NULL"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The rows with a head line; empty for none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    if rows:
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
