"""The DuckDB file behind the store: opening it briefly, building it from journals, and building it anew.

DuckDB lets one process write or many read, so nobody keeps the file open: each use opens, works and closes, and waits
with growing pauses while another process is at it. Within this process uses follow one another.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from traces import journal
from traces.errors import TraceError, reason
from traces.home import ExperimentFolder
from traces.journal import Damage
from traces.rows import ExperimentRow
from traces.stretches import Piece, fault, lines_of, pieces, plain, survey

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 7
PATIENCE_S = 30.0
ROOM = 4 << 20  # bytes: a disk with fewer is full
SLICE = 256 << 20  # bytes of journal that are sorted at once
GROWING_MEMORY = "512MB"  # for each experiment that still runs
GROWING_SLICE = 16 << 20  # bytes of its journals that are sorted at once
_SCHEMA = Path(__file__).with_name("schema.sql")
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "1GB", "threads": 2}
_BUFFER = 16 << 20  # DuckDB's own bound for one line of JSON
_BUSY = ("set lock on", "Conflicting lock", "being used by another process", "different configuration")
_one_at_a_time = threading.RLock()
_engines: dict[int, DuckDBPyConnection] = {}  # by process: one that was forked needs its own


class Unreadable(TraceError):
    """The index is missing, damaged or of another version: build it anew."""


class NotLoaded(TraceError):
    """The journals of one experiment cannot be loaded; the index is as it was."""


@dataclass(frozen=True)
class Indexed:
    """What was loaded of an experiment, and what could not be."""

    experiment: str
    runs: int
    events: int
    damaged: tuple[Damage, ...] = ()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[DuckDBPyConnection]:
    """A connection to read with, for one use. Raises Unreadable where the file must be built anew, TraceError where
    another process does not let go of it.

    One DuckDB of this process attaches the file for as long as that takes: to start one costs far more than to look a
    run up."""
    with _one_at_a_time:
        engine = _patiently(path, lambda: _attached(path))
        con = engine.cursor()
        try:
            con.execute("USE traces")
            _check_ours(con)
            yield con
        except Exception as error:
            if _is_damage(error):
                _discard()
                raise Unreadable(str(error)) from None
            raise
        finally:
            con.close()
            _detach()


def _attached(path: Path) -> DuckDBPyConnection:
    """This process's own DuckDB, with the file attached."""
    import duckdb

    if os.getpid() not in _engines:
        _engines.clear()  # another process's, from before a fork
        _engines[os.getpid()] = duckdb.connect(":memory:", config=_CONFIG)
    engine = _engines[os.getpid()]
    quoted = str(path).replace("'", "''")
    try:
        return engine.execute(f"ATTACH '{quoted}' AS traces (READ_ONLY)")
    except duckdb.Error:
        _discard()  # it may keep hold of what it could not attach
        raise


def _detach() -> None:
    import duckdb

    try:
        for engine in _engines.values():
            engine.execute("DETACH traces")
    except duckdb.Error:
        _discard()


def _discard() -> None:
    """Close this process's DuckDB: the next use starts another."""
    for engine in _engines.values():
        engine.close()
    _engines.clear()


def growing(scratch: Path) -> DuckDBPyConnection:
    """An empty index in memory, for what is added to it; what does not fit into GROWING_MEMORY goes into the folder
    `scratch`."""
    import duckdb

    config = {**_CONFIG, "memory_limit": GROWING_MEMORY, "temp_directory": str(scratch), "threads": 1}
    con = duckdb.connect(":memory:", config=config)
    con.execute(_SCHEMA.read_text(encoding="utf-8"))
    return con


def add(con: DuckDBPyConnection, lines: Iterable[bytes], scratch: Path) -> None:
    """Add these lines of a journal to a growing index, GROWING_SLICE bytes at once."""
    lines = iter(lines)
    source = scratch / "lines.jsonl"
    while size := _slice(lines, source):
        _insert(con, "", 0, _Sources([], source, [], [], size))
    source.unlink()


def _slice(lines: Iterator[bytes], target: Path) -> int:
    """Write about GROWING_SLICE bytes of them; how many the longest has."""
    written = longest = 0
    with open(target, "wb") as file:
        for line in lines:
            written += file.write(line)
            longest = max(longest, len(line))
            if written >= GROWING_SLICE:
                break
    return longest


@contextlib.contextmanager
def opened_alone(path: Path, *, write: bool = False) -> Iterator[DuckDBPyConnection]:
    """As `opened`, by a DuckDB of its own: to write, or to change its settings."""
    with _one_at_a_time:
        con = _connect(path, write)
        try:
            yield con
        except Exception as error:
            if _is_damage(error):
                raise Unreadable(str(error)) from None
            raise
        finally:
            con.close()


