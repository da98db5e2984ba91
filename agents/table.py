"""Names that resolve to code, loaded when used: teams, engines, models."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from agents.workspace import Workspace
from traces.errors import InputError

Team = Callable[[Workspace], Awaitable[str]]

TEAMS = {
    "solo": "agents.teams.solo:solo",
    "supervisor": "agents.teams.supervisor:supervisor",
    "market": "agents.teams.market:market",
    "pipeline": "agents.teams.pipeline:pipeline",
    "graph": "agents.teams.graph:graph",
}
ENGINES = {"native": "agents.engines.native:Native"}


def team(name: str) -> Team:
    """The team by its name, or by the import path of a function: `my_teams:pair`."""
    return _load(name, TEAMS, "team")  # type: ignore[no-any-return]


def engine(name: str) -> Any:
    return _load(name, ENGINES, "engine")


def _load(name: str, table: dict[str, str], what: str) -> Any:
    path = table.get(name, name if ":" in name else "")
    module, _, attribute = path.partition(":")
    if not path:
        raise InputError(f"no {what} {name!r}: give one of {', '.join(table)}, or an import path module:name")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{what} {name!r} cannot be loaded from {path}: {error}") from error
