"""Routing: which team does a case is decided by rules over the request and the case's labels."""

from __future__ import annotations

import re

from agents import table
from agents.settings import Route, When
from agents.workspace import Workspace
from tasks.case import Case
from traces.errors import InputError

ROUTER = "router"


async def router(work: Workspace) -> str:
    """The first route that fits names the team; it works as if it had been asked alone."""
    route = route_of(work.settings.routes, work.case)
    chosen = table.team(route.team)
    work.note(ROUTER, "route", f"{route.team}: {_why(route.when)}")
    work.settings = chosen.settings
    return await chosen.shape(work)


def route_of(routes: tuple[Route, ...], case: Case) -> Route:
    """The first route that fits the case. Raises InputError where none does."""
    found = next((route for route in routes if fits(route.when, case)), None)
    if found is None:
        raise InputError(f"no route fits the case {case.id!r}: end the routes with one that has no `when`")
    return found


def fits(when: When, case: Case) -> bool:
    return (
        (when.feature is None or when.feature in case.features)
        and (when.difficulty is None or when.difficulty == case.difficulty)
        and (when.matches is None or re.search(when.matches, case.request) is not None)
        and (when.longer_than is None or len(case.request) > when.longer_than)
    )


def _why(when: When) -> str:
    given = when.model_dump(exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "no other route fits"
