"""What a team's long-term memory is made of: the runs of a worker's share that are over, in the order of their ends."""

from __future__ import annotations

from pathlib import Path

from agents import table
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running import retry
from tasks import scenario as scenarios
from traces.committed import Committed, committed
from traces.home import ExperimentFolder


def lines(plan: Plan, folder: Path, share: int) -> list[bytes]:
    """The journals' lines that the memories of a share are made from."""
    teams = [team for team in plan.teams if table.team(team).settings.agent.remember]
    return [line for team in teams for run in over(plan, folder, team, share) for line in run.lines]


def over(plan: Plan, folder: Path | None, team: str, share: int) -> list[Committed]:
    """Those runs of the team, as the journals of the experiment tell."""
    if folder is None:
        return []
    trials = plans.dealt(plans.trials(plan, scenarios.load(plan.scenario)), share, max(1, plan.workers))
    mine = {trial.run for trial in trials if trial.team == team}
    attempts = retry.read(ExperimentFolder(folder))
    found = [
        run
        for run in committed(ExperimentFolder(folder).journals())
        if run.number in mine and run.outcome and not retry.is_due(run, attempts)
    ]
    return sorted(found, key=lambda run: run.records[-1].wall)
