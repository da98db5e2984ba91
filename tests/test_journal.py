"""The journal keeps what it was given, and says where it is damaged."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import journal
from traces.errors import TraceError
from traces.journal import Journal
from traces.kernel import Noted, Record

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def records(count: int, text: str = "x") -> list[Record]:
    return [Record(0, seq, seq * 0.5, 1000.0 + seq, Noted("a", "note", text)) for seq in range(count)]


def written(path: Path, some: list[Record]) -> bytes:
    with Journal(path) as log:
        for record in some:
            log.append(record)
    return path.read_bytes()


def read(path: Path) -> list[Record]:
    return [record for record, _ in journal.read(path)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


@given(st.lists(texts, max_size=5))
def test_what_was_appended_is_read_back(folder: Path, some: list[str]) -> None:
    path = folder / "journal-0.jsonl"
    path.unlink(missing_ok=True)
    given_records = [records(1, text)[0] for text in some]
    content = written(path, given_records)
    assert read(path) == given_records
    assert journal.damaged(path) == []
    assert [set(msgspec.json.decode(line)) for line in content.splitlines()] == [
        {"run", "seq", "t", "wall", "event", "crc"} for _ in some
    ]


@given(st.data())
def test_a_damaged_end_costs_only_the_events_it_hit(folder: Path, data: st.DataObject) -> None:
    path = folder / "journal-1.jsonl"
    for old in folder.glob("journal-1.*"):
        old.unlink()
    some = records(6)
    content = written(path, some)
    at = data.draw(st.integers(0, len(content) - 1))
    tail = data.draw(st.sampled_from([b"", b"\0" * 50, b"\xff\n{}\n", b'{"run":0}\n']) | st.binary(max_size=60))
    damaged = content[:at] + tail
    path.write_bytes(damaged)
    whole = damaged[: len(content)] if damaged.startswith(content) else damaged
    kept = sum(whole.startswith(content[: end + 1]) for end in range(len(content)) if content[end : end + 1] == b"\n")
    assert read(path) == some[:kept]

    damage = next(iter(journal.damaged(path)), None)
    with Journal(path) as log:  # opening it again cuts the end off, says so, and keeps the bytes
        assert log.repaired == damage
        log.append(some[0])
    assert [record for segment in journal.segments(path) for record in read(segment)] == [*some[:kept], some[0]]
    if damage is not None:
        assert damage.lost_bytes == len(damaged) - damage.offset
        assert path.with_name("journal-1.jsonl.damaged").read_bytes() == damaged[damage.offset :]


@given(st.integers(0), st.integers(1, 255))
def test_one_garbled_byte_is_noticed_and_costs_no_other_event(folder: Path, where: int, flip: int) -> None:
    path = folder / "journal-2.jsonl"
    path.unlink(missing_ok=True)
    some = records(4)
    content = bytearray(written(path, some))
    at = where % len(content)
    hit = {content[:at].count(b"\n")}
    if content[at] == ord("\n"):
        hit.add(min(hit) + 1)  # two lines became one
    content[at] ^= flip
    path.write_bytes(content)
    assert read(path) == [record for record in some if record.seq not in hit]
    (damage,) = journal.damaged(path)
    assert str(path) in str(damage)
    assert damage.offset <= at < damage.offset + damage.lost_bytes


def test_a_journal_is_followed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = records(3)
    with Journal(path) as log:
        log.append(some[0])
        (first,) = journal.read(path)
        log.append(some[1])
        with open(path, "ab") as torn:  # half a line, as seen in the middle of a write
            torn.write(b'{"run":0,')
        (second,) = journal.read(path, first[1])
        assert list(journal.read(path, second[1])) == []
    assert [first[0], second[0]] == some[:2]


def in_segments(path: Path, some: list[Record], size: int) -> list[Path]:
    with Journal(path, segment=size) as log:
        for record in some:
            log.append(record)
    return journal.segments(path)


@given(st.integers(50, 2_000), st.integers(1, 30))
def test_a_journal_goes_on_in_segments_of_the_size_that_was_asked_for(folder: Path, size: int, count: int) -> None:
    for old in folder.glob("journal-3*"):
        old.unlink()
    some = records(count)
    there = in_segments(folder / "journal-3.jsonl", some, size)
    longest = max(len(line) for path in there for line, _ in journal.lines(path))
    assert [record for path in there for record in read(path)] == some
    assert all(size <= path.stat().st_size < size + longest + 100 for path in there[:-1])
    assert [path.name for path in there[:2]] == ["journal-3.jsonl", "journal-3.0001.jsonl"][: len(there)]
    assert journal.missing(there) == []
    assert [damage for path in there for damage in journal.damaged(path)] == []


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_a_missing_segment_is_missed_and_its_number_is_not_given_again(tmp_path: Path, gone: int) -> None:
    path = tmp_path / "journal-0.jsonl"
    there = in_segments(path, records(12), 300)
    assert len(there) == 5
    there[4].unlink()  # it held nothing yet, or little: the one before it names it
    there[gone].unlink()
    expected = {there[gone], there[4]} if gone < 3 else {there[3]}
    assert {damage.path for damage in journal.missing(journal.segments(path))} == expected
    kept = [record for segment in journal.segments(path) for record in read(segment)]
    more = records(1, "later")
    with Journal(path) as log:
        log.append(more[0])
    assert [record for segment in journal.segments(path) for record in read(segment)] == [*kept, *more]
    assert {damage.path for damage in journal.missing(journal.segments(path))} == expected
    assert "missing" in str(journal.missing(journal.segments(path))[0])


def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = records(40)
    for start in range(0, 40, 4):
        in_segments(path, some[start : start + 4], 500)
    assert [record for segment in journal.segments(path) for record in read(segment)] == some
    assert len(journal.segments(path)) > 3


_WRITER = """
import sys
import threading
import time
import zlib
from pathlib import Path
from traces.journal import Journal
from traces.kernel import Noted, Record
log = Journal(Path(sys.argv[1]))
for seq in range(10_000_000):
    log.append(Record(0, seq, 0.0, 0.0, Noted("a", "note", "x" * (seq % 500))))
    if seq % 100 == 0:
        log.sync()
        print(seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(20)][-1]
        while_it_writes = len(read(path))
        os.kill(child.pid, signal.SIGKILL)
    after = read(path)
    assert acknowledged < while_it_writes <= len(after)
    assert [record.seq for record in after] == list(range(len(after)))


