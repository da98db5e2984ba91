"""The store shows what the journals hold, whatever happened to the index, and while a run still writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from traces import index, journal
from traces.errors import InputError, TraceError
from traces.home import (
    ExperimentFolder,
    Status,
    experiment_folder,
    find_experiment,
    home,
    list_experiments,
    new_id,
    state,
)
from traces.journal import Journal
from traces.kernel import (
    BidMade,
    Budget,
    Chat,
    ChatMessage,
    Chunk,
    Evaluated,
    Event,
    Fault,
    Message,
    MessageSent,
    Record,
    Run,
    RunFinished,
    RunStarted,
    TaskReviewed,
    ToolCall,
    ToolExecuted,
    Usage,
)
from traces.store import Store

ID = "20260101-120000-abcd"


def started(run: int) -> RunStarted:
    features = ("stale", 'a "quoted" one') if run % 2 else ()
    trial = Run("billing", f"case{run}", "solo" if run % 2 else "market", "native", "sim:medium", run, 2**62 + run,
                Budget(tokens=9), "virtual", True, difficulty="hard", features=features)  # fmt: skip
    return RunStarted(trial, "please")


def finished(run: int, cost: int | None = 5) -> RunFinished:
    return RunFinished("completed", "answered", "the answer: ✓", Usage(10, 5, 0, 2, cost, 1.5), 9.5, 1)


def body(run: int) -> list[Event]:
    ask = (ChatMessage("user", 'ünï\n"x" \\ \u2028'),)
    return [
        started(run),
        MessageSent(Message(1, "ann", "say", "hello", to="bob")),
        Chat("ann", "act", "m", 0, ask, "text", Usage(7, 3, cost_nano_usd=11, calls=1, latency_s=0.5),
             tool_calls=(ToolCall("c", "search", "{}"),), fault=Fault("derails")),
        Chat("bob", "act", "m", 0, ask, "text", Usage(1, 1, cost_nano_usd=None if run == 3 else 1, calls=1)),
        ToolExecuted("ann", "search", "c", "read", {"q": "x", "n": 1e-7, "big": 10**30, "none": None}, True, "found",
                     0.1, (Chunk("d#1", "d", "t", 1, 0.5, "one", 1, 2), Chunk("e#2", "e", "t", 2, 0.25, "two"))),
        BidMade("p1", "ann", 12.5, 0.5),
        TaskReviewed("p1", "bob", True, "fine"),
    ]  # fmt: skip


def whole(run: int) -> list[Event]:
    return [*body(run), Evaluated(run % 2 == 0, 0.75, ()), finished(run, None if run == 1 else 5)]


def write(path: Path, runs: dict[int, list[Event]], wall: float = 1000.0) -> list[Record]:
    """Writes the runs interleaved, as concurrent ones are."""
    some = [
        Record(run, seq, seq * 0.5, wall + seq, events[seq])
        for seq in range(max(map(len, runs.values())))
        for run, events in runs.items()
        if seq < len(events)
    ]
    with Journal(path) as log:
        for record in some:
            log.append(record)
    return some


def status(folder: ExperimentFolder, what: str, pid: int = 0, create_time: float = 0.0) -> None:
    value = {"pid": pid, "create_time": create_time, "state": what, "done": 1, "total": 4, "updated": time.time()}
    folder.write_status(msgspec.convert(value, Status))


def running(folder: ExperimentFolder) -> None:
    me = psutil.Process()
    status(folder, "running", me.pid, me.create_time())


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    folder = experiment_folder(ID, tmp_path).create()
    folder.write_plan({"scenario": "billing", "command": "compare", "created": 17.5, "teams": ["solo"]})
    status(folder, "finished")
    return folder


@pytest.fixture
def records(folder: ExperimentFolder) -> list[Record]:
    """Two journals; run 2 and 3 have no last event."""
    first = write(folder.journal_file(0), {0: whole(0), 2: body(2)})
    return first + write(folder.journal_file(1), {1: whole(1), 3: body(3)})


def of(records: list[Record], run: int) -> list[Record]:
    return [record for record in records if record.run == run]


def test_the_index_holds_what_the_journals_hold(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    assert [store.events(ID, run) for run in range(4)] == [of(records, run) for run in range(4)]
    assert store.events(ID, 1, offset=2, limit=3) == of(records, 1)[2:5]
    assert store.sql("SELECT count(*) AS n FROM events") == [{"n": len(records)}]
    clustered = store.sql("SELECT run, seq FROM events")
    assert clustered == sorted(clustered, key=lambda row: (row["run"], row["seq"]))


def test_a_run_is_one_row_with_its_outcome(folder: ExperimentFolder, records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second, third, fourth = store.runs(ID)
    assert (first.status, first.success, first.score, first.tokens, first.calls) == ("completed", True, 0.75, 15, 2)
    assert (first.team, first.case_id, first.trial, first.seed) == ("market", "case0", 0, 2**62)
    assert (first.answer, first.messages, first.latency_s, first.events) == ("the answer: ✓", 1, 9.5, 9)
    assert (first.cost_nano_usd, second.cost_nano_usd) == (5, None)
    assert second.features == ("stale", 'a "quoted" one')
    assert (third.status, third.success, third.tokens, third.calls) == ("interrupted", None, 12, 2)
    assert (third.cost_nano_usd, fourth.cost_nano_usd) == (12, None)
    assert (third.latency_s, third.messages, third.events) == (3.0, 1, 7)
    assert store.run(ID, 2) == third
    assert [row.run for row in store.runs(ID, team="solo", success=False)] == [1]
    assert [row.run for row in store.runs(ID, limit=2, offset=1)] == [1, 2]
    assert store.count_runs(ID, case="case2") == 1
    assert [(row.run, row.answer) for row in store.team_rows(ID)] == [(0, ""), (1, ""), (2, ""), (3, "")]
    with pytest.raises(InputError, match="no run 9"):
        store.run(ID, 9)


def test_a_running_experiment_answers_like_a_finished_one(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path
) -> None:
    over = Store(tmp_path)
    rows, events = over.runs(ID), [over.events(ID, run, 1, 4) for run in range(4)]
    counted = over.count_runs(ID, team="solo")
    running(folder)
    live = Store(tmp_path)
    seen = live.runs(ID)
    assert [row.status for row in seen] == ["completed", "completed", "running", "running"]
    assert [msgspec.structs.replace(row, status=old.status) for row, old in zip(seen, rows, strict=True)] == rows
    assert [live.events(ID, run, 1, 4) for run in range(4)] == events
    assert live.count_runs(ID, team="solo") == counted
    assert [row.run for row in live.live_rows(ID)] == [row.run for row in live.team_rows(ID)] == [0, 1]
    assert live.run(ID, 3).status == "running"
    assert live.events(ID, 9) == []


def test_a_run_is_read_while_it_writes(folder: ExperimentFolder, tmp_path: Path) -> None:
    running(folder)
    store = Store(tmp_path)
    assert store.runs(ID) == []
    events = whole(0)
    with Journal(folder.journal_file()) as log:
        for seq, event in enumerate(events):
            log.append(Record(0, seq, 0.0, 0.0, event))
            assert [record.event for record in store.events(ID, 0)] == events[: seq + 1]
            assert store.run(ID, 0).events == seq + 1
    assert [row.status for row in store.live_rows(ID)] == ["completed"]


def test_a_run_begun_anew_counts_from_its_last_start(folder: ExperimentFolder, tmp_path: Path) -> None:
    write(folder.journal_file(0), {0: body(0), 1: whole(1)}, wall=1000.0)
    again = write(folder.journal_file(0), {0: whole(0)}, wall=2000.0)
    newest = write(folder.journal_file(1), {1: body(1)}, wall=3000.0)
    for what in (lambda: running(folder), lambda: status(folder, "finished")):
        what()
        store = Store(tmp_path)
        assert store.events(ID, 0) == again
        assert store.events(ID, 1) == newest
        assert [row.events for row in store.runs(ID)] == [9, 7]


def test_a_damaged_journal_is_indexed_up_to_the_damage(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path
) -> None:
    path = folder.journal_file(1)
    path.write_bytes(path.read_bytes()[:-30] + b"\0" * 100)
    store = Store(tmp_path)
    (damage,) = store.index(ID).damaged
    assert [damage] == journal.damaged(path)
    assert any("journal-1.jsonl" in words for words in store.experiment(ID).damage)
    assert store.run(ID, 1).status == "interrupted"
    assert store.run(ID, 0).status == "completed"
    assert store.events(ID, 1) == of(records, 1)[:-1]


def test_a_run_that_goes_on_in_a_later_journal_is_one_run(folder: ExperimentFolder, tmp_path: Path) -> None:
    """Resumed at event 5: what the killed worker had written from there on is replaced."""
    events = whole(0)
    first = write(folder.journal_file("b"), {0: body(0), 1: whole(1)}, wall=1000.0)
    with Journal(folder.journal_file("a")) as log:
        later = [Record(0, seq, seq * 0.5, 2000.0 + seq, events[seq]) for seq in range(5, len(events))]
        for record in later:
            log.append(record)
    for what in (lambda: running(folder), lambda: status(folder, "finished")):
        what()
        store = Store(tmp_path)
        assert store.events(ID, 0) == of(first, 0)[:5] + later
        assert store.events(ID, 0, 3, 4) == (of(first, 0)[:5] + later)[3:7]
        assert store.events(ID, 1) == of(first, 1)
        rows = store.runs(ID)
        assert [(row.status, row.events, row.messages) for row in rows] == [("completed", 9, 1)] * 2


def test_runs_in_segments_are_read_as_one(folder: ExperimentFolder, tmp_path: Path) -> None:
    with Journal(folder.journal_file(), segment=700) as log:
        some = [Record(run, seq, seq * 0.5, 1.0, whole(run)[seq]) for seq in range(9) for run in range(4)]
        for record in some:
            log.append(record)
    assert len(folder.journals()) > 5
    for what in (lambda: running(folder), lambda: status(folder, "finished")):
        what()
        store = Store(tmp_path)
        assert [store.events(ID, run) for run in range(4)] == [of(some, run) for run in range(4)]
        assert [row.events for row in store.runs(ID)] == [9] * 4
    folder.journals()[3].unlink()  # runs end where it begins; what comes after the gap cannot be theirs
    cut = Store(tmp_path)
    assert [words for words in cut.index(ID).damaged if "missing" in str(words)]
    left = [cut.events(ID, run) for run in range(4)]
    assert left == [of(some, run)[: len(events)] for run, events in enumerate(left)]
    assert 0 < min(map(len, left)) < 9
    running(folder)
    assert [Store(tmp_path).events(ID, run) for run in range(4)] == left


@pytest.mark.parametrize("harm", ["deleted", "emptied", "garbled", "overwritten", "older"])
def test_the_index_is_made_anew_when_it_is_no_good(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path, harm: str
) -> None:
    store = Store(tmp_path)
    before = store.runs(ID)
    if harm == "deleted":
        store.path.unlink()
    elif harm == "emptied":
        store.path.write_bytes(b"")
    elif harm == "overwritten":
        store.path.write_bytes(b"not a database" * 1000)
    elif harm == "garbled":
        content = store.path.read_bytes()
        store.path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    else:
        with index.opened_alone(store.path, write=True) as con:
            con.execute("UPDATE meta SET version = 0")
    assert store.runs(ID) == before
    assert store.events(ID, 1) == of(records, 1)
    assert store.sql("SELECT count(*) AS n FROM runs") == [{"n": 4}]


def test_only_what_changed_is_indexed_again(folder: ExperimentFolder, records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert [(done.experiment, done.runs, done.events) for done in store.refresh()] == [(ID, 4, len(records))]
    assert store.refresh() == []
    write(folder.journal_file(2), {4: whole(4)})
    assert [done.runs for done in store.refresh()] == [5]
    assert store.index(ID) == store.index(ID)
    assert store.sql("SELECT count(*) AS n, count(DISTINCT run) AS runs FROM runs") == [{"n": 5, "runs": 5}]
    for path in folder.path.iterdir():
        path.unlink()
    assert store.refresh() == []
    assert store.sql("SELECT * FROM runs") == []


def test_the_views_answer_questions_in_sql(folder: ExperimentFolder, records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    sent = store.sql("SELECT sender, recipient, content, trusted FROM messages WHERE run = 0")
    assert sent == [{"sender": "ann", "recipient": "bob", "content": "hello", "trusted": True}]
    calls = store.sql("SELECT agent, tokens, cost_nano_usd, fault FROM calls WHERE run = 3 ORDER BY seq")
    assert [tuple(row.values()) for row in calls] == [("ann", 10, 11, "derails"), ("bob", 2, None, None)]
    assert store.sql("SELECT tool, ok, chunks FROM tools WHERE run = 0") == [
        {"tool": "search", "ok": True, "chunks": 2}
    ]
    found = store.sql("SELECT rank, chunk, score, vector_rank FROM retrievals WHERE run = 0 ORDER BY rank")
    assert [tuple(row.values()) for row in found] == [(1, "d#1", 0.5, 1), (2, "e#2", 0.25, None)]
    market = store.sql("SELECT event, agent, price, accepted FROM market WHERE run = 0 ORDER BY seq")
    assert [tuple(row.values()) for row in market] == [("bid", "ann", 12.5, None), ("acceptance", "bob", None, True)]


def test_sql_can_neither_change_nor_reach_out(folder: ExperimentFolder, records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    for query in ("DROP TABLE runs", "SELECT * FROM read_text('/etc/hostname')", "SELEC 1", "COPY runs TO 'x.csv'"):
        with pytest.raises(InputError, match="query cannot be run"):
            store.sql(query)
    assert len(store.sql("SELECT * FROM events", limit=3)) == 3


def test_kill_9_leaves_an_interrupted_run_that_can_be_read(tmp_path: Path) -> None:
    folder = experiment_folder(ID, tmp_path).create()
    folder.write_plan({"scenario": "billing"})
    writer = f"""
