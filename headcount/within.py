"""Runs a module as the main one, with Headcount's packages first on the path: `python -P within.py MODULE ARGUMENT...`.

It is run by its own path, so that it works whatever else is on the path or installed under our names.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path


def place_first() -> None:
    """`place.first()`, with the package `headcount` loaded from where this file lies. What has loaded other modules of
    our names, such as a `sitecustomize`, keeps them; this process gets ours."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "headcount", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules["headcount"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    from headcount import place

    place.first()
    for name in place.taken():
        for loaded in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(f"{name}.")]:
            del sys.modules[loaded]


def main() -> None:
    """Run the module that the command line names; its own arguments follow."""
    place_first()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
