"""Planning: how many trials are needed, and what they cost."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import options
from commands.options import ApiBase, Cases, Engines, Exhaustive, Json, Model, Scenario, Seed

cli = typer.Typer()


@cli.command()
def plan(
    scenario: Scenario,
    teams: Annotated[str, typer.Option(help="Teams to compare, solo among them.")] = "solo,supervisor,market",
    difference: Annotated[float, typer.Option(help="The smallest difference that matters: 0.05 is 5 points.")] = 0.05,
    power: Annotated[float, typer.Option(help="How surely it is to be seen.")] = 0.8,
    engines: Engines = "native",
    model: Model = "sim:medium",
    api_base: ApiBase = None,
    cases: Cases = None,
    trials: Annotated[int, typer.Option(help="Trials of each case that you have in mind.")] = 5,
    pilot: Annotated[
        int, typer.Option(help="Simulated runs that are made to plan by where no run of this job and model is known.")
    ] = 400,
    seed: Seed = 1,
    exhaustive: Exhaustive = False,
    json: Json = False,
) -> None:
    """Say how many trials it takes, and what they will cost. For a difference of the size that matters."""
    from experiments.design import planning
    from experiments.plan import Plan
    from experiments.terminal import planning_report
    from traces.store import Store

    wanted = Plan(
        scenario=scenario,
        teams=options.words(teams),
        engines=options.words(engines),
        model=model,
        api_base=api_base,
        cases=options.cases(cases),
        trials=trials,
        seed=seed,
        exhaustive=exhaustive,
    )
    planning_report.show(planning.design(wanted, planning.Question(difference, power), Store(), pilot), json=json)
