"""What tracing costs: recording an event and a whole simulated run, indexing journals, opening a long run.

Peers: recording, msgspec's encoder and one os.write a line (no order, checksum, digest or sync); a simulated run, the
same run with nothing recorded, in pairs; indexing, DuckDB's read_json of the same files into a table, as they stand;
opening a run, the same query on that table. The run is opened twice: out of one experiment, and out of ten.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks.report import Figure, main
from experiments import plan as plans
from experiments.plan import Plan, Trial
from experiments.running.trial import Bench, run_trial
from experiments.running.worker import journal_for
from traces import clock
from traces.home import ExperimentFolder, Status, experiment_folder
from traces.journal import Journal
from traces.kernel import (
    Budget,
    Chat,
    ChatMessage,
    Chunk,
    Evaluated,
    Event,
    Message,
    MessageSent,
    Record,
    Run,
    RunFinished,
    RunStarted,
    ToolExecuted,
    Usage,
)
from traces.recorder import Recorder
from traces.store import Store

EVENTS = 1_000_000
EXPERIMENTS = 10
RECORDED = 200_000
PAIRS = 31
TRIALS = 40
SHORT = 50  # events of an ordinary run
LONG = 2_000  # events of the run that is opened
_WORDS = (
    "invoice",
    "contract",
    "refund",
    "credit",
    "note",
    "policy",
    "clause",
    "term",
    "account",
    "customer",
    "paid",
    "due",
    "amount",
    "annual",
)
_READ = (
    "read_json(?, format = 'newline_delimited', columns = {run: 'INTEGER', seq: 'INTEGER', t: 'DOUBLE', "
    "wall: 'DOUBLE', event: 'JSON'})"
)


def run_events(count: int, seed: int) -> list[Event]:
    """A run of `count` events, about 450 bytes each in a journal."""
    rng = random.Random(seed)

    def text(words: int) -> str:
        return " ".join(rng.choices(_WORDS, k=words))

    turn: list[Callable[[int], Event]] = [
        lambda n: Chat("ann", "act", "sim", n, (ChatMessage("user", text(25)),), text(20), Usage(300, 40, 0, 1, 900)),
        lambda n: ToolExecuted("ann", "search", f"c{n}", "read", {"query": text(4)}, True, text(20),
                               chunks=(Chunk(f"doc#{n}", "doc", "Terms", n, 0.5, text(25)),)),
        lambda n: MessageSent(Message(n, "ann", "say", text(25), to="bob")),
    ]  # fmt: skip
    run = Run("bench", f"case{seed % 20}", "solo", "native", "sim", seed, seed, Budget(), "virtual", True)
    middle = [turn[n % 3](n) for n in range(count - 3)]
    end = RunFinished("completed", "done", "answer", Usage(300, 40, 0, 1, 900), 9.0, count // 3)
    return [RunStarted(run, "please"), *middle, Evaluated(True, 1.0, ()), end]


def recording(folder: Path) -> Figure:
    events = run_events(2_000, 1)

    def bare() -> None:
        encode, fd = msgspec.json.Encoder().encode, os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_CREAT)
        for n in range(RECORDED):
            os.write(fd, encode(Record(0, n, 0.0, 0.0, events[n % 2_000])) + b"\n")
        os.close(fd)

    async def ours() -> None:
        with Journal(folder / "ours.jsonl") as log:
            recorder = Recorder(0, log)
            for n in range(RECORDED):
                recorder.record(events[n % 2_000])

    value = RECORDED / _seconds(lambda: clock.run(ours(), virtual=True))
    return Figure("record: events a second", value, "events/s", RECORDED / _seconds(bare))


class Unrecorded(Recorder):
    """Counts, and writes nothing down."""

    def record(self, event: Event) -> int:
        self._seq += 1
        self.messages += type(event) is MessageSent
        return self._seq - 1


def overhead(folder: Path) -> Iterator[Figure]:
    """The same trials of billing_support, recorded to a journal and not, in turn: milliseconds of processor time."""
    plan = Plan("billing_support", trials=1 + TRIALS // 72)
    trials = plans.trials(plan, plans.check(plan))[:TRIALS]
    bench = Bench(plan, folder)

    async def one(trial: Trial, recorder: Recorder) -> None:
        await run_trial(trial, bench, recorder)

    def spent(trial: Trial, recorder: Recorder) -> float:
        start = time.process_time()
        clock.run(one(trial, recorder), virtual=True)
        return (time.process_time() - start) / TRIALS * 1000

    def both(journal: Journal, turn: int) -> tuple[float, float]:
        """All trials, each recorded and not, one after the other, in turn the first."""
        sums = {True: 0.0, False: 0.0}
        for number, trial in enumerate(trials, turn):
            for recorded in (True, False) if number % 2 else (False, True):
                sums[recorded] += spent(trial, Recorder(trial.run, journal) if recorded else Unrecorded(trial.run))
        return sums[True], sums[False]

    with journal_for(plan, folder / "runs.jsonl") as journal:
        both(journal, 0)
        pairs = [both(journal, turn) for turn in range(PAIRS)]
    recorded, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    yield Figure("a simulated run with three teams, recorded", recorded, "ms", bare)
    yield Figure("the recorder's share: median of pairs", 100 * statistics.median(a / b - 1 for a, b in pairs), "%")


def experiment(home: Path) -> ExperimentFolder:
    """One finished experiment of EVENTS events; its last run is the long one."""
    folder = experiment_folder("20260101-000000-0000", home).create()
    folder.write_plan({"scenario": "bench"})
    runs = (EVENTS - LONG) // SHORT
    short = [run_events(SHORT, seed) for seed in range(200)]
    for worker in (0, 1):
        with Journal(folder.journal_file(worker), fsync_every=60) as log:
            for run in range(worker, runs, 2):
                _append(log, run, short[run % 200])
            if worker:
                _append(log, runs, run_events(LONG, runs))
    folder.write_status(Status(0, 0.0, "finished", runs + 1, runs + 1, time.time()))
    return folder


def indexing(home: Path, folder: ExperimentFolder) -> Iterator[Figure]:
    import duckdb

    files = [str(path) for path in folder.journals()]
    store = Store(home)
    value = _seconds(store.rebuild)
    with duckdb.connect(home / "bare.duckdb") as con:
        baseline = _seconds(lambda: con.execute(f"CREATE TABLE bare AS SELECT * FROM {_READ}", [files]))
    yield Figure(f"rebuild the index: {EVENTS:,} events", value, "s", baseline)
    yield opening(home, store, folder.id, (EVENTS - LONG) // SHORT, EVENTS)


def many(home: Path, folder: ExperimentFolder) -> Iterator[Figure]:
    """The same journals as those of EXPERIMENTS experiments."""
    import duckdb

    for number in range(1, EXPERIMENTS):
        other = experiment_folder(f"20260101-000000-{number:04}", home).create()
        for path in (*folder.journals(), folder.plan_file, folder.status_file):
            os.link(path, other.path / path.name)
    store = Store(home)
    yield Figure(f"index {EXPERIMENTS - 1} more of them: events a second", _indexed(store), "events/s")
    with duckdb.connect(home / "bare.duckdb") as con:
        copies = f"bare, range(1, {EXPERIMENTS}) AS copies(n)"
        con.execute(f"INSERT INTO bare SELECT run + {EVENTS} * n, seq, t, wall, event FROM {copies}")
    yield opening(home, store, folder.id, (EVENTS - LONG) // SHORT, EVENTS * EXPERIMENTS)


def _indexed(store: Store) -> float:
    start = time.perf_counter()
    events = sum(done.events for done in store.refresh())
    return events / (time.perf_counter() - start)


def opening(home: Path, store: Store, experiment: str, run: int, out_of: int) -> Figure:
    import duckdb

    def ours() -> None:
        assert len(store.events(experiment, run)) == LONG

    def bare() -> None:
        with duckdb.connect(home / "bare.duckdb", read_only=True) as con:
            rows = con.execute("SELECT * FROM bare WHERE run = ? ORDER BY seq", [run]).fetchall()
        assert len(rows) == LONG

    for work in (ours, bare):
        work()
    p95 = [statistics.quantiles([_seconds(work) * 1000 for _ in range(40)], n=20)[-1] for work in (ours, bare)]
    return Figure(f"open {LONG:,} of {out_of:,} events: p95", p95[0], "ms", p95[1])


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        yield recording(home)
        yield from overhead(home)
        folder = experiment(home)
        yield from indexing(home, folder)
        yield from many(home, folder)


def _append(log: Journal, run: int, events: list[Event]) -> None:
    for seq, event in enumerate(events):
        log.append(Record(run, seq, seq * 0.1, time.time(), event))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(measure, "What tracing costs.")
