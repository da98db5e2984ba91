"""The DuckDB file behind the store: opening it briefly, building it from journals, and building it anew.

DuckDB lets one process write or many read, so nobody keeps the file open: each use opens, works and closes, and waits
with growing pauses while another process is at it. Within this process uses follow one another.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from traces import journal
from traces.errors import TraceError
from traces.home import ExperimentFolder
from traces.journal import Damage
from traces.rows import ExperimentRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 1
PATIENCE_S = 30.0
SLICE = 64 << 20
_SCHEMA = Path(__file__).with_name("schema.sql")
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "400MB", "threads": 2}
_BUFFER = 16 << 20  # DuckDB's own bound for one line of JSON
_BUSY = ("set lock on", "Conflicting lock", "being used by another process", "different configuration")
_one_at_a_time = threading.RLock()


class Unreadable(TraceError):
    """The index is missing, damaged or of another version: build it anew."""


@dataclass(frozen=True)
class Indexed:
    """What was loaded of an experiment, and what could not be."""

    experiment: str
    runs: int
    events: int
    damaged: tuple[Damage, ...] = ()


@contextlib.contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[DuckDBPyConnection]:
    """A connection for one use. Raises Unreadable where the file must be built anew, TraceError where another
    process does not let go of it."""
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
    except duckdb.Error as error:
        raise TraceError(f"{folder.path}: the journals cannot be loaded into {path}: {error}") from None


def _load(path: Path, folder: ExperimentFolder, row: ExperimentRow, signed: str) -> Indexed:
    with tempfile.TemporaryDirectory(prefix=".index-", dir=path.parent) as scratch:
        sources, damaged, longest = _sources(folder, Path(scratch))
        with opened(path, write=True) as con:
            con.execute("SET temp_directory = ?", [scratch])
            con.execute("BEGIN")
            _forget(con, folder.id)
            _stage(con, sources, longest)
            for low, high in _slices(con, sources):
                con.execute(_EVENTS, [folder.id, low, high])
            con.execute(_RUNS, {"experiment": folder.id})
            plan = msgspec.json.encode(row.plan).decode()
            values = [row.id, row.created, row.scenario, row.command, plan, row.state]
            con.execute("INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?)", values)
            con.execute("INSERT INTO indexed VALUES (?, ?)", [folder.id, signed])
            con.execute("DROP TABLE staged")
            con.execute("COMMIT")
            counts = con.execute(_COUNTS, [folder.id, folder.id]).fetchall()[0]
    return Indexed(folder.id, int(counts[0]), int(counts[1]), tuple(damaged))


def forget(path: Path, experiments: list[str]) -> None:
    """Drop the rows of experiments whose folders are gone."""
    with opened(path, write=True) as con:
        con.execute("BEGIN")
        for experiment in experiments:
            _forget(con, experiment)
        con.execute("COMMIT")


def signatures(path: Path) -> dict[str, str]:
    """What each indexed experiment was made from."""
    with opened(path) as con:
        return dict(con.execute("SELECT experiment, signature FROM indexed").fetchall())


def _connect(path: Path, write: bool, fresh: bool = False) -> DuckDBPyConnection:
    if not fresh and not path.exists():
        raise Unreadable("there is no index")
    import duckdb

    patience, pause = time.monotonic() + PATIENCE_S, 0.005
    while True:
        try:
            con = duckdb.connect(path, read_only=not write, config=_CONFIG)
            break
        except duckdb.Error as error:
            if not any(sign in str(error) for sign in _BUSY):
                raise _cannot_open(path, error) from None
            if time.monotonic() > patience:
                raise TraceError(f"{path}: another process keeps the index open: {error}") from None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    if not fresh and not _is_ours(con):
        con.close()
        raise Unreadable("the index is of another version")
    return con


def _is_ours(con: DuckDBPyConnection) -> bool:
    import duckdb

    try:
        return con.execute("SELECT version FROM meta").fetchall() == [(VERSION,)]
    except duckdb.Error:
        return False


def _cannot_open(path: Path, error: Exception) -> Exception:
    if "Permission denied" in str(error) or path.is_dir():
        return TraceError(f"{path}: cannot be opened: {error}")
    return Unreadable(str(error))


def _is_damage(error: Exception) -> bool:
    """Whether an error during a query means that the file is not sound, rather than the query."""
    import duckdb

    kinds = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
    return isinstance(error, kinds) or (type(error) is duckdb.Error and "orrupt" in str(error))


def _sources(folder: ExperimentFolder, scratch: Path) -> tuple[list[str], list[Damage], int]:
    """The files to load, whole events only: a damaged journal's good part is copied. And the longest line's bytes."""
    sources, damaged, longest = [], [], 0
    for path in folder.journals():
        good = 0
        for line, good in journal.lines(path):  # noqa: B007
            if len(line) > longest:
                longest = len(line)
        damage = journal.check_from(path, good)
        if damage is not None:
            damaged.append(damage)
            source = scratch / path.name
            _copy(path, source, good)
        else:
            source = path
        if good:
            sources.append(str(source))
    return sources, damaged, longest


def _copy(source: Path, target: Path, size: int) -> None:
    with open(source, "rb") as file, open(target, "wb") as copy:
        while size > 0 and (piece := file.read(min(size, 1 << 20))):
            copy.write(piece)
            size -= len(piece)


def _forget(con: DuckDBPyConnection, experiment: str) -> None:
    for table in ("events", "runs", "indexed"):
        con.execute(f"DELETE FROM {table} WHERE experiment = ?", [experiment])
    con.execute("DELETE FROM experiments WHERE id = ?", [experiment])


def _stage(con: DuckDBPyConnection, sources: list[str], longest: int) -> None:
    """All lines as they stand, in a temporary table; of a run that was begun anew only its last start."""
    columns = "run INTEGER, seq INTEGER, t DOUBLE, wall DOUBLE, event JSON, filename VARCHAR"
    con.execute(f"CREATE TEMP TABLE staged ({columns})")
    if not sources:
        return
    con.execute(_READ, {"files": sources, "size": max(_BUFFER, longest + 1024)})
    again = con.execute("SELECT 1 FROM staged WHERE seq = 0 GROUP BY run HAVING count(*) > 1 LIMIT 1").fetchall()
    if again:
        con.execute(_LAST_START)


def _slices(con: DuckDBPyConnection, sources: list[str]) -> list[tuple[int, int]]:
    """Ranges of runs, each of about SLICE bytes of journal: what is sorted at once must fit into memory."""
    low, high = con.execute("SELECT coalesce(min(run), 0), coalesce(max(run), -1) + 1 FROM staged").fetchall()[0]
    count = 1 + sum(Path(source).stat().st_size for source in sources) // SLICE
    step = max(1, -(-(high - low) // count))
    return [(start, min(start + step, high)) for start in range(low, high, step)]


_READ = """
INSERT INTO staged
SELECT run, seq, t, wall, event, filename
FROM read_json($files, format = 'newline_delimited', maximum_object_size = $size, filename = true,
    columns = {run: 'INTEGER', seq: 'INTEGER', t: 'DOUBLE', wall: 'DOUBLE', event: 'JSON'})
