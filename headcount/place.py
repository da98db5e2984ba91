"""Where Headcount's own packages lie, and how its processes find them before anything else of the same names.

In a checkout they lie beside this package; in a wheel below it, in `rooms/`. Their names are common (`agents`, `tools`,
`tasks`): only Headcount's own processes have the folder on their path, first, and the working folder, last.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSTALLED = PACKAGE / "rooms"
WITHIN = PACKAGE / "within.py"
NAMES = ("agents", "commands", "experiments", "marketplace", "tasks", "tools", "traces", "ui")


def rooms() -> Path:
    """The folder that holds the packages."""
    return INSTALLED if INSTALLED.is_dir() else PACKAGE.parent


def first() -> None:
    """Put the packages first on this process's path, and the working folder last: a user's own modules (a team of
    `--teams mine:pair`) are found there, and none of them is taken for one of ours. Doing it twice changes nothing."""
    ours, here = str(rooms()), _working_folder()
    rest = [entry for entry in sys.path if entry not in ("", ours, here)]
    sys.path[:] = [ours, *rest, *([here] if here and here != ours else [])]


def taken() -> list[str]:
    """Modules that this process has loaded under names of our packages, and that are not ours."""
    loaded = {name: getattr(sys.modules[name], "__file__", None) for name in NAMES if name in sys.modules}
    return [name for name, file in loaded.items() if not file or Path(file).resolve().parent != rooms() / name]


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a Python process that runs a module, of ours or not, with our packages first on its path and
    without the working folder there (`-P`)."""
    return [sys.executable, "-P", str(WITHIN), module, *arguments]


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted under us
        return ""
