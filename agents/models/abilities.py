"""What a server takes, from the most that the protocol has down to the least: found out once, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from agents.models.failures import Kind
from agents.models.model import Card, Request
from agents.models.schemas import RUNGS, Rung, simpler

SystemRole = Literal["any", "first", "none"]
_NO_FORMAT = re.compile(
    r"response_?format['\"`\s:]{0,4}(is |are |parameter |field )*(not|un|extra|invalid)", re.IGNORECASE
)
_JSON_MODE = re.compile(r"['\"`]?json_object['\"`]?", re.IGNORECASE)


class Abilities(Struct, frozen=True):
    """`schemas`: how forms are asked for (see `schemas.RUNGS`). `simple_tools`: parameters of tools go without what few
    servers can do. `system`: where a system message may be. `alternating`: user and assistant take turns. `empty`:
    messages may be without text. `stream_usage`: a stream counts its tokens where it is asked to. `reasoning_back`:
    what the assistant says must come with reasoning. `newer_limit`: a reply's limit is called max_completion_tokens."""

    schemas: Rung = "strict"
    simple_tools: bool = False
    system: SystemRole = "any"
    alternating: bool = False
    empty: bool = True
    stream_usage: bool = True
    reasoning_back: bool = False
    newer_limit: bool = False

    def said(self, request: Request) -> tuple[str, ...]:
        """What is different about this call from the protocol at its full, in words for the trace."""
        said = []
        if request.schema is not None and self.schemas != "strict":
            said.append(f"the form was asked for {_ASKED[self.schemas]}")
        if request.tools and self.simple_tools:
            said.append("the tools' parameters were simplified")
        if self.system == "none" and any(message.role == "system" for message in request.messages):
            said.append("the system message was put into the first user message")
        if self.alternating:
            said.append("messages of the same role were joined")
        return tuple(said)

    def differs(self) -> dict[str, Any]:
        """What differs from the protocol at its full, as a card in models.yaml has it."""
        said = {
            "schemas": self.schemas if self.schemas != "strict" else None,
            "simple_tools": True if self.simple_tools else None,
            "system_role": self.system if self.system != "any" else None,
            "alternating": True if self.alternating else None,
            "empty_messages": None if self.empty else False,
            "reasoning_back": True if self.reasoning_back else None,
            "newer_limit": True if self.newer_limit else None,
        }
        return {name: value for name, value in said.items() if value is not None}

    def card(self) -> str:
        """The same in one line."""
        return ", ".join(f"{name}: {str(value).lower()}" for name, value in self.differs().items())


_ASKED = {
    "simple": "by a simplified schema",
    "json": "in JSON mode, with the schema in the prompt",
    "prompt": "in the prompt alone",
}


def of_card(card: Card, takes_schema: bool) -> Abilities:
    """Where to begin: with what is known of the server, else with everything."""
    return Abilities(
        schemas=card.schemas or ("strict" if takes_schema else "prompt"),
        simple_tools=card.simple_tools,
        system=card.system_role or "any",
        alternating=bool(card.alternating),
        empty=card.empty_messages is not False,
        reasoning_back=card.reasoning_back,
        newer_limit=card.newer_limit,
    )


SERVERS_PART = (
    "tool_calls", "context_window", "schemas", "system_role", "alternating", "empty_messages", "simple_tools",
    "reasoning_back", "newer_limit", "probed",
)  # fmt: skip
"""What of a card is about the server."""


def unknown(card: Card) -> Card:
    """The card without what is known of its server."""
    bare = Card(card.name, simulated=False)
    return structs.replace(card, **{name: getattr(bare, name) for name in SERVERS_PART})


