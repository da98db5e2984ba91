"""Opening a shared file: everything in it is checked before anything of it counts."""

from __future__ import annotations

import hashlib
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from traces import bounds, journal
from traces.journal import Journal
from traces.kernel import Event, Record, RunStarted
from traces.recorder import encoded
from traces.share import pages
from traces.share.manifest import (
    COLUMNS,
    EVENTS,
    FORMAT,
    LARGEST,
    MANIFEST,
    MEMBER,
    PAST,
    PLAN,
    TEAM_FILE,
    VERSION,
    Damaged,
    Manifest,
)

GROWTH = 1000  # times that a table may be larger than its file: JSON of long, equal prompts reaches about a hundred
_READ = tuple(column for column in COLUMNS if column != "type")
_TYPES = ("INTEGER", "INTEGER", "DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR")
_NO_ZIP = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, struct.error, zlib.error)
"""What the library raises for archives of all kinds that are none."""
_BATCH = 2048
_TOGETHER = 64
_decode = msgspec.json.Decoder(Event).decode


class Shared:
    """A shared file that is open. `name` is what a user would call it. Raises Damaged, with what is wrong, wherever it
    is not as it was written; what it says of itself is looked at when it is opened."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(file)
        except _NO_ZIP as error:
            raise Damaged(f"{name}: is no shared experiment, or is cut off: {_reason(error)}") from None
        self._infos = {info.filename: info for info in self._zip.infolist()}
        self.manifest = self._read_manifest()
        self._check_members(len(self._zip.infolist()))

    def plan(self) -> dict[str, Any]:
        """The experiment's plan."""
        try:
            return bounds.decode(self._raw(PLAN, LARGEST[PLAN]), dict[str, Any])
        except bounds.Malformed as error:
            raise self._damaged(f"{PLAN} cannot be read: {error}") from None

    def teams(self) -> dict[str, bytes]:
        """The files of its teams, by name."""
        names = [name for name in self.manifest.members if name.startswith("teams/")]
        return {name.removeprefix("teams/"): self._raw(name, TEAM_FILE) for name in names}

    @property
    def has_past(self) -> bool:
        return PAST in self.manifest.members

    def write_journal(self, name: str, target: Path) -> None:
        """Write the events of a table (EVENTS or PAST) as a journal at `target`."""
        scratch = target.with_name(f".{target.name}.parquet")
        try:
            self._extract(name, scratch)
            bodies = (encoded(record)[:-1] for record in self._records(name, scratch))
            with Journal(target) as into:
                while together := list(islice(bodies, _TOGETHER)):
                    into.write(together)
        finally:
            scratch.unlink(missing_ok=True)

    # --- below ----------------------------------------------------------------------------------------------

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"{self.name}: {why}")

    def _read_manifest(self) -> Manifest:
        if MANIFEST not in self._infos:
            raise self._damaged(f"is no shared experiment: there is no {MANIFEST} in it")
        try:
            data = bounds.decode(self._raw(MANIFEST, LARGEST[MANIFEST]))
            if not isinstance(data, dict) or data.get("format") != FORMAT:
                raise self._damaged(f"is no shared experiment: its {MANIFEST} is of another format")
            if isinstance(data.get("version"), int) and data["version"] > VERSION:
                raise self._damaged(
                    f"was made by a newer Headcount (format {data['version']}; this one reads up to {VERSION}): update"
                )
            manifest = msgspec.convert(data, Manifest)
            if not bounds.is_moment(manifest.created) or not bounds.is_moment(manifest.made):
                raise self._damaged(f"{MANIFEST} names a time that there is not")
            return manifest
        except (bounds.Malformed, msgspec.MsgspecError) as error:
            raise self._damaged(f"{MANIFEST} cannot be read: {error}") from None

    def _check_members(self, count: int) -> None:
        """Exactly the members that the manifest names, with names that lead nowhere else, none compressed."""
        named = {MANIFEST, *self.manifest.members}
        for name in named | self._infos.keys():
            if name != MANIFEST and not MEMBER.fullmatch(name):
                raise self._damaged(f"has a member that does not belong there: {name!r}")
            if name not in self._infos or name not in named or count != len(self._infos):
                raise self._damaged(f"its members are not those that {MANIFEST} names ({name})")
        for name in (PLAN, EVENTS):
            if name not in named:
                raise self._damaged(f"there is no {name} in it")
        for info in self._infos.values():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
                raise self._damaged(f"{info.filename} is compressed or encrypted: was it packed anew? Use the original")
            member = self.manifest.members.get(info.filename)
            if member is not None and member.bytes != info.file_size:
                raise self._damaged(f"{info.filename} has {info.file_size} bytes instead of {member.bytes}")

    def _chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member; at their end they have turned out to be those that the manifest names, or not."""
        found = hashlib.sha256()
        try:
            with self._zip.open(self._infos[name]) as member:
                while chunk := member.read(1 << 20):
                    found.update(chunk)
                    yield chunk
        except _NO_ZIP as error:
            raise self._damaged(f"{name} is damaged: {_reason(error)}") from None
        if name != MANIFEST and found.hexdigest() != self.manifest.members[name].sha256:
            raise self._damaged(f"{name} is not what was written: its SHA-256 does not fit")

    def _raw(self, name: str, limit: int) -> bytes:
        if self._infos[name].file_size > limit:
            raise self._damaged(f"{name} is too large to be one")
        return b"".join(self._chunks(name))

    def _extract(self, name: str, target: Path) -> None:
        member = self.manifest.members[name]
        free = shutil.disk_usage(target.parent).free
        if (
            not 0 <= member.rows <= member.text
            or member.text > GROWTH * member.bytes
            or member.bytes + 2 * member.text > free
        ):
            raise self._damaged(f"{name} would need {member.text:,} bytes: there is no room, or it is no trace")
        with open(target, "wb") as file:
            file.writelines(self._chunks(name))

    def _records(self, name: str, path: Path) -> Iterator[Record]:
        """The events of a table, each checked: of a kind that is known, in order, complete from a run's start on."""
        rows = text = 0
        run, seq = -1, 0
        member = self.manifest.members[name]
        for row in self._rows(name, path):
            rows, text = rows + 1, text + len((row[-1] or "").encode())
            if rows > member.rows or text > member.text:
                raise self._damaged(f"{name} holds more than {MANIFEST} says")
            record = self._record(name, row)
            if record.run != run:
                run, seq = self._begun(name, run, record), 0
            if record.seq != seq:
                raise self._damaged(f"{name}: event {seq} of run {run} is missing")
            seq += 1
            yield record
        if rows != member.rows:
            raise self._damaged(f"{name} holds {rows} events instead of {member.rows}")

    def _begun(self, name: str, before: int, record: Record) -> int:
        if record.run < before or record.run < 0 or not isinstance(record.event, RunStarted):
            raise self._damaged(f"{name}: run {record.run} does not begin with its start, or is out of order")
        return record.run

    def _record(self, name: str, row: tuple[Any, ...]) -> Record:
        run, seq, t, wall, body = row
        if None in row or not bounds.is_number(t) or not bounds.is_moment(wall):
            raise self._damaged(f"{name}: an event without a place or a time")
        try:
            bounds.check_depth(body, journal.DEEPEST)
            return Record(run, seq, t, wall, _decode(body))
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._damaged(f"{name}: event {seq} of run {run} cannot be read by this version: {error}") from None

    def _rows(self, name: str, path: Path) -> Iterator[tuple[Any, ...]]:
        """By DuckDB's reader of Parquet: pyarrow's ends the process on some files that are not as they should be."""
        import duckdb

        config: dict[str, Any] = {"memory_limit": "1GB", "threads": 1}
        try:
            with duckdb.connect(":memory:", config=config) as con:
                self._check_table(name, con, path)
                found = con.sql(f"SELECT {', '.join(_READ)} FROM read_parquet(?)", params=[str(path)])
                for batch in found.to_arrow_reader(_BATCH):
                    yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        except (duckdb.Error, OSError, ValueError, OverflowError) as error:
            raise self._damaged(f"{name} cannot be read: {_reason(error)}") from None

    def _check_table(self, name: str, con: Any, path: Path) -> None:
        """The table is as we write it: so it cannot unpack to much more than it says. The kinds of events are in the
        events too: that column is for whoever looks into the file, and is not read."""
        columns = con.execute("SELECT name, duckdb_type FROM parquet_schema(?) OFFSET 1", [str(path)]).fetchall()
        if columns != list(zip(COLUMNS, _TYPES, strict=True)):
            raise self._damaged(f"{name} has other columns than {', '.join(COLUMNS)}")
        ((rows,),) = con.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(path)]).fetchall()
        chunks = [pages.Chunk(*found) for found in con.execute(pages.CHUNKS, [str(path)]).fetchall()]
        read = [chunk for chunk in chunks if chunk.column in _READ]
        if any("DICTIONARY" in chunk.encodings for chunk in read):
            raise self._damaged(f"{name} is packed in a way that Headcount does not use")
        with open(path, "rb") as file:
            texts = sum(pages.unpacked(file, chunk) for chunk in read if chunk.column == "event")
            numbers = sum(pages.unpacked(file, chunk) for chunk in read if chunk.column != "event")
        member = self.manifest.members[name]
        room = 64 * (member.rows + 1024 + 64 * len(chunks))
        if rows != member.rows or texts > member.text + room or numbers > room:
            raise self._damaged(f"{name} holds more than {MANIFEST} says")


@contextmanager
def opened(source: Path | IO[bytes], name: str = "") -> Iterator[Shared]:
    """A shared file. Raises Damaged for one that is not there or is none."""
    if not isinstance(source, Path):
        yield Shared(source, name or "the file")
        return
    with _file(source) as file:
        yield Shared(file, name or str(source))


def _file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
