"""What is asked of an experiment that runs is right whatever its journals do, and only what is new is read for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import index, journal, store
from traces.home import ExperimentFolder, Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Budget, Event, Noted, Record, Run, RunStarted
from traces.store import Store

ID = "20260101-120000-abcd"
BODY = "x" * 40


def running(base: Path) -> ExperimentFolder:
    folder = experiment_folder(ID, base).create()
    me = psutil.Process()
    folder.write_plan({"scenario": "billing", "command": "compare", "created": 17.5})
    folder.write_status(Status(me.pid, me.create_time(), "running", 0, 4, time.time()))
    return folder


def event(run: int, seq: int) -> Event:
    if seq == 0:
        return RunStarted(Run("billing", "case", "solo", "native", "m", run, 1, Budget(), "virtual", True), "please")
    return Noted(f"agent-{run}-{seq % 7}", "thought", f"{BODY} {run} {seq}")


class Writing:
    """Runs that are written, stopped, resumed in other journals, and begun anew."""

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder, self.wall = folder, 1000.0
        self.length = dict.fromkeys(range(3), 0)

    def go_on(self, run: int, count: int, where: int, back: int = 0) -> None:
        """A run goes on in a journal, from so many events before its end."""
        first = max(0, self.length[run] - back)
        with Journal(self.folder.journal_file(where), segment=900) as log:
            for seq in range(first, first + count):
                self.wall += 1.0
                log.append(Record(run, seq, seq * 0.5, self.wall, event(run, seq)))
        self.length[run] = first + count

    def replace(self, where: int) -> None:
        """A journal is another one now, and not shorter."""
        for path in self.folder.path.glob(f"journal-{where}*"):
            path.unlink()
        with Journal(self.folder.journal_file(where)) as log:
            for seq in range(40):
                self.wall += 1.0
                log.append(Record(2, seq, seq * 0.5, self.wall, event(2, seq)))
        self.length = {run: len(Store(self.folder.path.parent.parent).events(ID, run)) for run in self.length}


def answers(store: Store) -> list[Any]:
    """To many questions."""
    return [
        [store.events(ID, run) for run in range(3)],
        [store.events(ID, run, 3, 4) for run in range(3)],
        [store.picked(ID, run, [1, 5, 9]) for run in range(3)],
        [store.about_run(ID, run, _numbers) for run in range(3)],
        [(row.run, row.events) for row in store.runs(ID)],
        [row.run for row in store.runs(ID, text=f"{BODY} 1 4")],
        store.agents(ID),
    ]


def _numbers(con: Any, events: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = con.execute(f"SELECT seq, t, wall, body FROM {events} ORDER BY seq").fetchall()
    return found


def _numbers_alone(con: Any, events: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = con.execute(f"SELECT seq FROM {events}").fetchall()
    return found


STEPS = st.one_of(
    st.tuples(
        st.just("go on"), st.integers(0, 2), st.integers(1, 9), st.integers(0, 2), st.sampled_from([0, 0, 2, 99])
    ),
    st.tuples(st.just("replace"), st.integers(0, 2)),
)


@settings(max_examples=12)
@given(st.lists(STEPS, min_size=2, max_size=6))
def test_answers_are_those_of_somebody_who_reads_it_all_anew(
    tmp_path_factory: Any, steps: list[tuple[Any, ...]]
) -> None:
    base = tmp_path_factory.mktemp("growing")
    writing, known = Writing(running(base)), Store(base)
    for what, *how in steps:
        (writing.go_on if what == "go on" else writing.replace)(*how)
        assert answers(known) == answers(Store(base))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of journals' lines that were read."""
    found: list[int] = []
    lines = journal.lines

    def counted(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
        for line, after in lines(path, offset):
            found.append(len(line))
            yield line, after

    monkeypatch.setattr(journal, "lines", counted)
    return found


def test_only_what_is_new_is_read_for_a_question(tmp_path: Path, read: list[int]) -> None:
    folder, asked = running(tmp_path), Store(tmp_path)
    with Journal(folder.journal_file()) as log:
        for seq in range(3000):
            log.append(Record(0, seq, 0.0, 0.0, event(0, seq)))
        assert len(asked.about_run(ID, 0, _numbers)) == 3000
        questions: list[Callable[[], Any]] = [
            lambda: asked.about_run(ID, 0, _numbers),
            lambda: asked.agents(ID),
            lambda: asked.events(ID, 0, 2990),
            lambda: asked.picked(ID, 0, [700]),
        ]
        for number, question in enumerate(questions):
            read.clear()
            log.append(Record(0, 3000 + number, 0.0, 0.0, event(0, 3000 + number)))
            assert question()
            assert len(read) <= 300


def test_what_is_beyond_the_memory_is_in_files_that_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "GROWING_MEMORY", "120MB")
    monkeypatch.setattr(index, "GROWING_SLICE", 2 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, asked = running(tmp_path), Store(tmp_path)
    with Journal(folder.journal_file()) as log:
        for seq in range(8000):
            long = Noted("a", "b", os.urandom(10_000).hex())
            log.append(Record(0, seq, 0.0, 0.0, long if seq else event(0, 0)))
            if seq % 2000 == 1999:
                assert len(asked.about_run(ID, 0, _numbers_alone)) == seq + 1
    (scratch,) = tmp_path.glob("headcount-*")
    assert sum(file.stat().st_size for file in scratch.iterdir()) > 10 << 20
    del asked
    assert not scratch.exists()


def test_few_experiments_are_followed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Writing(running(tmp_path)).go_on(0, 5, 0)
    asked = Store(tmp_path)
    for number in range(9):
        shutil.copytree(tmp_path / "experiments" / ID, tmp_path / "experiments" / f"e{number}")
        assert len(asked.about_run(f"e{number}", 0, _numbers)) == 5
    assert len(list(tmp_path.glob("headcount-*"))) == store._FOLLOWED
    assert len(asked.about_run("e0", 0, _numbers)) == 5
