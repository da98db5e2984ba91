"""What is left to do of an experiment, as its journals tell: which runs are over, and which stopped on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.outcome import Outcome
from experiments.plan import Trial
from experiments.running import retry
from experiments.running.rerun import Start
from traces.committed import committed
from traces.home import ExperimentFolder


def over(folder: ExperimentFolder) -> Iterator[tuple[Outcome, str]]:
    """The outcome and the digest of each run that is over and need not be done again."""
    attempts = retry.read(folder)
    for run in committed(folder.journals()):
        ended = run.outcome
        if ended is not None and not retry.is_due(run, attempts):
            yield Outcome.of(run.number, run.run, *ended), str(run.hashed.hexdigest())


def left(trials: Sequence[Trial], folder: ExperimentFolder) -> tuple[list[Trial], dict[int, Start]]:
    """Those of the runs that are not over, and where those start that were begun."""
    wanted = {trial.run for trial in trials}
    done: set[int] = set()
    starts: dict[int, Start] = {}
    attempts = retry.read(folder)
    for run in committed(folder.journals()):
        if run.number not in wanted:
            continue
        if run.outcome is not None and not retry.is_due(run, attempts):
            done.add(run.number)
        else:
            starts[run.number] = retry.start(run, attempts)
    return [trial for trial in trials if trial.run not in done], starts
