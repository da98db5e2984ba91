"""The order in which an experiment's runs are done: random, drawn from its seed, the same for every number of workers.

Teams come in blocks: one trial of one case by every team, in random order, so that what changes with time (a server
that slows down, a cache that fills) falls on all teams alike, and an experiment that is cut short has done the same for
each (randomised complete blocks: Box, Hunter & Hunter 2005, chapter 4). An experiment that may stop early goes case by
case, each with all its trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from experiments.outcome import Outcome
from experiments.plan import Plan, Trial


def cases(seed: int, ids: Iterable[str]) -> list[str]:
    """The cases in the order of an experiment with this seed that may stop early."""
    return sorted(ids, key=lambda case: _draw(seed, case))


def in_order(plan: Plan, trials: Sequence[Trial]) -> list[Trial]:
    """What is done first, second, ... of the plan's runs; their numbers stay."""
    seed = plan.seed

    def block(trial: Trial) -> tuple[bytes | int, ...]:
        if plan.stop_early is not None:
            return (_draw(seed, trial.case), trial.trial)
        return (trial.trial, _draw(seed, trial.case, trial.trial))

    def place(trial: Trial) -> tuple[tuple[bytes | int, ...], bytes]:
        return block(trial), _draw(seed, trial.case, trial.trial, trial.team, trial.engine)

    return sorted(trials, key=place)


def looked_at(plan: Plan, outcomes: Iterable[Outcome]) -> list[str] | None:
    """The cases after which an experiment that may stop early was looked at, in their order; None where it may not."""
    return None if plan.stop_early is None else cases(plan.seed, {outcome.case for outcome in outcomes})


def _draw(*names: str | int) -> bytes:
    return hashlib.blake2b("\0".join(map(str, names)).encode(), digest_size=8).digest()
