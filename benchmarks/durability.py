"""What survives: processes killed with SIGKILL while they write, rotate and index; damaged journals and indexes.

    python -m benchmarks.durability [--kills 500] [--tails 200] [--seed 1]

A child appends events to a journal with small segments, tells each one that was acknowledged through a pipe, and
builds the index now and then; it is killed at a random moment, and another goes on with the same files. After each kill
every acknowledged event must be in the journals and in the index. Then journals are cut, zeroed and garbled at random,
or lose a segment, and the index beside them too: all must open, and hold every event before the first damage.
"""

from __future__ import annotations

import argparse
import collections
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from traces import journal
from traces.home import ExperimentFolder, Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Budget, Noted, Record, Run, RunStarted
from traces.store import Store
from traces.stretches import survey

ID = "20260101-000000-0000"
KILLS_PER_HOME = 10
PHASES = {b"w": "writing", b"r": "rotating", b"i": "indexing"}


def _event(run: int, seq: int) -> Record:
    if seq == 0:
        trial = Run("durability", "case", "solo", "native", "none", run, run, Budget(), "virtual", True)
        return Record(run, 0, 0.0, time.time(), RunStarted(trial, "please"))
    return Record(run, seq, float(seq), time.time(), Noted("ann", "note", f"{run}/{seq} " + "x" * (seq * 37 % 400)))


def _folder(home: Path) -> ExperimentFolder:
    folder = experiment_folder(ID, home).create()
    folder.write_plan({"scenario": "durability"})
    folder.write_status(Status(0, 0.0, "finished", 0, 0, 0.0))
    return folder


class _Marked(Journal):
    """Says in a shared byte what it is doing, so that the kills can be counted by what they hit."""

    phase: mmap.mmap

    def _rotate(self) -> None:
        self.phase[0:1] = b"r"
        super()._rotate()
        self.phase[0:1] = b"w"


def _work(folder: ExperimentFolder, run: int, pipe: int, phase: mmap.mmap, seed: int) -> None:
    """The child: until it is killed."""
    rng = random.Random(seed)
    _Marked.phase = phase
    log = _Marked(folder.journal_file(), fsync_every=0.005, segment=rng.choice([2_000, 20_000, 200_000]))
    store = Store(folder.path.parent.parent)
    seq = 0
    while True:
        phase[0:1] = b"w"
        for _ in range(rng.randrange(1, 2_000)):
            log.append(_event(run, seq))
            seq += 1
            os.write(pipe, b"+")
        phase[0:1] = b"i"
        store.index(ID)


def _kill(folder: ExperimentFolder, run: int, rng: random.Random) -> tuple[int, str]:
    """Start a child, kill it; how many of its events were acknowledged, and what it was doing."""
    reading, writing = os.pipe()
    phase = mmap.mmap(-1, 1)
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            _work(folder, run, writing, phase, rng.randrange(2**32))
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)  # it has begun
    time.sleep(rng.expovariate(1 / 0.04))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    acknowledged = 1
    while piece := os.read(reading, 1 << 16):
        acknowledged += len(piece)
    os.close(reading)
    return acknowledged, PHASES.get(phase[0:1], "starting")


def kills(
    count: int, seed: int, say: Callable[[str], object] = lambda text: None
) -> tuple[int, collections.Counter[str]]:
    """How many acknowledged events were lost, from journals or index, in so many kills; and what the kills hit."""
    rng = random.Random(seed)
    lost = 0
    hit: collections.Counter[str] = collections.Counter()
    for start in range(0, count, KILLS_PER_HOME):
        with tempfile.TemporaryDirectory() as scratch:
            folder = _folder(Path(scratch))
            acknowledged: dict[int, int] = {}
            for run in range(min(KILLS_PER_HOME, count - start)):
                acknowledged[run], phase = _kill(folder, run, rng)
                hit[phase] += 1
                lost += _lost(folder, acknowledged)
        say(f"{min(start + KILLS_PER_HOME, count)} of {count} kills, {lost} events lost")
    return lost, hit


def _lost(folder: ExperimentFolder, acknowledged: dict[int, int]) -> int:
    store = Store(folder.path.parent.parent)
    runs = survey(folder.journals()).runs
    lost = 0
    for run, count in acknowledged.items():
        written = {seq for stretch in runs.get(run, []) for seq in range(stretch.first, stretch.after)}
        indexed = [record.seq for record in store.events(ID, run)]
        lost += len(set(range(count)) - written) + len(set(range(count)) - set(indexed))
        assert indexed == list(range(len(indexed)))
    return lost


def tails(count: int, seed: int) -> tuple[int, int]:
    """Refusals to open, and events lost that stood before the first damage, in so many damaged homes."""
    rng = random.Random(seed)
    refused = lost = 0
    for _ in range(count):
        with tempfile.TemporaryDirectory() as scratch:
            folder = _folder(Path(scratch))
            some = _write(folder, rng)
            store = Store(Path(scratch))
            if rng.random() < 0.7:
                store.refresh()
                _harm(store.path, rng)
            safe = _damage(folder, some, rng)
            try:
                found = [r for run in {r.run for r in some} for r in store.events(ID, run)]
                with Journal(folder.journal_file()) as log:
                    log.append(_event(99, 0))
                store.refresh()
                assert store.events(ID, 99)
            except Exception as error:
                print(f"refused: {error!r}", file=sys.stderr)
                refused += 1
                continue
            lost += len({(r.run, r.seq) for r in safe} - {(r.run, r.seq) for r in found})
    return refused, lost


def _write(folder: ExperimentFolder, rng: random.Random) -> list[Record]:
    """Some runs, one after the other, in segments."""
    some = [_event(run, seq) for run in range(4) for seq in range(rng.randrange(3, 30))]
    with Journal(folder.journal_file(), segment=rng.choice([1_000, 5_000, 1 << 20])) as log:
        for record in some:
            log.append(record)
    return some


def _damage(folder: ExperimentFolder, some: list[Record], rng: random.Random) -> list[Record]:
    """Harm the journal; the events that stand before the first damage."""
    paths = folder.journals()
    hurt = paths[-1] if rng.random() < 0.6 else rng.choice(paths)
    before = sum(1 for path in paths[: paths.index(hurt)] for _ in journal.lines(path))
    if len(paths) > 1 and rng.random() < 0.25:
        hurt.unlink()
        return some[:before]
    return some[: before + _harm(hurt, rng)]


def _harm(path: Path, rng: random.Random) -> int:
    """Cut, zero or garble a file from a random byte on (or only there); how many whole lines stand before it."""
    content = path.read_bytes()
    at = rng.randrange(len(content)) if content else 0
    rest = len(content) - at
    tail = rng.choice([b"", bytes(rest), rng.randbytes(rest), bytes(rng.randrange(5_000)), b"\xff" + content[at + 1 :]])
    path.write_bytes(content[:at] + tail)
    return content[:at].count(b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="What survives kill -9 and damaged files.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--tails", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    start = time.perf_counter()
    lost, hit = kills(given.kills, given.seed, lambda text: print(text, file=sys.stderr))
    where = ", ".join(f"{count} {phase}" for phase, count in hit.most_common())
    print(f"{given.kills} kills -9 ({where}): {lost} acknowledged events lost")
    refused, gone = tails(given.tails, given.seed)
    print(f"{given.tails} damaged homes: {refused} refusals to open, {gone} events lost that stood before the damage")
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    sys.exit(1 if lost or refused or gone else 0)


if __name__ == "__main__":
    main()