def weaker(now: Abilities, kind: Kind, words: str, request: Request) -> Abilities | None:
    """What to try after the server has refused the call for that reason; None where nothing is left to try."""
    match kind:
        case Kind.SCHEMA if request.schema is not None:
            return _lower(now, words, request.schema)
        case Kind.SCHEMA if request.tools and not now.simple_tools:
            return structs.replace(now, simple_tools=True)
        case Kind.SYSTEM_FIRST | Kind.SYSTEM if now.system != "none":
            lower: SystemRole = "first" if kind is Kind.SYSTEM_FIRST and now.system == "any" else "none"
            return structs.replace(now, system=lower)
        case Kind.TURNS if not now.alternating:
            return structs.replace(now, alternating=True)
        case Kind.TURNS if now.system != "none":
            return structs.replace(now, system="none")
        case Kind.EMPTY if now.empty:
            return structs.replace(now, empty=False)
        case Kind.STREAM_USAGE if now.stream_usage:
            return structs.replace(now, stream_usage=False)
        case Kind.REASONING if not now.reasoning_back:
            return structs.replace(now, reasoning_back=True)
        case Kind.LIMIT if not now.newer_limit:
            return structs.replace(now, newer_limit=True)
    return None


def _lower(now: Abilities, words: str, schema: dict[str, Any]) -> Abilities | None:
    below = RUNGS[RUNGS.index(now.schemas) + 1 :]
    if not below:
        return None
    rung: Rung = below[0]
    if _NO_FORMAT.search(words):
        rung = "prompt"
    elif "json" in below and (_JSON_MODE.search(words) or simpler(schema) == schema):
        rung = "json"
    return structs.replace(now, schemas=rung)


UNEXPLAINED = frozenset({Kind.REJECTED, Kind.TEMPLATE})
"""Refusals without a reason that we know: then what servers refuse most is tried."""


def guesses(now: Abilities, request: Request) -> Iterator[Abilities]:
    """What may be behind such a refusal, the likeliest first."""
    if request.schema is not None:
        yield from (structs.replace(now, schemas=rung) for rung in RUNGS[RUNGS.index(now.schemas) + 1 :])
    if request.tools and not now.simple_tools:
        yield structs.replace(now, simple_tools=True)
    yield structs.replace(now, alternating=True)
    yield structs.replace(now, system="none")
    yield structs.replace(now, alternating=True, system="none", empty=False)
    if request.schema is not None:
        yield structs.replace(now, alternating=True, system="none", empty=False, schemas="prompt")


class Shape(Struct, frozen=True):
    """What about a request a server may refuse."""

    form: str
    tools: bool
    roles: tuple[str, ...]

    @classmethod
    def of(cls, request: Request) -> Shape:
        roles = (message.role for message in request.messages)
        turns = (role for role, before in pairwise((*roles, "")) if role != before)
        return cls(str((request.schema or {}).get("title", "")), bool(request.tools), tuple(sorted(set(turns))))


class Ways:
    """The ways in which one call is put to a server that refuses it: `now` is the next one to try. `guess`: also where
    the server gives no reason."""

    def __init__(self, start: Abilities, request: Request, guess: bool) -> None:
        self.now = start
        self.guessed = False
        self._request = request
        self._guesses = guesses(start, request) if guess else iter(())

    def weaken(self, kind: Kind, words: str) -> bool:
        """Take the next way after a refusal of this kind; False where there is none."""
        following = weaker(self.now, kind, words, self._request)
        if following is None and kind in UNEXPLAINED:
            self.guessed = True
            following = next(self._guesses, None)
        self.now = following or self.now
        return following is not None


def lesson(words: str, now: Abilities) -> str:
    """What was learnt about a server, for the trace and for models.yaml."""
    said = " ".join(words.split())[:200] or "no reason"
    return f"the server refused the call as it was ({said}); from now on: {now.card() or 'as before'}"


class Learnt:
    """What was found out about one server, for this process and, where an experiment has a folder, for all that take
    part in it: so its runs are on equal terms."""

    def __init__(self, key: str, start: Abilities, folder: Path | None = None) -> None:
        self.now = start
        name = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        self._file = None if folder is None else folder / f"{name}.json"
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process has found out meanwhile."""
        if self._file is None:
            return
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # none yet
            self.now = msgspec.json.decode(self._file.read_bytes(), type=Abilities)

    def keep(self, found: Abilities) -> None:
        self.now = found
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # a full disk: every process then finds out by itself
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part = self._file.with_suffix(f".{os.getpid()}")
            part.write_bytes(msgspec.json.encode(found))
            part.replace(self._file)
