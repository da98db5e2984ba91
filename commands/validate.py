"""Whether what a user wrote works, before anything is run with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json

cli = typer.Typer()


@cli.command()
def validate(
    path: Annotated[
        str,
        typer.Argument(help="A scenario's folder or name; or a team's file, an experiment's, models.yaml, a profile."),
    ],
    run: Annotated[
        bool, typer.Option("--run/--static", help="Have the oracle do every case too, or look at the files alone.")
    ] = True,
    json: Json = False,
) -> None:
    """Check a scenario: all mistakes, with file and line. Ends with 1 where there are any."""
    from experiments.documents import validating, validating_files
    from experiments.terminal import validating_report
    from traces import paths

    if paths.is_file(path):
        kind, mistakes = validating_files.validate(Path(path))
        validating_report.show_file(path, kind, mistakes, json=json)
    else:
        found = validating.validate(path, run=run)
        mistakes = found.mistakes
        validating_report.show(found, json=json)
    if mistakes:
        raise SystemExit(1)
