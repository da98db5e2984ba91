"""Where a user's own modules are found: in the working folder, in the scenario's folder, or in the one that holds it.

These come last on the path, after Headcount's packages and everything that is installed.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from threading import Lock
from types import ModuleType

ROOMS = Path(__file__).resolve().parents[1]
"""The folder that holds Headcount's own packages."""
_changing = Lock()
_added: list[str] = []
"""Entries of the path that `look` put there."""


def look(scenario: Path) -> None:
    """From now on look for a user's modules in the scenario's folder, and in the one that holds it, too. The folders of
    the scenario before are left, and its modules forgotten: one of the same name is loaded from the new place."""
    wanted = [str(scenario), str(scenario.parent)]
    with _changing:
        left = [entry for entry in _added if entry not in wanted]
        sys.path[:] = [entry for entry in sys.path if entry not in left]
        new = [entry for entry in wanted if entry not in sys.path]
        sys.path += new
        _added[:] = [entry for entry in _added if entry not in left] + new
        _forget({Path(entry) for entry in left})


def _forget(folders: set[Path]) -> None:
    gone = {name for name, module in list(sys.modules.items()) if "." not in name and _folder(module) in folders}
    for name in list(sys.modules):
        if name.partition(".")[0] in gone:
            sys.modules.pop(name, None)


def hidden(name: str) -> str:
    """Says so where a file of the user's has a name that stands for something else, which comes first; else empty."""
    taken = sys.modules.get(name)
    own = PathFinder.find_spec(name, ["", *_added])
    if taken is None or own is None:
        return ""
    file = own.origin or next(iter(own.submodule_search_locations or ()), "")
    if file in (getattr(taken, "__file__", None), *getattr(taken, "__path__", ())):
        return ""
    return f"the name {name!r} {_owner(taken)}, which comes first: give {file} another name"


def _owner(module: ModuleType) -> str:
    folder = _folder(module)
    if folder is None:
        return "is Python's own"
    return "is Headcount's own" if folder == ROOMS else f"is taken by what is in {folder}"


def _folder(module: ModuleType) -> Path | None:
    """The folder in which a module or package of the top level was found; None for what is built in."""
    file = getattr(module, "__file__", None)
    if not file:
        return next((Path(place).parent for place in getattr(module, "__path__", ())), None)
    return Path(file).parents[1] if Path(file).stem == "__init__" else Path(file).parent
