"""Files from outside that are bombs, endless or deep: refused in one line, in little memory. Of the mutated files of
`python -m benchmarks.fuzz` a few are tried here."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import said

from benchmarks import fuzz
from benchmarks.fuzzing import otlp, share
from traces.share import reading
from traces.share.manifest import EVENTS, MANIFEST, Damaged

MOST = 700 << 20
"""Bytes of memory that a process may have beyond which it was a bomb; importing alone takes about 200 million."""


def peak(code: str, *arguments: str) -> tuple[str, int]:
    """What code prints in a process of its own, and the most memory that it had, in bytes."""
    script = f"import sys\n{code}\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    *printed, most = done.stdout.split("\n")[:-1]
    return "\n".join(printed), int(most) << 10


READ_OTLP = """
from pathlib import Path
from traces.errors import InputError
from traces.otlp import reading
try:
    print(len(reading.read(Path(sys.argv[1]))))
except InputError as error:
    print(error)
"""
READ_SHARE = """
from pathlib import Path
from traces.share import reading
try:
    with reading.opened(Path(sys.argv[1])) as shared:
        shared.write_journal('events.parquet', Path(sys.argv[1]).with_name('journal-0.jsonl'))
    print('read')
except reading.Damaged as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="how much memory was used is not told here")
@pytest.mark.parametrize("size", [64 << 20, 1536 << 20])
def test_a_gzip_bomb_is_not_unpacked(size: int, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.json.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(size >> 20):
            file.write(b" " * (1 << 20))
    printed, most = peak(READ_OTLP, str(bomb))
    assert "unpacks to more than" in printed
    assert most < MOST


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"resourceSpans": [' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "]}",
        '{"resourceSpans": ' + "[" * 500 + "]" * 500 + "}",
        '{"resourceSpans": [' + "9" * 1_000_000 + "]}",
        json.dumps(otlp._request()).replace('"1700000000000000001"', "9" * 4000),
        json.dumps(otlp._request()).replace('"1700000000000000001"', '"' + "9" * 4000 + '"'),
        json.dumps(otlp._request()).replace('"12"', '"' + "9" * 4000 + '"'),
        json.dumps(otlp._request()).replace('"12"', "1e999"),
    ],
    ids=[
        "brackets",
        "objects",
        "lists",
        "digits",
        "a time",
        "a time as text",
        "a count as text",
        "a count out of range",
    ],
)
def test_deep_and_endless_traces_are_refused_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.json").write_text(text)
    code, _, error = said(capsys, "import", tmp_path / "t.json")
    assert code == 2
    assert error.startswith("headcount: ")
    assert error.count("\n") == 1
    assert len(error) < 400


def test_absurd_counts_in_a_trace_are_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps(otlp._request()).replace('{"intValue": "12"}', '{"intValue": "9000000000000000000"}')
    (tmp_path / "t.json").write_text(text)
    assert said(capsys, "import", tmp_path / "t.json")[0] == 0
    (row,) = json.loads(said(capsys, "list", "latest", "--json")[1])
    assert row["tokens_origin"] == "unknown"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="how much memory was used is not told here")
def test_the_kinds_of_a_shared_table_are_not_read_however_large(tmp_path: Path) -> None:
    """A column that is not needed, packed a hundred thousand times smaller than it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    members = share._members(tmp_path)
    table = pq.read_table(io.BytesIO(members[EVENTS]))
    large = pa.array(["x" * (100 << 20)] * table.num_rows, pa.string())
    into = io.BytesIO()
    pq.write_table(table.set_column(4, "type", large), into, compression="zstd", use_dictionary=["type"])
    members[EVENTS] = into.getvalue()
    assert len(members[EVENTS]) < 300_000
    members[MANIFEST] = share._manifest(members)
    (tmp_path / "bomb.zip").write_bytes(share.zipped(members))
    printed, most = peak(READ_SHARE, str(tmp_path / "bomb.zip"))
    assert printed == "read"
    assert most < MOST


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="how much memory was used is not told here")
def test_the_events_of_a_shared_table_are_as_large_as_it_says(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    members = share._members(tmp_path)
    table = pq.read_table(io.BytesIO(members[EVENTS]))
    large = pa.array(["x" * (64 << 20)] * table.num_rows, pa.string())
    into = io.BytesIO()
    pq.write_table(table.set_column(5, "event", large), into, compression="zstd", use_dictionary=False)
    members[EVENTS] = into.getvalue()
    members[MANIFEST] = share._manifest(members)
    (tmp_path / "bomb.zip").write_bytes(share.zipped(members))
    printed, most = peak(READ_SHARE, str(tmp_path / "bomb.zip"))
    assert "more than" in printed
    assert most < MOST


@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_deep_json_in_a_shared_file_is_refused(name: str, tmp_path: Path) -> None:
    members = share._members(tmp_path)
    members[name] = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    if name != MANIFEST:
        members[MANIFEST] = share._manifest(members)
    with pytest.raises(Damaged, match="deep"), reading.opened(io.BytesIO(share.zipped(members)), "x") as shared:
        shared.plan()


@pytest.mark.parametrize("change", [{"created": 1e300}, {"made": -1.0}, {"created": 2**70}])
def test_times_beyond_any_calendar_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    members = share._members(tmp_path)
    members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **change}).encode()
    with pytest.raises(Damaged), reading.opened(io.BytesIO(share.zipped(members)), "x"):
        pass


@pytest.mark.parametrize("target", ["otlp", "share"])
def test_mutated_files_are_read_or_refused(target: str) -> None:
    outcome = fuzz.fuzz(target, 150)
    assert outcome.faults == []
    assert outcome.words["read"] > 10
    assert outcome.words["refused"] > 10
