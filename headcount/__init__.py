"""Headcount: do we need many agents, or is one enough? Run it and see.

The library's face. It imports nothing of Headcount's own packages (`agents`, `tasks`, `tools`, ...) into your process
and puts nothing on your path, so your own modules of these names stay yours.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

__all__ = ["__version__", "main"]

try:
    __version__ = metadata.version("headcount")
except metadata.PackageNotFoundError:  # run from its source, not installed
    __version__ = "0"


def main(arguments: list[str] | None = None) -> Any:
    """The command `headcount`, in this process, which is then Headcount's own: its packages come first on the path.

    `arguments` are those after the command's name; without them, `sys.argv[1:]`. Raises SystemExit at the end.
    """
    from headcount import place

    place.first()
    from commands import cli

    return cli.main(arguments)
