"""What an engine made of a framework offers: the shapes that the framework has, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agents import table


def why_not(team: str, offered: Iterable[str], missing: Mapping[str, str], otherwise: str) -> str:
    """Why the framework cannot run the team; empty where it can. `missing` has the reason by shape, `otherwise` that
    for all further shapes."""
    shape, shapes = table.team(team).settings.shape, tuple(offered)
    if shape in shapes:
        return ""
    return f"{missing.get(shape, otherwise)}; use --engines native, or one of {', '.join(shapes)}"
