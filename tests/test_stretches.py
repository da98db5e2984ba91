"""Which lines make up a run: the rule, against a reading of the journals event by event."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traces import journal
from traces.journal import Journal
from traces.kernel import Noted, Record
from traces.stretches import lines_of, pieces, plain, survey


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stretches")


BEGUN_ANEW_BETWEEN = [("b", [(0, 0)]), ("a", [(0, 0)]), ("b", [(0, 3)])]
sessions = st.lists(
    st.tuples(st.sampled_from("ab"), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=4)), max_size=5
)


@given(sessions, st.integers(100, 1500))
@example(BEGUN_ANEW_BETWEEN, 1500)
def test_what_was_written_last_counts_and_nothing_behind_a_gap(
    folder: Path, some: list[tuple[str, list[tuple[int, int]]]], segment: int
) -> None:
    """Sessions one after the other: each opens a journal and writes rows of three events of some run, from some event
    on. The naive reading keeps a list a run, cut where something is written again."""
    for old in folder.glob("journal-*"):
        old.unlink()
    naive: dict[int, list[Record | None]] = {}
    wall = 0.0
    for name, rows in some:
        with Journal(folder / f"journal-{name}.jsonl", segment=segment) as log:
            for run, first in rows:
                so_far = naive.setdefault(run, [])
                so_far += [None] * (first - len(so_far))
                del so_far[first:]
                for seq in range(first, first + 3):
                    wall += 1.0
                    record = Record(run, seq, 0.0, wall, Noted("a", "note", str(wall)))
                    so_far.append(record)
                    log.append(record)
    found = survey(sorted(folder.glob("journal-*.jsonl"), key=journal.place))
    assert found.damaged == []
    for run, records in naive.items():
        expected = records[: records.index(None)] if None in records else records
        counted = pieces(found.runs[run])
        assert [journal.decode(line) for piece in counted for line in lines_of(piece)] == expected
        everything = sum(stretch.after - stretch.first for stretch in found.runs[run])
        assert plain(found.runs[run], counted) == (everything == len(expected))


def test_a_clock_that_was_set_back_does_not_reorder_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    some = [Record(0, seq, 0.0, 1000.0 - seq, Noted("a", "note", "x")) for seq in range(20)]
    with Journal(path, segment=300) as log:
        for record in some:
            log.append(record)
    found = survey(sorted(tmp_path.glob("*.jsonl"), key=journal.place))
    assert pieces(found.runs[0])[-1].stop == 20


def test_a_line_of_another_make_is_said_to_be_one(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal-0.jsonl") as log:
        log.write([b'{"kind":"of the future"'])
    found = survey([tmp_path / "journal-0.jsonl"])
    assert "journal-0.jsonl: an event that cannot be read" in str(found.damaged[0])
    assert found.runs == {}