import os, sys, time, psutil
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_store import *
folder = experiment_folder({ID!r}, Path({str(tmp_path)!r}))
running(folder)
log = Journal(folder.journal_file())
for seq, event in enumerate(body(0)):
    log.append(Record(0, seq, float(seq), 0.0, event))
print("written", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", writer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        store = Store(tmp_path)
        assert (store.experiment(ID).state, store.run(ID, 0).status) == ("running", "running")
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet taken note of by its parent
        assert store.experiment(ID).state == "interrupted"
    assert (store.experiment(ID).state, store.run(ID, 0).status) == ("interrupted", "interrupted")
    assert [record.event for record in store.events(ID, 0)] == body(0)


def test_readers_wait_while_another_process_writes_the_index(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    before = store.runs(ID)
    holder = f"import duckdb\ncon = duckdb.connect({str(store.path)!r})\nprint(1, flush=True)\ninput()\ncon.close()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(store.runs(ID)))
        reader.start()
        reader.join(0.2)
        assert found == []
        other.stdin.write(b"\n")
        other.stdin.flush()
        reader.join()
    assert found == [before]


def test_an_index_that_is_never_let_go_of_is_reported(
    folder: ExperimentFolder, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "PATIENCE_S", 0.0)
    store = Store(tmp_path)
    store.refresh()
    holder = f"import duckdb\ncon = duckdb.connect({str(store.path)!r})\nprint(1, flush=True)\ninput()\ncon.close()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TraceError, match="another process keeps the index open"):
            store.runs(ID)
        other.communicate(b"\n")


def test_experiments_are_listed_newest_first_with_their_state(folder: ExperimentFolder, tmp_path: Path) -> None:
    other = experiment_folder("20270101-000000-beef", tmp_path).create()
    other.plan_file.write_text("{")
    rows = Store(tmp_path).experiments()
    assert [row.id for row in rows] == ["20270101-000000-beef", ID]
    assert "is not an experiment's plan" in rows[0].message
    assert (rows[1].scenario, rows[1].command, rows[1].created, rows[1].state) == (
        "billing",
        "compare",
        17.5,
        "finished",
    )
    assert (rows[1].done, rows[1].total) == (1, 4)


def test_an_experiment_is_found_by_its_id_or_a_part_of_it(folder: ExperimentFolder, tmp_path: Path) -> None:
    experiment_folder("20270101-120000-beef", tmp_path).create().write_plan({})
    assert find_experiment(ID, tmp_path) == folder
    assert find_experiment("abcd", tmp_path) == folder
    assert find_experiment("latest", tmp_path).id == "20270101-120000-beef"
    with pytest.raises(InputError, match="names 2 experiments"):
        find_experiment("120000", tmp_path)
    with pytest.raises(InputError, match="no experiment 'nope'"):
        find_experiment("nope", tmp_path)
    for bad in ("../x", "", "a/b"):
        with pytest.raises(InputError, match="is not an experiment's id"):
            experiment_folder(bad, tmp_path)
    with pytest.raises(InputError, match="no experiment 'gone'"):
        Store(tmp_path).runs("gone")


def test_the_state_of_an_experiment_is_that_of_its_worker(folder: ExperimentFolder) -> None:
    now = time.time()
    me = psutil.Process()
    assert state(folder, now) == "finished"
    status(folder, "running", me.pid, me.create_time())
    assert state(folder, now + 1000) == "running"
    status(folder, "running", me.pid, me.create_time() - 500)  # the pid now belongs to another process
    assert state(folder, now) == "interrupted"
    folder.status_file.unlink()
    assert state(folder, now) == "pending"
    assert state(folder, now + 1000) == "interrupted"
    assert not folder.stop_requested()
    folder.request_stop()
    assert folder.stop_requested()


def test_home_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path))
    assert home() == tmp_path
    assert list_experiments() == []
    monkeypatch.delenv("HEADCOUNT_HOME")
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / "runs"
    assert new_id() != new_id()
