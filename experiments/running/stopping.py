"""Stopping early: after each whole case, in an order drawn beforehand, the comparison is looked at with intervals that
hold however often one looks (judging/betting.py); no run of the next case begins before.

The coordinator says how many cases may be begun, and its executor tells the workers (executors.py); worker processes
read it in a file of the experiment's folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from experiments import order
from experiments import plan as plans
from experiments.judging.verdict import UNJUDGED, judge
from experiments.outcome import Outcome
from experiments.plan import Plan, Trial
from tasks.scenario import Scenario
from traces.home import ExperimentFolder, write_atomically

_FILE = "cases-begun"


class EarlyStop:
    """The coordinator's side. `begun`: how many cases, in their order, may be begun as of the last look."""

    def __init__(self, plan: Plan, scenario: Scenario) -> None:
        assert plan.stop_early is not None
        self._margin = plan.stop_early
        self._order = order.cases(plan.seed, plans.case_ids(plan, scenario))
        self._each = plan.trials * len(plan.teams) * len(plan.engines)
        self._looked = 0
        self.begun = 1

    def look(self, outcomes: Sequence[Outcome]) -> str:
        """Why the experiment is over, in words; empty while it goes on. Cheap where no case was finished since."""
        whole = self._whole(outcomes)
        while self._looked < whole:
            self._looked += 1
            seen = set(self._order[: self._looked])
            if settled([o for o in outcomes if o.case in seen], self._order, self._margin):
                return f"decided after {self._looked} of {len(self._order)} cases"
        self.begun = whole + 1
        return ""

    def _whole(self, outcomes: Sequence[Outcome]) -> int:
        """How many of the first cases have all their runs."""
        done = Counter(outcome.case for outcome in outcomes)
        return next((n for n, case in enumerate(self._order) if done[case] < self._each), len(self._order))


def settled(outcomes: Sequence[Outcome], cases: Sequence[str], margin: float) -> bool:
    """Whether every team is better than one agent beyond doubt, or cannot be better by more than the margin: whatever
    runs that broke off would have answered, and never where too many did."""
    found = judge(outcomes, margin=margin, order=cases, stopped=True)
    compared = found.differences if found.kind not in UNJUDGED else ()
    found_like = [c.like_these for c in compared]
    return bool(compared) and all(d is not None and (d.better or d.at_most < margin) for d in found_like)


def write_begun(folder: ExperimentFolder, cases: int) -> None:
    write_atomically(folder.path / _FILE, str(cases).encode())


def read_begun(folder: ExperimentFolder) -> int:
    """How many cases may be begun; 0 where nobody has said yet."""
    file = folder.path / _FILE
    return int(file.read_bytes()) if file.is_file() else 0


class Turn:
    """The workers' side: whether a run may begin. `begun` asks how many cases may be; it is not asked without need."""

    def __init__(self, plan: Plan, scenario: Scenario, begun: Callable[[], int]) -> None:
        self._ask = begun
        self._place = {case: n for n, case in enumerate(order.cases(plan.seed, plans.case_ids(plan, scenario)))}
        self._begun = 0

    def has(self, trial: Trial) -> bool:
        place = self._place[trial.case]
        if place >= self._begun:
            self._begun = self._ask()
        return place < self._begun
