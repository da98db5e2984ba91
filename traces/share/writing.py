"""Writing an experiment into one file, an event at a time: it is never held in memory as a whole."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import secrets
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from traces import journal
from traces.committed import Committed, committed
from traces.home import ExperimentFolder, state, writing
from traces.share.manifest import EVENTS, FORMAT, MANIFEST, PAST, PLAN, VERSION, Manifest, Member
from traces.withheld import Withheld

GROUP = 16 << 20  # bytes of events that are in memory together
_STAMP = (1980, 1, 1, 0, 0, 0)  # equal contents give equal members
_TYPE = re.compile(rb'\{"type":"(\w+)"')


class _Head(Struct):
    run: int
    seq: int
    t: float
    wall: float


_head = msgspec.json.Decoder(_Head).decode


def write(
    target: Path, folder: ExperimentFolder, plan: dict[str, Any], withheld: Withheld, past: Path | None = None
) -> Manifest:
    """Write the experiment's events, with `plan` as its plan, into `target`; a crash leaves no half of a file. `past`:
    the journal of what forks share with their parent. Raises InputError where the file cannot be written."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with writing(target):
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
                manifest = _write(file, folder, plan, withheld, past)
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return manifest


def _write(
    file: zipfile.ZipFile, folder: ExperimentFolder, plan: dict[str, Any], withheld: Withheld, past: Path | None
) -> Manifest:
    runs: list[Committed] = []

    def lines() -> Iterator[bytes]:
        for run in committed(folder.journals()):
            runs.append(run)
            yield from run.read()

    members = {EVENTS: _table(file, EVENTS, lines(), withheld)}
    if past is not None:
        members[PAST] = _table(file, PAST, (line for line, _ in journal.lines(past)), withheld)
    for path in sorted((folder.path / "teams").glob("*.y*ml")):
        text = withheld.text(path.read_text(encoding="utf-8"))
        members[f"teams/{path.name}"] = _bytes(file, f"teams/{path.name}", text.encode())
    members[PLAN] = _bytes(file, PLAN, msgspec.json.format(msgspec.json.encode(withheld.value(plan)), indent=2))
    status = folder.read_status()
    manifest = Manifest(
        FORMAT,
        VERSION,
        folder.id,
        float(plan.get("created") or 0.0),
        time.time(),
        importlib.metadata.version("headcount"),
        str(plan.get("scenario") or ""),
        runs[0].run.scenario_digest if runs else "",
        state(folder, time.time()),
        status.done if status else 0,
        status.total if status else 0,
        withheld.text(status.message) if status else "",
        len(runs),
        withheld.secrets,
        withheld.personal,
        members,
    )
    _bytes(file, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def _bytes(file: zipfile.ZipFile, name: str, content: bytes) -> Member:
    file.writestr(zipfile.ZipInfo(name, _STAMP), content)
    return Member(len(content), hashlib.sha256(content).hexdigest())


def _table(file: zipfile.ZipFile, name: str, lines: Iterable[bytes], withheld: Withheld) -> Member:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [("run", pa.int32()), ("seq", pa.int32()), ("t", pa.float64()), ("wall", pa.float64())]
    schema = pa.schema([*numbers, ("type", pa.string()), ("event", pa.string())])
    rows = text = 0
    with (
        _hashing(file, name) as member,
        pq.ParquetWriter(member, schema, compression="zstd", use_dictionary=["type"], write_statistics=False) as writer,
    ):
        for group in _groups(lines, withheld):
            rows, text = rows + len(group), text + sum(len(row[-1]) for row in group)
            columns = [pa.array(values, field.type) for values, field in zip(zip(*group), schema)]  # noqa: B905
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return Member(member.size, member.sha256, rows, text)


def _groups(lines: Iterable[bytes], withheld: Withheld) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of the table, in groups of about GROUP bytes."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    for line in lines:
        place = line.index(b',"event":')
        head, body = _head(line[:place] + b"}"), withheld.event(line[place + 9 : line.rindex(b',"crc":"')])
        found = _TYPE.match(body)
        rows.append((head.run, head.seq, head.t, head.wall, found[1].decode() if found else "", body))
        size += len(body)
        if size >= GROUP:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


class _Hashing:
    """A member that is being written, with its size and hash so far."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._hash = raw, hashlib.sha256()
        self.size, self.closed = 0, False

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: Any) -> int:
        data = bytes(data)
        self._hash.update(data)
        self.size += len(data)
        return self._raw.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def _hashing(file: zipfile.ZipFile, name: str) -> Iterator[_Hashing]:
    with file.open(zipfile.ZipInfo(name, _STAMP), "w", force_zip64=True) as raw:
        yield _Hashing(raw)
