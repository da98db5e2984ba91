"""What a server takes, from the most that the protocol has down to the least: found out once, and remembered."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
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
_TEMPLATE = re.compile(r"template|jinja|undefined|minja|raise_exception", re.IGNORECASE)


class Abilities(Struct, frozen=True):
    """`schemas`: how forms are asked for (see `schemas.RUNGS`). `simple_tools`: parameters of tools go without what few
    servers can do. `system`: where a system message may be. `alternating`: user and assistant take turns. `empty`:
    messages may be without text. `stream_usage`: a stream counts its tokens where it is asked to."""

    schemas: Rung = "strict"
    simple_tools: bool = False
    system: SystemRole = "any"
    alternating: bool = False
    empty: bool = True
    stream_usage: bool = True

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


_ASKED = {
    "simple": "by a simplified schema",
    "json": "in JSON mode, with the schema in the prompt",
    "prompt": "in the prompt alone",
}


def of_card(card: Card, takes_schema: bool) -> Abilities:
    """Where to begin: with what is known of the server, else with everything."""
    return Abilities(
        schemas=card.schemas or ("strict" if takes_schema else "prompt"),
        system=card.system_role or "any",
        alternating=bool(card.alternating),
        empty=card.empty_messages is not False,
    )


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


def unexplained(kind: Kind, words: str) -> bool:
    """Whether the server refused the call without a reason that we know: then what servers refuse most is tried."""
    return kind is Kind.REJECTED or (kind in (Kind.SERVER, Kind.PARAMETER) and bool(_TEMPLATE.search(words)))


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


class Learnt:
    """What was found out about one server, for this process and, where an experiment has a folder, for all that take
    part in it: so its runs are on equal terms."""

    def __init__(self, key: str, start: Abilities) -> None:
        self.now = start
        self._start = start
        self._name = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process has found out meanwhile."""
        file = self._file()
        if file is None:
            return
        try:
            self.now = msgspec.json.decode(file.read_bytes(), type=Abilities)
        except (OSError, msgspec.DecodeError):
            return

    def keep(self, found: Abilities) -> None:
        self.now = found
        file = self._file()
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}")
            part.write_bytes(msgspec.json.encode(found))
            part.replace(file)
        except OSError:  # the disk is full, or may not be written: every process then finds out by itself
            return

    def _file(self) -> Path | None:
        folder = shared.folder
        return folder / f"server-{self._name}.json" if folder is not None else None


class _Shared:
    folder: Path | None = None


shared = _Shared()
"""`folder`: the experiment's that this process works on, if any."""
