"""Headcount on the command line: do we need many agents, or is one enough? Run it and see."""

from __future__ import annotations

import sys
from typing import Any

import typer

from commands import (
    app,
    autopsy,
    capacity,
    check,
    experiments,
    knowledge,
    labels,
    market,
    models,
    new,
    planning,
    reading,
    rerun,
    share,
    traces,
    validate,
    verdict,
)
from traces.errors import HeadcountError, InputError, TraceError, reason

cli = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
for topic in (
    experiments,
    planning,
    check,
    verdict,
    autopsy,
    rerun,
    market,
    traces,
    reading,
    labels,
    share,
    models,
    capacity,
    knowledge,
    new,
    validate,
    app,
):
    cli.add_typer(topic.cli)


def main(arguments: list[str] | None = None) -> Any:
    """The command `headcount`. A HeadcountError becomes one line on stderr and its exit code."""
    from agents.models import quiet

    quiet.environment()
    try:
        return cli(arguments, prog_name="headcount", standalone_mode=True)
    except HeadcountError as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        print(f"headcount: {kind}{error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a disk that is full, a home that is read only, a folder that is a file
        print(f"headcount: {error.filename or 'a file'}: {reason(error)}", file=sys.stderr)
        raise SystemExit(TraceError.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
