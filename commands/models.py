"""Models: what works here and on a server, and simulated ones that are like real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import ApiBase, Json

cli = typer.Typer()
Runs = Annotated[int, typer.Option(help="Simulated runs that it rests on; fewer are quicker, and say less.")]


@cli.command()
def calibrate(
    experiments: Annotated[
        list[str] | None, typer.Argument(help="Experiments with runs of a single agent (default: the latest).")
    ] = None,
    into: Annotated[Path, typer.Option(help="The profile's file to write.")] = Path("profile.yaml"),
    base: Annotated[str, typer.Option(help="The profile whose numbers stay where there are too few data.")] = "medium",
    runs: Runs = 800,
    json: Json = False,
) -> None:
    """Make a simulated model that is like the one in these runs."""
    from experiments.terminal import calibrating

    calibrating.calibrate(experiments or ["latest"], into, base, runs=runs, json=json)


@cli.command()
def backtest(
    experiment: Annotated[str, typer.Argument(help="An experiment with a single agent and teams.")] = "latest",
    base: Annotated[str, typer.Option(help="The profile whose numbers stay where there are too few data.")] = "medium",
    runs: Runs = 800,
    json: Json = False,
) -> None:
    """Predict the teams from the single agent's runs. Compared with what the teams did."""
    from experiments.terminal import calibrating

    calibrating.show_backtest(experiment, base, runs=runs, json=json)


@cli.command()
def probe(
    model: Annotated[str, typer.Argument(help="A model on a server: a name in models.yaml, or a LiteLLM name.")],
    api_base: ApiBase = None,
    write: Annotated[bool, typer.Option("--write", help="Write what was found into models.yaml.")] = False,
    name: Annotated[
        str | None, typer.Option("--as", help="Its name in models.yaml (default: the model's own).")
    ] = None,
    prompt_tokens: Annotated[int, typer.Option(min=200, help="Tokens of the long prompt.")] = 6000,
    json: Json = False,
) -> None:
    """Find out what works on a model's server, and what to set. Tools, forms, histories, streams, long prompts; ends
    with 4 where it cannot be used."""
    from experiments.terminal import probing_report

    probing_report.probe(model, api_base, write=write, name=name, long=prompt_tokens, json=json)


@cli.command()
def doctor(
    deep: Annotated[bool, typer.Option(help="Also start the local model and ask it something.")] = False,
    json: Json = False,
) -> None:
    """Say what works here, and how to get what doesn't. Models, sandboxes and optional parts."""
    from experiments.terminal import listing

    listing.show_doctor(deep=deep, json=json)
