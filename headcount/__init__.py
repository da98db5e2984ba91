"""Headcount: do we need many agents, or is one enough? Run it and see.

The library's face. It imports nothing of Headcount's own packages (`agents`, `tasks`, `tools`, ...) into your process
and puts nothing on your path, so your own modules of these names stay yours: the work is done in a process of its own.

    import json, headcount

    headcount.run("compare", "billing_support", "--trials", 20)
    runs = json.loads(headcount.run("sql", "SELECT team, success, tokens FROM runs", "--json"))
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from headcount import place

__all__ = ["CommandFailed", "__version__", "main", "run"]

try:
    __version__ = metadata.version("headcount")
except metadata.PackageNotFoundError:  # run from its source, not installed
    __version__ = "0"


class CommandFailed(RuntimeError):
    """A command of Headcount's ended with another exit code than 0; the text is what it printed to say why."""

    def __init__(self, exit_code: int, why: str) -> None:
        self.exit_code = exit_code
        super().__init__(why)


def run(*arguments: object) -> str:
    """What `headcount ARGUMENT...` prints, done by a process of its own in the working folder. Raises CommandFailed."""
    done = subprocess.run(_elsewhere(arguments), capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise CommandFailed(done.returncode, done.stderr.strip() or done.stdout.strip())
    return done.stdout


def main(arguments: list[str] | None = None) -> Any:
    """The command `headcount`, in this process, which is then Headcount's own: its packages come first on the path.

    `arguments` are those after the command's name; without them, `sys.argv[1:]`. Raises SystemExit at the end. Where
    this process has loaded other modules of our packages' names, another process does it.
    """
    if place.taken():
        raise SystemExit(subprocess.call(_elsewhere(sys.argv[1:] if arguments is None else arguments)))
    place.first()
    from commands import cli

    return cli.main(arguments)


def _elsewhere(arguments: Iterable[object]) -> list[str]:
    return place.command("headcount", *map(str, arguments))