"""

_LAST_START = """
DELETE FROM staged USING (
    SELECT run, arg_max(filename, (wall, rowid)) AS filename, arg_max(rowid, (wall, rowid)) AS start
    FROM staged WHERE seq = 0 GROUP BY run
) AS last
WHERE staged.run = last.run AND (staged.filename <> last.filename OR staged.rowid < last.start)
"""

# A cost that is there but null is unknown; one that is left out is the default, 0.
_EVENTS = """
INSERT INTO events
SELECT ?, run, seq, t, wall, type, coalesce(j[1]->>'$', j[2]->>'$', j[3]->>'$'),
    CASE WHEN type = 'chat' THEN coalesce((j[4]->>'$')::BIGINT, 0) + coalesce((j[5]->>'$')::BIGINT, 0) END,
    CASE WHEN type = 'chat' THEN CASE WHEN j[6] IS NULL THEN 0 ELSE TRY_CAST(j[6]->>'$' AS BIGINT) END END,
    event
FROM (
    SELECT *, event->>'$.type' AS type, json_extract(event, ['$.agent', '$.message.sender', '$.by',
        '$.usage.input_tokens', '$.usage.output_tokens', '$.usage.cost_nano_usd']) AS j
    FROM staged WHERE run >= ? AND run < ?
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
        sum(coalesce((body->>'$.usage.calls')::BIGINT, 0)) AS calls
    FROM events SEMI JOIN (SELECT run FROM ends WHERE last IS NULL) USING (run)
    WHERE experiment = $experiment AND type = 'chat' GROUP BY run
)
SELECT $experiment, run, run_->>'$.scenario', run_->>'$.case', run_->>'$.team', run_->>'$.engine', run_->>'$.model',
    (run_->>'$.trial')::INTEGER, (run_->>'$.seed')::HUGEINT, (run_->>'$.simulated')::BOOLEAN, run_->>'$.clock',
    coalesce(run_->>'$.difficulty', ''), coalesce((run_->'$.features')::VARCHAR[], []),
    coalesce(last->>'$.status', 'interrupted'), coalesce(last->>'$.ended_by', ''),
    (graded->>'$.success')::BOOLEAN, (graded->>'$.score')::DOUBLE,
    CASE WHEN last IS NULL THEN coalesce(tokens.input, 0)
        ELSE coalesce((last->>'$.usage.input_tokens')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN coalesce(tokens.output, 0)
        ELSE coalesce((last->>'$.usage.output_tokens')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN coalesce(tokens.calls, 0) ELSE coalesce((last->>'$.usage.calls')::BIGINT, 0) END,
    CASE WHEN last IS NULL THEN CASE WHEN unpriced = 0 THEN ends.cost_nano_usd END
        WHEN (last->'$.usage.cost_nano_usd') IS NULL THEN 0
        ELSE TRY_CAST(last->>'$.usage.cost_nano_usd' AS BIGINT) END,
    coalesce((last->>'$.latency_s')::DOUBLE, ends.t), coalesce((last->>'$.messages')::BIGINT, ends.messages),
    ends.events, coalesce(last->>'$.answer', ''), coalesce(last->>'$.error', '')
FROM ends LEFT JOIN tokens USING (run)
WHERE run_ IS NOT NULL
ORDER BY run
"""

_COUNTS = """
SELECT (SELECT count(*) FROM runs WHERE experiment = ?), (SELECT count(*) FROM events WHERE experiment = ?)
"""
