"""Why runs failed."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import Json
from traces.errors import InputError

cli = typer.Typer()


@cli.command()
def autopsy(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    run: Annotated[int | None, typer.Argument(help="One run's number; without, all failed runs by team.")] = None,
    score: Annotated[
        bool, typer.Option("--score", help="The labels beside the true ones of simulated errors.")
    ] = False,
    json: Json = False,
) -> None:
    """Say why runs failed. The first decisive error of each, who passed it on, and who could have caught it."""
    from experiments.terminal import autopsy_report as report

    if score:
        if run is not None:
            raise InputError("--score is about a whole experiment: leave the run's number out")
        report.show_score(experiment, json=json)
    elif run is not None:
        report.show_run(experiment, run, json=json)
    else:
        report.show_experiment(experiment, json=json)
