"""Headcount on the command line: do we need many agents, or is one enough? Run it and see."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
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
        with _said_apart():
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


class _Stdout:
    """What the command says, in the main thread. What code of the user's prints (its tools, graders and teams run in
    threads) goes to stderr: the output stays as it is meant, JSON above all."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        here = threading.current_thread() is threading.main_thread()
        return getattr(self._stream if here else sys.stderr, name)


@contextlib.contextmanager
def _said_apart() -> Iterator[None]:
    before = sys.stdout
    sys.stdout = _Stdout(before)
    try:
        yield
    finally:
        sys.stdout = before
