"""A run as Replay holds it: a light row for each event, packed for the browser. What is in a step is read when it is
shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from traces.kernel import Record
from traces.prompts import sources
from traces.store import Store
from ui.replay_component import Calls, Packer

WINDOW = 10_000


@dataclass(frozen=True)
class Loaded:
    """One run. `name` differs when the run has grown; `packed` is what the stepper takes."""

    name: str
    experiment: str
    run: int
    count: int
    packed: bytes
    calls: Mapping[str, Calls]
    market: bool

    def step(self, store: Store, step: int) -> tuple[Record, list[Record]]:
        """The event of a step, and the events that its prompt is made of, itself among them, where it is a model
        call."""
        found = store.picked(self.experiment, self.run, self._needed(step))
        return next(record for record in found if record.seq == step), found

    def _needed(self, step: int) -> list[int]:
        for calls in self.calls.values():
            at = bisect_left(calls.seqs, step)
            if at < len(calls.seqs) and calls.seqs[at] == step:
                return [calls.seqs[place] for place in sources(calls.kept, at)]
        return [step]


def load(store: Store, experiment: str, run: int) -> Loaded:
    """Read a run once, a window of its events at a time."""
    packer = Packer()
    for window in _windows(store, experiment, run):
        packer.add(window)
    name = f"{experiment}-{run}-{packer.count}"
    return Loaded(name, experiment, run, packer.count, packer.packed(experiment, run), packer.calls, packer.market)


def _windows(store: Store, experiment: str, run: int) -> Iterator[list[Record]]:
    offset = 0
    while records := store.events(experiment, run, offset, WINDOW):
        yield records
        offset += len(records)
