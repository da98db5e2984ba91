"""What came out of forks, against the run that they come from."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from experiments.judging import missing
from experiments.judging.missing import answered
from experiments.outcome import Outcome
from experiments.terminal.report import as_json
from traces.store import Store


class Forked(Struct, frozen=True):
    """`low` to `high` is the 95 % Wilson interval of the forks' success; `parent_success` is None for a parent that was
    not graded."""

    experiment: str
    parent: str
    parent_run: int
    parent_success: bool | None
    forks: int
    succeeded: int
    low: float
    high: float
    simulated: bool
    lost: int = 0


def compare(experiment: str, parent: str, run: int, outcomes: Sequence[Outcome]) -> Forked:
    """The forks against their parent. They are draws of one case from one step on, so independent of each other."""
    from scipy.stats import binomtest

    known = answered(outcomes)
    won = sum(outcome.success for outcome in known)
    low, high = binomtest(won, len(known)).proportion_ci(method="wilson") if known else (0.0, 1.0)
    row = Store().run(parent, run)
    lost, simulated = len(outcomes) - len(known), row.simulated
    return Forked(experiment, parent, run, row.success, len(known), won, float(low), float(high), simulated, lost)


def show(experiment: str, parent: str, run: int, outcomes: Sequence[Outcome], *, json: bool) -> None:
    found = compare(experiment, parent, run, outcomes)
    if json:
        print(as_json(found))
        return
    if found.lost:
        print(f"{missing.in_total(missing.losses(outcomes))}: {missing.first_error(outcomes)}")
    if not found.forks:
        return
    was = {True: "succeeded", False: "failed", None: "was not graded"}[found.parent_success]
    kind = " (simulated)" if found.simulated else ""
    share = f"{found.succeeded / found.forks:.0%}, 95 % interval {found.low:.0%} to {found.high:.0%}"
    print(f"{found.succeeded} of {found.forks} forks succeeded ({share}); run {run} of {parent} {was}{kind}")
    print(f"Step by step: headcount replay {experiment} 0")
