"""A run as Replay holds it: a few numbers for each event, packed for the browser. What is in a step is read when it is
shown."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading import skeleton
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
    market: bool


def load(store: Store, row: RunRow) -> Loaded:
    """Look over a run once."""
    found = skeleton.read(store, row.experiment, row.run)
    name = f"{row.experiment}-{row.run}-{found.count}"
    taken = packed(name, row.experiment, row.run, row.clock == "virtual", found)
    return Loaded(name, row.experiment, row.run, found.count, taken, found.has("market"))
