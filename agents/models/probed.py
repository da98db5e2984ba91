"""What `headcount probe` has found out about servers, remembered in the home: one file for each model on its servers.

HEADCOUNT_PROBED names another folder: workers have the copy that was made when their experiment was prepared, so that
all its runs are on equal terms.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from agents.models import cards
from agents.models.endpoint import Endpoint
from agents.models.model import Card
from agents.models.schemas import Rung
from traces import home
from traces.errors import TraceError

VARIABLE = "HEADCOUNT_PROBED"
FOLDER = "probed"
_GIVEN = {"tool_calls": cards.TOOL_CALLS_VARIABLE, "context_window": cards.CONTEXT_VARIABLE}


class Found(Struct, frozen=True, omit_defaults=True):
    """The part of a model's card that its server decides; None or empty is unknown, or as the protocol has it. `probed`
    is the day (2026-11-26)."""

    tool_calls: bool | None = None
    context_window: int | None = None
    schemas: Rung | None = None
    system_role: str = ""
    alternating: bool | None = None
    empty_messages: bool | None = None
    simple_tools: bool | None = None
    reasoning_back: bool | None = None
    newer_limit: bool | None = None
    probed: str = ""

    def fields(self) -> dict[str, Any]:
        """What there is to say, by the names that a card in models.yaml has for it."""
        return {name: value for name, value in structs.asdict(self).items() if value not in (None, "")}

    def over(self, card: Card) -> Card:
        """The card with what was found; what the environment says of every server goes before it."""
        given = {name for name, variable in _GIVEN.items() if os.environ.get(variable, "").strip()}
        return structs.replace(card, **{name: value for name, value in self.fields().items() if name not in given})


def places(endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    return tuple(where.api_base or where.provider for where in endpoints)


def keep(model: str, servers: Sequence[str], found: Found) -> None:
    """Remember it. Raises TraceError where the home cannot be written."""
    file = _file(model, servers)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"{file.parent}: cannot be made: {error.strerror or error}") from None
    home.write_atomically(file, msgspec.json.format(msgspec.json.encode(found), indent=2))


def found(model: str, servers: Sequence[str]) -> Found | None:
    """What is remembered; None where that model was never probed there."""
    try:
        return home.read_json(_file(model, servers), Found, "what a probe has found")
    except TraceError:
        return None


def over(card: Card, model: str, servers: Sequence[str]) -> Card:
    """The card with what is remembered."""
    known = found(model, servers)
    return known.over(card) if known is not None else card


def folder() -> Path:
    return Path(os.environ.get(VARIABLE) or home.home() / FOLDER)


def _file(model: str, servers: Sequence[str]) -> Path:
    key = hashlib.blake2b(f"{model} {sorted(servers)}".encode(), digest_size=8).hexdigest()
    return folder() / f"{key}.json"