def test_an_event_that_finds_no_room_is_not_left_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = records(3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path) as log:
        log.append(some[0])
        for room in (20, 0):
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
            try:
                with pytest.raises(TraceError, match="cannot be written"):
                    log.append(some[1])
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log.append(some[2])
    assert read(path) == [some[0], some[2]]


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nowhere.*No such file"):
        list(journal.read(tmp_path / "nowhere.jsonl"))
    with pytest.raises(TraceError, match="cannot be written"):
        Journal(tmp_path / "no" / "folder.jsonl")
    with pytest.raises(TraceError, match="this version cannot read"):
        journal.decode(b'{"run":0,"seq":0,"t":0,"wall":0,"event":{"type":"from_the_future"}}')


class Disk:
    """What was given to fsync: the names of files and folders with their sizes then, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.flushed: list[tuple[str, int]] = []
        self.broken = False
        fsync = os.fsync

        def flush(fd: int) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")
            fsync(fd)
            found = os.fstat(fd)
            name = next(p.name for p in (folder, *folder.iterdir()) if p.stat().st_ino == found.st_ino)
            self.flushed.append((name, -1 if name == folder.name else found.st_size))

        monkeypatch.setattr(os, "fsync", flush)

    def since(self) -> list[tuple[str, int]]:
        flushed, self.flushed = self.flushed, []
        return flushed


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Disk:
    return Disk(monkeypatch, tmp_path)


def test_sync_returns_when_all_that_was_appended_is_on_the_disk_with_the_name_of_its_file(
    tmp_path: Path, disk: Disk
) -> None:
    path = tmp_path / "journal-0.jsonl"
    first, second, third = records(3)
    with Journal(path, fsync_every=1e9) as log:
        log.sync()
        assert disk.since() == [(tmp_path.name, -1)]
        log.append(first)
        log.append(second)
        assert disk.since() == []
        log.sync()
        assert disk.since() == [(path.name, path.stat().st_size)]
        log.sync()
        assert disk.since() == []  # nothing is new
        log.append(third)
    assert disk.since() == [(path.name, path.stat().st_size)]
    log.close()  # once more does nothing
    with Journal(path, fsync_every=1e9):
        assert disk.since() == []  # its name is there already


def test_without_sync_it_comes_to_the_disk_after_a_while(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = records(3)
    with Journal(path, fsync_every=0.0) as log:
        disk.since()
        for record in some:
            log.append(record)
            log.sync()  # waits for what is under way
            assert disk.since() == [(path.name, path.stat().st_size)]  # once
    assert disk.since() == []
    with Journal(tmp_path / "journal-1.jsonl", fsync_every=0.02) as log:
        log.append(some[0])
        assert ("journal-1.jsonl", log.path.stat().st_size) not in disk.since()
        time.sleep(0.03)
        log.append(some[1])
        log._thread.shutdown()
        assert disk.since() == [("journal-1.jsonl", log.path.stat().st_size)]


def test_a_segment_is_on_the_disk_before_the_one_before_it_names_it(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "journal-0.jsonl"
    with Journal(path, fsync_every=1e9, segment=1) as log:
        disk.since()
        log.append(records(1)[0])
        assert disk.since() == [(tmp_path.name, -1), (path.name, path.stat().st_size)]
        assert journal.successor(path) == log.path.name == "journal-0.0001.jsonl"


def test_what_is_cut_off_is_on_the_disk_before_it_is_cut(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "journal-0.jsonl"
    whole = written(path, records(2))
    path.write_bytes(whole + b"torn")
    disk.since()
    with Journal(path, fsync_every=1e9) as log:
        assert disk.since() == [("journal-0.jsonl.damaged", 4), (path.name, len(whole))]
        assert log.repaired is not None
    assert str(log.repaired) == f"{path}: a line that breaks off at byte {len(whole)}; 4 bytes from there are not read"


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_a_disk_that_fails_is_an_error_and_not_a_loss_in_silence(tmp_path: Path, disk: Disk, every: float) -> None:
    log = Journal(tmp_path / "journal-0.jsonl", fsync_every=every)
    disk.broken = True
    log.append(records(1)[0])
    with pytest.raises(TraceError, match=r"journal-0\.jsonl: cannot be written: Input/output error"):
        log.sync()
    log._thread.shutdown()


def test_a_failure_in_the_background_comes_to_who_appends_next(tmp_path: Path, disk: Disk) -> None:
    log = Journal(tmp_path / "journal-0.jsonl", fsync_every=0.0)
    disk.broken = True
    log.append(records(1)[0])
    assert log._syncing is not None
    log._syncing.exception(timeout=60)
    with pytest.raises(TraceError, match="Input/output error"):
        log.append(records(1)[0])
    log._thread.shutdown()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_closed_leaves_no_file_and_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, threads = open_files(), {thread.ident for thread in threading.enumerate()}
    log = Journal(tmp_path / "journal-0.jsonl", fsync_every=0.0, segment=300)
    for record in records(20):
        log.append(record)
    assert len(journal.segments(log.path)) > 5
    log.close()
    closed: list[int] = []
    monkeypatch.setattr(os, "close", closed.append)
    log.close()
    assert closed == []
    assert open_files() == before
    assert {thread.ident for thread in threading.enumerate()} <= threads


def test_a_segment_that_cannot_be_begun_leaves_no_file_open(tmp_path: Path, disk: Disk) -> None:
    log = Journal(tmp_path / "journal-0.jsonl", fsync_every=1e9, segment=1)
    before = open_files()
    disk.broken = True
    with pytest.raises(TraceError, match="Input/output error"):
        log.append(records(1)[0])
    assert open_files() == before
    assert log.path.name == "journal-0.jsonl"


def test_a_segment_is_full_at_its_size_and_one_that_is_opened_again_is_gone_on_from_once(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = records(5)
    size = len(written(tmp_path / "other.jsonl", some[:1]))
    with Journal(path, segment=size) as log:
        log.append(some[0])
        assert log.path.name == "journal-0.0001.jsonl"
    with Journal(path) as log:
        for record in some[1:]:
            log.append(record)
    with Journal(path) as log:
        log.append(some[0])
        log.append(some[1])
    assert [len(read(one)) for one in journal.segments(path)] == [1, 4, 2]
    assert path.stat().st_mode & 0o777 == 0o644 & ~umask()


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_places_and_names_of_segments(tmp_path: Path) -> None:
    names = {"journal-0.jsonl": 0, "journal-0.0001.jsonl": 1, "journal-0.12345.jsonl": 12345, "notes.txt": 0}
    assert {name: journal.place(tmp_path / name)[1] for name in names} == names
    assert journal.place(tmp_path / "notes.txt")[0] == "notes.txt"
    alone = tmp_path / "journal-7.jsonl"
    name = b'{"next":"journal-7.0001.jsonl"'
    alone.write_bytes(b'%b,"crc":"%08x"}\n' % (name, zlib.crc32(name)))
    assert journal.successor(alone) == "journal-7.0001.jsonl"
    assert journal.missing([alone]) == [
        journal.Damage(tmp_path / "journal-7.0001.jsonl", 0, 0, "this segment is missing")
    ]


def test_every_damaged_place_is_found_and_neighbours_are_one(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    lines = written(path, records(6)).splitlines(keepends=True)
    bad, zeros, torn = b"garbled\n", b"\0" * 5 + b"\n", b"torn"
    path.write_bytes(b"".join([lines[0], bad, lines[1], zeros, bad, bad, lines[2], torn]))
    ends = [len(b"".join(part)) for part in ([lines[0]], [lines[0], bad, lines[1]])]
    last = path.stat().st_size - len(torn)
    expected = [
        journal.Damage(path, ends[0], 8, "a line whose checksum does not fit"),
        journal.Damage(path, ends[1], 6 + 8 + 8, "zeros instead of an event"),
        journal.Damage(path, last, 4, "a line that breaks off"),
    ]
    assert journal.damaged(path) == expected
    with Journal(path) as log:
        assert log.repaired == expected[2]
    assert journal.damaged(path) == expected[:2]
    with Journal(path) as log:
        assert log.repaired is None


def _event(arguments: str) -> bytes:
    call = f'"type":"effect_intended","agent":"a","tool":"t","call_id":"c","arguments":{arguments},"key":"k"'
    return b'{"run":0,"seq":0,"t":0,"wall":0,"event":{%b}}' % call.encode()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (_event("{}"), ""),
        (_event('{"a":' + "[" * 147 + "]" * 147 + "}"), ""),
        (_event('{"a":' + "[" * 148 + "]" * 148 + "}"), "nested more than 150 deep"),
        (_event("7"), "Expected `object`"),
        (b'{"run":0', "truncated"),
        (b'{"run":0,"seq":0,"t":0,"wall":0,"event":{"type":"from_the_future"}}', "Invalid value"),
        (_event('{"a":"\xff"}').replace("\xff".encode(), b"\xff"), "UTF-8"),
    ],
)
def test_why_a_line_is_no_event(line: bytes, said: str, tmp_path: Path) -> None:
    found = journal.fault(line)
    assert (said.lower() in found.lower()) if said else found == ""
    if said and "nested" not in said:
        for path in (tmp_path / "journal-0.jsonl", None):
            with pytest.raises(TraceError, match=f"^{re.escape(str(path or 'journal'))}: an event that this version"):
                journal.decode(line, path)
