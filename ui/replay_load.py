"""A run as Replay holds it: a few numbers for each event, packed for the browser. What is in a step is read when it is
shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from experiments import skeleton
from experiments.skeleton import Calls
from traces.kernel import Record
from traces.prompts import sources
from traces.rows import RunRow
from traces.store import Store
from ui.replay_component import packed


@dataclass(frozen=True)
class Loaded:
    """One run. `name` differs when the run has grown; `packed` is what the browser takes."""

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


def load(store: Store, row: RunRow) -> Loaded:
    """Look over a run once."""
    found = skeleton.read(store, row.experiment, row.run)
    name = f"{row.experiment}-{row.run}-{found.count}"
    taken = packed(name, row.experiment, row.run, row.clock == "virtual", found)
    return Loaded(name, row.experiment, row.run, found.count, taken, found.calls, found.has("market"))
