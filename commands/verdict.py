"""Verdicts on what is recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.experiments import fail_if
from commands.options import Json
from traces.errors import InputError

cli = typer.Typer()


@cli.command()
def verdict(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    margin: Annotated[float, typer.Option(help="A difference that would not matter to you, such as 0.05.")] = 0.05,
    max_cost: Annotated[float | None, typer.Option(help="Dollars per run, at most.")] = None,
    max_latency: Annotated[float | None, typer.Option(help="Seconds per run, at most.")] = None,
    min_success: Annotated[float, typer.Option(help="Share of runs that must succeed, at least.")] = 0.0,
    exhaustive: Annotated[
        bool | None,
        typer.Option(
            "--exhaustive/--sample",
            help="These cases are all there are, or a sample of others like them (default: as it was run).",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Judge an experiment again, under your margin and limits. With everything that the verdict rests on."""
    from experiments.judging import judging
    from experiments.judging.recommending import Limits
    from experiments.terminal import judging_report

    for option, limit in (("--max-cost", max_cost), ("--max-latency", max_latency)):
        if limit is not None and limit <= 0:
            raise InputError(f"{option}: {limit:g} is kept by nothing: give more than 0")
    if not 0 <= min_success <= 1:
        raise InputError(f"--min-success: {min_success:g} should be between 0 and 1, such as 0.9")
    if judging_report.show_ungraded(experiment, json=json):
        return
    found = judging.again(experiment, margin, Limits(max_cost, max_latency, min_success), exhaustive=exhaustive)
    judging_report.show(found, json=json)
    fail_if(found.verdict.kind == "nothing_measured")


@cli.command()
def report(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    into: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write the comparison as one HTML file. It loads nothing and can be mailed."""
    from experiments.terminal import judging_report

    found = judging_report.write_page(experiment, into)
    print(f"{into}: the comparison as one file")
    if found.verdict.kind == "nothing_measured":
        print(f"headcount: {found.verdict.text} {found.verdict.reason}", file=sys.stderr)
        fail_if(True)
