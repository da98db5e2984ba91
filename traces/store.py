"""Reading traces: one way to ask, for experiments that are over (the DuckDB index) and for those that still run (their
journals). The index, `<home>/traces.duckdb`, is made from the journals when it is needed, and made anew when it is
missing, damaged or of another version.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import msgspec

from traces import index
from traces.errors import InputError, TraceError
from traces.growing import Growing
from traces.home import ExperimentFolder, experiment_folder, home, list_experiments, state
from traces.index import Indexed, NotLoaded, Unreadable
from traces.kernel import Chat, Event, Record
from traces.live import LiveExperiment
from traces.prompts import sources
from traces.rows import ExperimentRow, RunRow, experiment_row

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
_event = msgspec.json.Decoder(Event).decode
_COLUMNS = RunRow.__struct_fields__
_UNDER_WAY = ("running", "pending")
_CUT_SHORT = ("interrupted", "stopped", "failed")
_ATTEMPTS = 4
_NO_END = 1 << 31
_FOLLOWED = 2  # experiments that run
_CLOSE = 64  # events
_AT_ONCE = 200  # runs whose events are in memory together


class Wanted(TypedDict, total=False):
    """Which runs of an experiment: None, or left out, is all. `feature`: one that the case has; `graded`: whether it
    was; `runs`: some by number; `agent`: one that did something in it; `text`: what stands in one of its events, case
    aside."""

    team: str | None
    engine: str | None
    case: str | None
    success: bool | None
    status: str | None
    difficulty: str | None
    feature: str | None
    graded: bool | None
    runs: Sequence[int] | None
    agent: str | None
    text: str | None


class Store:
    """Everything recorded under one home folder. Cheap to make; keeps no file open; may be shared by threads."""

    def __init__(self, base: Path | None = None) -> None:
        self.home = base or home()
        self.path = self.home / "traces.duckdb"
        self.left_out: dict[str, str] = {}
        """Experiments that the last `refresh` could not load, and why."""
        self._live: dict[str, Growing] = {}  # the one asked about last is the last
        self._lock = threading.RLock()

    # --- asking ---------------------------------------------------------------------------------------------

    def experiments(self) -> list[ExperimentRow]:
        """Every experiment as it is now, newest first. One whose plan cannot be read says so in `message`."""
        return [self._counted(_row_or_reason(folder)) for folder in list_experiments(self.home)]

    def experiment(self, experiment: str) -> ExperimentRow:
        return self._counted(experiment_row(self._folder(experiment), time.time()))

    def _counted(self, row: ExperimentRow) -> ExperimentRow:
        """With the runs that are over as its journals tell, where its last heartbeat may have been before some."""
        if row.state not in _CUT_SHORT or not row.plan:
            return row
        with contextlib.suppress(TraceError):
            over = "SELECT count(*) FROM runs WHERE experiment = ? AND status <> 'interrupted'"
            return msgspec.structs.replace(row, done=int(self._rows(row.id, over, [row.id])[0][0]))
        return row

    def broken_off(self) -> dict[str, int]:
        """How many runs broke off with an error, of the experiments that are over and have any."""
        rows = self.sql("SELECT experiment, count(*) AS n FROM runs WHERE status = 'failed' GROUP BY experiment")
        return {row["experiment"]: row["n"] for row in rows}

    def runs(
        self, experiment: str, *, limit: int | None = None, offset: int = 0, **wanted: Unpack[Wanted]
    ) -> list[RunRow]:
        """The runs of an experiment by number, those that still run included."""
        if self._is_live(experiment):
            rows = self._live_runs(experiment, wanted)
            return rows[offset : None if limit is None else offset + limit]
        where, values = _where(experiment, wanted)
        return self._run_rows(experiment, f"{where} ORDER BY run LIMIT ? OFFSET ?", [*values, limit, offset])

    def count_runs(self, experiment: str, **wanted: Unpack[Wanted]) -> int:
        """How many runs `runs` has to show without a limit."""
        if self._is_live(experiment):
            return len(self._live_runs(experiment, wanted))
        where, values = _where(experiment, wanted)
        return int(self._rows(experiment, f"SELECT count(*) FROM runs WHERE {where}", values)[0][0])

    def kinds(self, experiment: str, columns: Sequence[str], **wanted: Unpack[Wanted]) -> list[tuple[Any, ...]]:
        """What there is in these columns of `RunRow` among the runs, each once, in the order of the runs."""
        if self._is_live(experiment):
            rows = self._live_runs(experiment, wanted)
            return list(dict.fromkeys(tuple(getattr(row, column) for column in columns) for row in rows))
        where, values = _where(experiment, wanted)
        names = ", ".join(columns)
        return self._rows(
            experiment, f"SELECT {names} FROM runs WHERE {where} GROUP BY {names} ORDER BY min(run)", values
        )

    def agents(self, experiment: str) -> list[str]:
        """Who did something in any of the runs, by name."""
        query = "SELECT DISTINCT agent FROM events WHERE {which} AND agent <> '' ORDER BY agent"
        return [agent for (agent,) in self._across(experiment, query, [])]

    def run(self, experiment: str, run: int) -> RunRow:
        """One run; raises InputError if there is none with this number."""
        if self._is_live(experiment):
            found = [row for row in self.live_rows(experiment, finished_only=False) if row.run == run]
        else:
            found = self._run_rows(experiment, "experiment = ? AND run = ?", [experiment, run])
        if not found:
            raise InputError(f"experiment {experiment} has no run {run}")
        return found[0]

    def events(self, experiment: str, run: int, offset: int = 0, limit: int | None = None) -> list[Record]:
        """The events of a run from event `offset` on, in order; as far as they are written, if it still runs."""
        if self._is_live(experiment):
            with self._lock:
                return self._tail(experiment).events(run, offset, limit)
        end = _NO_END if limit is None else offset + limit
        return self._read(experiment, run, "seq >= ? AND seq < ?", [offset, end])

    def picked(self, experiment: str, run: int, seqs: Sequence[int]) -> list[Record]:
        """These events of a run, in order; those that it does not have are left out."""
        if self._is_live(experiment):
            with self._lock:
                return [record for seq in sorted(seqs) for record in self._tail(experiment).events(run, seq, 1)]
        which = "seq BETWEEN ? AND ? AND seq IN (SELECT unnest(?))"
        return self._read(experiment, run, which, [min(seqs), max(seqs), list(seqs)])

    def moment(self, experiment: str, run: int, seq: int) -> list[Record]:
        """An event of a run, the last of what is given back, and before it, where it is a model call, those that its
        prompt is made of. Empty where the run has no such event."""
        found = self.picked(experiment, run, [seq])
        if not found or not isinstance(found[0].event, Chat) or not found[0].event.kept:
            return found
        return self.picked(experiment, run, self._sources(experiment, run, seq, found[0].event.agent))

    def _sources(self, experiment: str, run: int, seq: int, agent: str) -> list[int]:
        """The events that the prompt of the agent's model call `seq` is made of. They mostly stand close before it:
        further back is only looked where something is still missing."""
        back = _CLOSE
        while True:
            calls = self._calls(experiment, run, agent, max(0, seq - back), seq)
            needed = sources([kept for _, kept in calls], len(calls) - 1)
            if not calls[needed[0]][1] or back >= seq:
                return [calls[call][0] for call in needed]
            back *= _CLOSE

    def _calls(self, experiment: str, run: int, agent: str, first: int, last: int) -> list[tuple[int, int]]:
        """An agent's model calls in a part of a run: the number of each event, and its `kept`."""
        query = """SELECT seq, (body->>'$.kept')::INTEGER FROM {events} WHERE type = 'chat' AND seq BETWEEN ? AND ?
            AND coalesce(agent, '') = ? ORDER BY seq"""
        values = [first, last, agent]
        return self.about_run(
            experiment, run, lambda con, events: con.execute(query.format(events=events), values).fetchall()
        )

    def _read(self, experiment: str, run: int, which: str, values: list[Any]) -> list[Record]:
        query = f"SELECT seq, t, wall, body FROM events WHERE part = $part AND run = ? AND {which} ORDER BY seq"
        rows = self._rows(experiment, query, [run, *values])
        try:
            return [Record(run, seq, t, wall, _event(body)) for seq, t, wall, body in rows]
        except msgspec.MsgspecError as error:
            raise TraceError(f"run {run} of {experiment}: an event that this version cannot read: {error}") from None

    def each_run(self, experiment: str, runs: Sequence[int]) -> Iterator[tuple[int, list[Record]]]:
        """These runs, each with all its events in order; many are read at once, which is far faster than one by one."""
        if self._is_live(experiment):
            yield from ((run, self.events(experiment, run)) for run in runs)
            return
        query = (
            "SELECT run, seq, t, wall, body FROM events WHERE experiment = ? AND run IN (SELECT unnest(?)) "
            "ORDER BY run, seq"
        )
        for start in range(0, len(runs), _AT_ONCE):
            found: dict[int, list[Record]] = {run: [] for run in runs[start : start + _AT_ONCE]}
            for run, seq, t, wall, body in self._rows(experiment, query, [experiment, list(found)]):
                found[run].append(Record(run, seq, t, wall, _event(body)))
            yield from found.items()

    def team_rows(self, experiment: str) -> list[RunRow]:
        """Every run that has ended, by number, for statistics; `answer` is left empty."""
        if self._is_live(experiment):
            return self.live_rows(experiment)
        return self._run_rows(experiment, "experiment = ? ORDER BY run", [experiment], without=("answer",))

    def live_rows(self, experiment: str, *, finished_only: bool = True) -> list[RunRow]:
        """The runs so far, straight from the journals; each call reads only what is new since the last."""
        with self._lock:
            tail = self._tail(experiment)
            if finished_only:
                return tail.rows()
            still = state(tail.folder, time.time()) in _UNDER_WAY
            return tail.rows("running" if still else "interrupted")

    def sql(self, query: str, limit: int | None = None) -> list[dict[str, Any]]:
        """All rows of a query over the index (tables and views: traces/schema.sql), or its first `limit`; every
        experiment that is over is included. It cannot change the index, or touch any other file. Raises InputError for
        bad SQL."""
        return self._asked(lambda con: _named(_answered(con.execute(query)), limit))

    def arrow(self, query: str) -> pyarrow.Table:
        """All rows of a query, as for `sql`, as an Arrow table: `.to_pandas()`, or `pyarrow.parquet.write_table`."""
        return self._asked(lambda con: _answered(con.sql(query)).to_arrow_table())

    def ask(self, experiment: str, query: str) -> list[dict[str, Any]]:
        """Every row of a query of ours over the index about an experiment that is over: `$part` in it stands for the
        number of the experiment's events; other experiments may be in the index as they were."""
        return self._about(experiment, lambda con, part: _named(con.execute(query.replace("$part", str(part)))))

    def about_run(self, experiment: str, run: int, ask: Callable[[DuckDBPyConnection, str], T]) -> T:
        """Ask in SQL about the events of one run, as far as they are written: `ask` gets a connection to this end, and
        what to select from (the columns of `events`, traces/schema.sql)."""
        if self._is_live(experiment):
            with self._lock, self._growing(experiment).about([run]) as con:
                return ask(con, f"(SELECT * FROM events WHERE run = {int(run)})")
        return self._about(
            experiment, lambda con, part: ask(con, f"(SELECT * FROM events WHERE part = {part} AND run = {int(run)})")
        )

    # --- keeping the index ----------------------------------------------------------------------------------

    def index(self, experiment: str) -> Indexed:
        """Load an experiment's journals into the index, in place of what it holds of it."""
        folder = self._folder(experiment)
        self._move_where_it_can_be_written()
        row = _row_or_reason(folder)
        signed = index.signature(folder, row.state)
        with self._lock:
            self._let_go(experiment)
        return self._made_anew(lambda: index.load(self.path, folder, row, signed))

    def refresh(self) -> list[Indexed]:
        """Bring the index up to date: load every experiment that is over and has changed, drop those whose folders
        are gone."""
        folders = {folder.id: folder for folder in list_experiments(self.home)}
        known = self._made_anew(lambda: index.signatures(self.path))
        gone = [experiment for experiment in known if experiment not in folders]
        if gone and index.can_write(self.path.parent):
            index.forget(self.path, gone)
        now = time.time()
        states = {experiment: state(folder, now) for experiment, folder in folders.items()}
        self.left_out = {}
        changed = [
            experiment
            for experiment, folder in folders.items()
            if states[experiment] not in _UNDER_WAY
            and known.get(experiment) != index.signature(folder, states[experiment])
        ]
        if changed and self._move_where_it_can_be_written():
            return self.refresh()
        return [loaded for experiment in changed if (loaded := self._loaded(experiment)) is not None]

    def _loaded(self, experiment: str) -> Indexed | None:
        """What was loaded of one of many experiments; None where it cannot be, which costs the others nothing."""
        try:
            return self.index(experiment)
        except NotLoaded as error:
            self.left_out[experiment] = str(error)
            return None

    def rebuild(self) -> list[Indexed]:
        """Delete the index and make it anew from the journals."""
        self._create()
        return self.refresh()

    # --- below ----------------------------------------------------------------------------------------------

    def _create(self) -> None:
        self._move_where_it_can_be_written()
        index.create(self.path)

    def _move_where_it_can_be_written(self) -> bool:
        """Whether the index is from now on made in a folder that goes with this object, since its home is read only, or
        full: the journals can be read all the same."""
        if index.can_write(self.path.parent):
            return False
        scratch = Path(tempfile.mkdtemp(prefix="headcount-"))
        weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        self.path = scratch / self.path.name
        return True

    def _is_live(self, experiment: str) -> bool:
        """Whether to read the journals instead of the index."""
        return state(self._folder(experiment), time.time()) in _UNDER_WAY

    def _live_runs(self, experiment: str, wanted: Wanted) -> list[RunRow]:
        given = {name: value for name, value in wanted.items() if value is not None}
        rows = self.live_rows(experiment, finished_only=False)
        for name in _IN_EVENTS.keys() & given.keys():
            query = _RUNS_WITH.format(which="{which}", test=_IN_EVENTS[name])
            having = {run for (run,) in self._across(experiment, query, [given.pop(name)])}
            rows = [row for row in rows if row.run in having]
        return _filtered(rows, given)

    def _across(self, experiment: str, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """Ask in SQL about the events of all runs of an experiment: `{which}` in the query tells them from others."""
        if not self._is_live(experiment):
            return self._rows(experiment, query.format(which="part = $part"), values)
        with self._lock:
            runs = [row.run for row in self.live_rows(experiment, finished_only=False)]
            with self._growing(experiment).about(runs) as con:
                return con.execute(query.format(which="true"), values).fetchall()

    def _tail(self, experiment: str) -> LiveExperiment:
        return self._growing(experiment).live

    def _growing(self, experiment: str) -> Growing:
        """What is read of an experiment that runs; of at most _FOLLOWED of them, those asked about last."""
        known = self._live.pop(experiment, None)
        self._live[experiment] = known or Growing(LiveExperiment(self._folder(experiment)))
        while len(self._live) > _FOLLOWED:
            self._let_go(next(iter(self._live)))
        return self._live[experiment]

    def _let_go(self, experiment: str) -> None:
        known = self._live.pop(experiment, None)
        if known is not None:
            known.close()

    def _folder(self, experiment: str) -> ExperimentFolder:
        folder = experiment_folder(experiment, self.home)
        if not folder.path.is_dir():
            raise InputError(f"there is no experiment {experiment!r} in {self.home}; `headcount list` shows those")
        return folder

    def _run_rows(self, experiment: str, rest: str, values: list[Any], without: tuple[str, ...] = ()) -> list[RunRow]:
        columns = ", ".join(f"'' AS {name}" if name in without else name for name in _COLUMNS)
        rows = self._rows(experiment, f"SELECT {columns} FROM runs WHERE {rest}", values)
        named = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
        return [RunRow(**{**row, "features": tuple(row["features"])}) for row in named]

    def _rows(self, experiment: str, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """`$part` in a query stands for the number of the experiment's events."""
        return self._about(
            experiment, lambda con, part: con.execute(query.replace("$part", str(part)), values).fetchall()
        )

    def _about(self, experiment: str, ask: Callable[[DuckDBPyConnection, int], T]) -> T:
        """Ask the index about an experiment that is over. That the index holds it as it is now is looked up in the
        same breath: another process may have changed the files, or made the index anew, at any time."""
        folder = self._folder(experiment)
        for _ in range(_ATTEMPTS):
            signed = index.signature(folder, state(folder, time.time()))
            try:
                with index.opened(self.path) as con:
                    held = con.execute(
                        "SELECT signature, part FROM indexed WHERE experiment = ?", [experiment]
                    ).fetchall()
                    if held and held[0][0] == signed:
                        return ask(con, held[0][1])
            except Unreadable:
                self._create()
            self.index(experiment)
        raise TraceError(f"{self.path}: the index does not keep up with {folder.path}: is another process changing it?")

    def _asked(self, read: Callable[[DuckDBPyConnection], T]) -> T:
        """What `read` makes of a connection that anybody may ask on."""
        import duckdb

        self.refresh()
        try:
            return self._ask(read)
        except Unreadable:
            self.rebuild()
            return self._ask(read)
        except duckdb.Error as error:
            raise InputError(f"the query cannot be run: {error}") from None

    def _ask(self, read: Callable[[DuckDBPyConnection], T]) -> T:
        with index.opened_alone(self.path) as con:
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
            return read(con)

    def _made_anew(self, work: Callable[[], T]) -> T:
        """Work on the index; while it is unreadable, begin an empty one and try again."""
        for _ in range(_ATTEMPTS):
            try:
                return work()
            except Unreadable as error:
                reason = error
                self._create()
        raise TraceError(f"{self.path}: the index cannot be made: {reason}")


def _row_or_reason(folder: ExperimentFolder) -> ExperimentRow:
    try:
        return experiment_row(folder, time.time())
    except TraceError as error:
        return ExperimentRow(folder.id, folder.path.stat().st_mtime, "", "", {}, "failed", message=str(error))


def _answered(found: T | None) -> T:
    """DuckDB gives back nothing at all where there is no statement, and for one that answers nothing."""
    if found is None:
        raise InputError("the query asks nothing: give a SELECT")
    return found


def _named(found: DuckDBPyConnection, limit: int | None = None) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description or ()]
    rows = found.fetchall() if limit is None else found.fetchmany(limit)
    return [dict(zip(names, row, strict=True)) for row in rows]


_RUNS_WITH = "SELECT DISTINCT run FROM events WHERE {which} AND {test}"
_IN_EVENTS = {"agent": "agent = ?", "text": "contains(lower(body::VARCHAR), lower(?))"}
_TESTS = {
    "case": "case_id = ?",
    "feature": "list_contains(features, ?)",
    "graded": "(success IS NOT NULL) = ?",
    "runs": "run IN (SELECT unnest(?::INTEGER[]))",
    **{name: f"run IN ({_RUNS_WITH.format(which='part = $part', test=test)})" for name, test in _IN_EVENTS.items()},
}


def _where(experiment: str, wanted: Wanted) -> tuple[str, list[Any]]:
    given = {name: value for name, value in wanted.items() if value is not None}
    clauses = ["experiment = ?", *(_TESTS.get(name, f"{name} = ?") for name in given)]
    return " AND ".join(clauses), [experiment, *given.values()]


def _filtered(rows: list[RunRow], given: Mapping[str, Any]) -> list[RunRow]:
    fits: dict[str, Callable[[RunRow, Any], bool]] = {
        "case": lambda row, case: bool(row.case_id == case),
        "feature": lambda row, feature: feature in row.features,
        "graded": lambda row, graded: (row.success is not None) == graded,
        "runs": lambda row, runs: row.run in runs,
    }

    def same(name: str) -> Callable[[RunRow, Any], bool]:
        return lambda row, value: bool(getattr(row, name) == value)

    tests = [(fits.get(name) or same(name), value) for name, value in given.items()]
    return [row for row in rows if all(test(row, value) for test, value in tests)]
