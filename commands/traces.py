"""Looking at what was recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import Json

cli = typer.Typer()


@cli.command()
def replay(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    run: Annotated[int, typer.Argument(help="The run's number in the experiment.")] = 0,
    step: Annotated[int | None, typer.Option(help="Show one step in full.")] = None,
    json: Json = False,
) -> None:
    """Show a run step by step. Every message, model call, tool call, bid and award."""
    from experiments.terminal import report
    from traces import home

    report.show_steps(home.find_experiment(experiment).id, run, step, json=json)


@cli.command(name="list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="experiments, scenarios, teams, models, an experiment's id for its runs, or a scenario for its cases."
        ),
    ] = "experiments",
    json: Json = False,
) -> None:
    """List experiments, scenarios, teams, models, runs, or cases. The runs are those of an experiment that is named,
    the cases those of a scenario."""
    from experiments.terminal import listing

    listing.show(what, json=json)
