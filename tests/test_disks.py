"""Disks that are full or read only, and homes that are none: one line each, nothing committed lost, and what is there
can be read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import said

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from traces.store import Store

COMPARE = ("compare", "billing_support", "--teams", "solo", "--model", "sim:small", "--trials", "1", "--cases", "2")


@contextlib.contextmanager
def disk(place: Path, size: str) -> Iterator[Path]:
    """A small disk of its own, where this user may have one."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if not shutil.which("mount") or os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def told_in_one_line(code: int, error: str) -> str:
    assert code not in (0, 130)
    lines = [line for line in error.splitlines() if line.startswith("headcount: ")]
    assert "Traceback" not in error
    assert len(lines) == 1, error
    return lines[0]


def test_a_home_that_is_a_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "file"))
    for command in (COMPARE, ("list",), ("sql", "SELECT 1"), ("search",), ("replay", "latest", 0), ("verdict",)):
        code, _, error = said(capsys, *command)
        assert str(tmp_path / "file") in told_in_one_line(code, error), command


def test_a_home_that_can_only_be_read_is_read_without_an_index_and_with_an_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "disk", "64m") as place:
        monkeypatch.setenv("HEADCOUNT_HOME", str(place / "runs"))
        folder = conduct_one()
        for index in ("new", "none", "old"):
            if index == "none":
                (place / "runs" / "traces.duckdb").unlink()
            if index == "old":
                Store().refresh()
                conduct_one()
                Store().index(folder)
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
            for command in (
                ("list",), ("list", folder), ("replay", folder, 0), ("verdict", folder), ("autopsy", folder),
                ("sql", "SELECT count(*) FROM runs"), ("search", folder, "--text", "fee"),
            ):  # fmt: skip
                code, _, error = said(capsys, *command)
                assert code in (0, 1), (index, command, error)
            assert "Read-only file system" in told_in_one_line(*said(capsys, *COMPARE)[::2])
            subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)


def conduct_one() -> str:
    folder = prepare(Plan("billing_support", ("solo",), model="sim:small", cases=2, trials=1))
    conduct(folder)
    return folder.id


@pytest.mark.parametrize("on", ["processes", "here"])
def test_a_disk_that_fills_up_ends_the_experiment_in_one_line_and_it_goes_on_when_there_is_room(
    on: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = (*COMPARE[:-1], "6", "--trials", "40", "--workers", "1", "--on", on)
    with disk(tmp_path / "disk", "3m") as place:
        monkeypatch.setenv("HEADCOUNT_HOME", str(place / "runs"))
        code, _, error = said(capsys, *plan)
        assert "No space left" in told_in_one_line(code, error) or "no room" in error
        (folder,) = (place / "runs" / "experiments").iterdir()
        rows = json.loads(said(capsys, "list", folder.name, "--json")[1])
        whole = [row["run"] for row in rows if row["status"] == "completed"]
        assert 0 < len(whole) < 240
        subprocess.run(["mount", "-o", "remount,size=256m", str(place)], check=True)
        code, _, error = said(capsys, "resume", folder.name)
        assert code == 0, error
        rows = json.loads(said(capsys, "list", folder.name, "--json")[1])
        assert [row["status"] for row in rows] == ["completed"] * 240


def test_a_disk_that_is_full_from_the_start_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "disk", "1m") as place:
        monkeypatch.setenv("HEADCOUNT_HOME", str(place / "runs"))
        with contextlib.suppress(OSError):
            (place / "full").write_bytes(bytes(2 << 20))
        assert "No space left" in told_in_one_line(*said(capsys, *COMPARE)[::2])
