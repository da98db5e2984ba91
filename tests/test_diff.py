"""Two runs side by side, read in windows, are the same rows as when both are read whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.forks import diff
from experiments.forks.diff import Side
from traces import kernel as k
from traces.home import Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Record
from traces.store import Store

RUN = k.Run("s", "c", "t", "native", "m", 0, 1, k.Budget(), "virtual", True)
LENGTH = 40


def _run(latency: float, other: dict[int, str], length: int = LENGTH) -> list[k.Event]:
    """A run whose calls take so long, with other texts at some steps."""
    calls = (
        k.Chat("a", "act", "m", 0, (), other.get(seq, f"step {seq}"), k.Usage(1, 1, latency_s=latency))
        for seq in range(1, length)
    )
    return [k.RunStarted(RUN, "please"), *calls]


RUNS = {
    "first": _run(0.1, {}),
    "the same": _run(0.1, {}),
    "slower": _run(0.2, {}),
    "parts early": _run(0.1, {3: "else"}),
    "parts late": _run(0.2, {33: "else", 35: "else"}),
    "shorter": _run(0.1, {}, 21),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(diff, "WINDOW", 5)
    monkeypatch.setattr(diff, "BATCH", 2)
    store = Store(tmp_path)
    folder = experiment_folder("e", tmp_path).create()
    folder.write_plan({"id": "e", "scenario": "s", "command": "", "created": 1.0, "simulated": True})
    with Journal(folder.journal_file()) as journal:
        for run, events in enumerate(RUNS.values()):
            for seq, event in enumerate(events):
                journal.append(Record(run, seq, seq * 0.5, 1.0, event))
    folder.write_status(Status(1, 0.0, "finished", len(RUNS), len(RUNS), 1.0))
    return store


@pytest.mark.parametrize("other", list(RUNS))
@pytest.mark.parametrize("limit", [4, 1000])
def test_windows_give_the_rows_of_the_whole(store: Store, other: str, limit: int) -> None:
    left, right = Side("e", 0), Side("e", list(RUNS).index(other))
    whole = diff.aligned(store.events(*left), store.events(*right), limit)
    found = diff.windowed(store, left, right, limit)
    assert found.rows(store, found.numbers()) == whole
    assert found.first == diff.first_divergence(whole)
    assert [whole[number] for number in found.numbers(only_differing=True)] == [r for r in whole if r.mark != "same"]
    some = [number for number in (0, 2, 4, 30, 41) if number < len(whole)]
    assert found.rows(store, some) == [whole[number] for number in some]
    shown = sum((row.left is not None) + (row.right is not None) for row in whole)
    assert found.cut == len(RUNS["first"]) + len(RUNS[other]) - shown


def test_of_two_runs_that_part_early_little_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Record] = []
    for name in ("events", "picked"):
        ask = getattr(Store, name)
        monkeypatch.setattr(Store, name, lambda *args, ask=ask: (found := ask(*args), read.extend(found))[0])
    found = diff.windowed(store, Side("e", 0), Side("e", list(RUNS).index("parts early")), 4)
    assert found.same == 3
    assert len(read) <= 12
