"""Would one agent's runs have told what teams do? Calibrate on them, simulate the teams, compare with their runs."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from agents import table
from agents.models.simulated.profile import Profile
from experiments import plan
from experiments.judging.missing import answered
from experiments.judging.statistics import Interval, success_interval
from experiments.outcome import Outcome
from experiments.profiles import calibration
from experiments.profiles.calibration import Calibration
from tasks import scenario as scenarios
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.store import Store


class Measured(Struct, frozen=True):
    """Means over runs that gave an answer; `success` with its interval, `latency_s` the median."""

    success: Interval
    tokens: float
    latency_s: float
    cost_usd: float | None
    runs: int


class Prediction(Struct, frozen=True):
    """`error` is predicted minus actual success. `held_out`: no run of this team was calibrated on."""

    team: str
    engine: str
    predicted: Measured
    actual: Measured
    held_out: bool

    @property
    def error(self) -> float:
        return self.predicted.success.value - self.actual.success.value

    @property
    def agrees(self) -> bool:
        """Whether the actual rate's interval holds the predicted rate."""
        return self.actual.success.low <= self.predicted.success.value <= self.actual.success.high


def backtest(
    folder: ExperimentFolder, base: Profile, runs: int = calibration.SIMULATED_RUNS
) -> tuple[Calibration, list[Prediction]]:
    """Every team and engine of the experiment, the single agent's own last; each prediction from about `runs` simulated
    runs. Raises InputError where there is nothing to predict from, or nothing to predict."""
    given = plan.read(folder)
    scenario = scenarios.load(given.scenario)
    store = Store()
    found = calibration.evidence(store, folder.id, scenario)
    fitted = calibration.calibrate([found], base, "calibrated", runs)
    actual: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for row in store.team_rows(folder.id):
        if not (outcome := Outcome.of_row(row)).lost:
            actual[outcome.group].append(outcome)
    if len(actual) < 2:
        raise InputError(f"experiment {folder.id} has only {found.team}: there is no team to predict")
    teams = {table.team(name).name: name for name in given.teams}
    predictions = []
    for (team, engine), seen in sorted(actual.items(), key=lambda item: item[0][0] == found.team):
        cases = sorted({outcome.case for outcome in seen})
        made = [o for _, o in calibration.simulate(fitted.profile, scenario, cases, teams[team], engine, runs)]
        predictions.append(Prediction(team, engine, _measured(answered(made)), _measured(seen), team != found.team))
    return fitted, predictions


def _measured(runs: Sequence[Outcome]) -> Measured:
    costs = [run.cost_usd for run in runs]
    return Measured(
        success_interval(runs),
        statistics.fmean(run.tokens for run in runs),
        statistics.median(run.latency_s for run in runs),
        None if None in costs else statistics.fmean(cost for cost in costs if cost is not None),
        len(runs),
    )