def can_write(folder: Path) -> bool:
    """Whether there may be an index in a folder: its disk can be written, and has room. One that is not there yet is
    made with the index."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM


def create(path: Path) -> None:
    """A new, empty index in place of whatever is there."""
    with _one_at_a_time:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with contextlib.closing(_connect(new, write=True, fresh=True)) as con:
            con.execute(_SCHEMA.read_text(encoding="utf-8"))
            con.execute("INSERT INTO meta VALUES (?)", [VERSION])
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
        os.replace(new, path)


def signature(folder: ExperimentFolder, state: str) -> str:
    """Differs when the rows made from the folder would."""
    files = [(p.name, (s := p.stat()).st_size, s.st_mtime_ns) for p in folder.journals()]
    return msgspec.json.encode([state, files]).decode()


def load(path: Path, folder: ExperimentFolder, row: ExperimentRow, signed: str) -> Indexed:
    """Load an experiment's journals in place of what the index holds of it, as one transaction."""
    import duckdb

    try:
        return _load(path, folder, row, signed)
    except (duckdb.Error, OSError) as error:
        raise NotLoaded(f"{folder.path}: the journals cannot be loaded into {path}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return next(iter(reason(error).splitlines()), type(error).__name__)


def _load(path: Path, folder: ExperimentFolder, row: ExperimentRow, signed: str) -> Indexed:
    with tempfile.TemporaryDirectory(prefix=".index-", dir=path.parent) as scratch:
        sources = _sources(folder, Path(scratch))
        with opened_alone(path, write=True) as con:
            con.execute("SET temp_directory = ?", [scratch])
            con.execute("BEGIN")
            _forget(con, folder.id)
            part = int(con.execute("SELECT coalesce(max(part), 0) + 1 FROM indexed").fetchall()[0][0])
            _insert(con, folder.id, part, sources)
            marks = {"runs": list(sources.unreadable), "said": list(sources.unreadable.values())}
            con.execute(_RUNS, {"experiment": folder.id, **marks})
            plan = msgspec.json.encode(row.plan).decode()
            values = [row.id, row.created, row.scenario, row.command, plan, row.state]
            con.execute("INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?)", values)
            con.execute("INSERT INTO indexed VALUES (?, ?, ?)", [folder.id, signed, part])
            con.execute("COMMIT")
            counts = con.execute(_COUNTS, [folder.id, folder.id]).fetchall()[0]
    with contextlib.suppress(TraceError):  # a home that can only be read
        folder.write_damage(sources.damaged)
    return Indexed(folder.id, int(counts[0]), int(counts[1]), tuple(sources.damaged))


def forget(path: Path, experiments: list[str]) -> None:
    """Drop the rows of experiments whose folders are gone."""
    with opened_alone(path, write=True) as con:
        con.execute("BEGIN")
        for experiment in experiments:
            _forget(con, experiment)
        con.execute("COMMIT")


def signatures(path: Path) -> dict[str, str]:
    """What each indexed experiment was made from."""
    with opened(path) as con:
        return dict(con.execute("SELECT experiment, signature FROM indexed").fetchall())


def _connect(path: Path, write: bool, fresh: bool = False) -> DuckDBPyConnection:
    import duckdb

    connect = partial(duckdb.connect, path, read_only=not write, config=_CONFIG)
    if fresh:
        return connect()
    con = _patiently(path, connect)
    try:
        _check_ours(con)
    except Unreadable:
        con.close()
        raise
    return con


def _patiently(path: Path, connect: Callable[[], DuckDBPyConnection]) -> DuckDBPyConnection:
    """Connect to the file, or wait while another process is at it."""
    import duckdb

    if not path.exists():
        raise Unreadable("there is no index")
    patience, pause = time.monotonic() + PATIENCE_S, 0.005
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            if not any(sign in str(error) for sign in _BUSY):
                raise _cannot_open(path, error) from None
            if time.monotonic() > patience:
                raise TraceError(f"{path}: another process keeps the index open: {error}") from None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def _check_ours(con: DuckDBPyConnection) -> None:
    import duckdb

    with contextlib.suppress(duckdb.Error):
        if con.execute("SELECT version FROM meta").fetchall() == [(VERSION,)]:
            return
    raise Unreadable("the index is of another version")


def _cannot_open(path: Path, error: Exception) -> Exception:
    if "Permission denied" in str(error) or path.is_dir():
        return TraceError(f"{path}: cannot be opened: {error}")
    return Unreadable(str(error))


def _is_damage(error: Exception) -> bool:
    """Whether an error during a query means that the file is not sound, rather than the query."""
    import duckdb

    kinds = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
    return isinstance(error, kinds) or (type(error) is duckdb.Error and "orrupt" in str(error))


@dataclass(frozen=True)
class _Sources:
    """The files to load, whole events only. The runs of which not everything counts are in `mended`, a file of what
    does, and are not taken from the others."""

    files: list[Path]
    mended: Path
    mended_runs: list[int]
    damaged: list[Damage]
    longest: int
    unreadable: dict[int, str] = field(default_factory=dict)


def _sources(folder: ExperimentFolder, scratch: Path) -> _Sources:
    paths = folder.journals()
    surveyed = survey(paths)
    torn = {damage.path for damage in surveyed.damaged}
    files = [_without_damage(path, scratch) if path in torn else path for path in paths]
    counted = {run: pieces(stretches) for run, stretches in surveyed.runs.items()}
    in_part = {run: found for run, found in counted.items() if not plain(surveyed.runs[run], found)}
    mended = _mend(in_part, scratch / "mended.jsonl")
    filled = [path for path in files if path.stat().st_size]
    unreadable = {run: surveyed.unreadable.of(run) for run in surveyed.unreadable.runs}
    return _Sources(filled, mended, list(in_part), surveyed.damaged, surveyed.longest, unreadable)


def _without_damage(path: Path, scratch: Path) -> Path:
    target = scratch / path.name
    with open(target, "wb") as file:
        file.writelines(line for line, _ in journal.lines(path) if not fault(line))
    return target


def _mend(runs: dict[int, list[Piece]], target: Path) -> Path:
    with open(target, "wb") as file:
        for found in runs.values():
            for piece in found:
                file.writelines(lines_of(piece))
    return target


def _forget(con: DuckDBPyConnection, experiment: str) -> None:
    for table in ("events", "runs", "indexed"):
        con.execute(f"DELETE FROM {table} WHERE experiment = ?", [experiment])
    con.execute("DELETE FROM experiments WHERE id = ?", [experiment])


def _insert(con: DuckDBPyConnection, experiment: str, part: int, sources: _Sources) -> None:
    """Load all events, in order of runs within each slice: a run's rows lie together."""
    values = {"experiment": experiment, "part": part, "size": max(_BUFFER, sources.longest + 1024)}
    con.execute("CREATE OR REPLACE TEMP TABLE mended AS SELECT unnest(?::INTEGER[]) AS run", [sources.mended_runs])
    for files in _slices(sources.files):
        con.execute(_EVENTS, {**values, "files": files})
    con.execute("DELETE FROM mended")
    if sources.mended.stat().st_size:
        con.execute(_EVENTS, {**values, "files": [str(sources.mended)]})


def _slices(files: list[Path]) -> Iterator[list[str]]:
    """The files in groups of about SLICE bytes: what is sorted at once must fit into memory."""
    group: list[str] = []
    total = 0
    for path in files:
        size = path.stat().st_size
        if group and total + size > SLICE:
            yield group
            group, total = [], 0
        group.append(str(path))
        total += size
    if group:
        yield group


# A cost that is there but null is unknown; one that is left out is the default, 0.
_EVENTS = """
INSERT INTO events
SELECT $experiment, run, seq, t, wall, type, coalesce(j[1]->>'$', j[2]->>'$', j[3]->>'$'),
    CASE WHEN type = 'chat' THEN
        coalesce(TRY_CAST(j[4]->>'$' AS BIGINT), 0) + coalesce(TRY_CAST(j[5]->>'$' AS BIGINT), 0) END,
    CASE WHEN type = 'chat' THEN CASE WHEN j[6] IS NULL THEN 0 ELSE TRY_CAST(j[6]->>'$' AS BIGINT) END END,
    event, $part
FROM (
    SELECT *, event->>'$.type' AS type, json_extract(event, ['$.agent', '$.message.sender', '$.by',
        '$.usage.input_tokens', '$.usage.output_tokens', '$.usage.cost_nano_usd']) AS j
    FROM read_json($files, format = 'newline_delimited', maximum_object_size = $size,
        columns = {run: 'INTEGER', seq: 'INTEGER', t: 'DOUBLE', wall: 'DOUBLE', event: 'JSON'})
    ANTI JOIN mended USING (run)
    WHERE run IS NOT NULL
)
ORDER BY run, seq
"""

_RUNS = """
INSERT INTO runs
WITH ends AS (
    SELECT run,
        max(body) FILTER (type = 'run_started')::JSON->'$.run' AS run_,
        max(body) FILTER (type = 'run_finished')::JSON AS last,
        arg_max(body, seq) FILTER (type = 'evaluation')::JSON AS graded,
        count(*) AS events, max(t) AS t, count(*) FILTER (type = 'message') AS messages,
        count(*) FILTER (type = 'chat') AS calls,
        count(*) FILTER (type = 'chat' AND cost_nano_usd IS NULL) AS unpriced,
        coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd
    FROM events WHERE experiment = $experiment GROUP BY run
), tokens AS (
    SELECT run, sum(coalesce((body->>'$.usage.input_tokens')::BIGINT, 0)) AS input,
        sum(coalesce((body->>'$.usage.output_tokens')::BIGINT, 0)) AS output,
        sum(coalesce((body->>'$.usage.calls')::BIGINT, 0)) AS calls,
        sum(coalesce((body->>'$.usage.errors')::BIGINT, 0)) AS errors,
        CASE WHEN bool_or(body->>'$.usage.origin' = 'unknown') THEN 'unknown'
            WHEN bool_or(body->>'$.usage.origin' = 'estimated') THEN 'estimated' ELSE 'measured' END AS origin
    FROM events SEMI JOIN (SELECT run FROM ends WHERE last IS NULL) USING (run)
    WHERE experiment = $experiment AND type = 'chat' GROUP BY run
), unreadable AS (SELECT unnest($runs::INTEGER[]) AS run, unnest($said::VARCHAR[]) AS said)
SELECT $experiment, run, run_->>'$.scenario', run_->>'$.case', run_->>'$.team', run_->>'$.engine', run_->>'$.model',
    (run_->>'$.trial')::INTEGER, TRY_CAST(run_->>'$.seed' AS HUGEINT), (run_->>'$.simulated')::BOOLEAN,
    run_->>'$.clock', coalesce(run_->>'$.difficulty', ''), coalesce((run_->'$.features')::VARCHAR[], []),
    coalesce(last->>'$.status', 'interrupted'), coalesce(last->>'$.ended_by', ''),
    CASE WHEN last->>'$.status' IN ('completed', 'limited') AND coalesce(graded->>'$.error', '') = ''
        THEN (graded->>'$.success')::BOOLEAN END,
    CASE WHEN last->>'$.status' IN ('completed', 'limited') AND coalesce(graded->>'$.error', '') = ''
        THEN (graded->>'$.score')::DOUBLE END,
    CASE WHEN last IS NULL THEN coalesce(tokens.input, 0)
        ELSE coalesce((last->>'$.usage.input_tokens')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN coalesce(tokens.output, 0)
        ELSE coalesce((last->>'$.usage.output_tokens')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN coalesce(tokens.calls, 0) ELSE coalesce((last->>'$.usage.calls')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN CASE WHEN unpriced = 0 THEN ends.cost_nano_usd END
        WHEN (last->'$.usage.cost_nano_usd') IS NULL THEN 0
        ELSE TRY_CAST(last->>'$.usage.cost_nano_usd' AS BIGINT) END,
    coalesce((last->>'$.latency_s')::DOUBLE, ends.t), coalesce((last->>'$.messages')::BIGINT, ends.messages),
    ends.events, coalesce(last->>'$.answer', ''),
    CASE WHEN last IS NULL THEN coalesce(said, '')
        ELSE coalesce(nullif(last->>'$.error', ''), graded->>'$.error', '') END,
    run_->>'$.parent.experiment', (run_->>'$.parent.run')::INTEGER, (run_->>'$.parent.step')::INTEGER,
    CASE WHEN (run_->'$.parent') IS NOT NULL THEN coalesce((run_->'$.parent.changes')::VARCHAR, '{}') END,
    CASE WHEN last IS NULL
        THEN CASE WHEN tokens.calls > tokens.errors AND tokens.input + tokens.output = 0 THEN 'unknown'
            ELSE coalesce(tokens.origin, 'measured') END
        ELSE CASE WHEN coalesce((last->>'$.usage.calls')::BIGINT, 0) > coalesce((last->>'$.usage.errors')::BIGINT, 0)
                AND coalesce(last->>'$.usage.input_tokens', last->>'$.usage.output_tokens') IS NULL THEN 'unknown'
            ELSE coalesce(last->>'$.usage.origin', 'measured') END END,
    coalesce((last->>'$.waited_s')::DOUBLE, 0)
FROM ends LEFT JOIN tokens USING (run) LEFT JOIN unreadable USING (run)
WHERE run_ IS NOT NULL
ORDER BY run
"""

_COUNTS = """
SELECT (SELECT count(*) FROM runs WHERE experiment = ?), (SELECT count(*) FROM events WHERE experiment = ?)
"""
