"""Doing again what was recorded: resume an experiment, verify runs, fork a run."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.experiments import show, watched
from commands.options import Json

cli = typer.Typer()

Experiment = Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")]


@cli.command()
def resume(experiment: Experiment = "latest", json: Json = False) -> None:
    """Go on with an experiment that was stopped or killed; nothing that was recorded is done again."""
    from experiments import plan as plans
    from experiments.resume import resume
    from traces import home

    folder = home.find_experiment(experiment)
    plan = plans.read(folder)
    show(folder, watched(folder, plan, resume, quiet=json), plan, json=json)
