"""What works on a model's server: one call each of the kinds that runs make of it, and what to write into models.yaml.

The calls go the way that a run's calls go, so what the server refuses is put to it in another way here as there. The
server is looked at as if nothing was known of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, structs

from agents.models import catalog, entries, local, probed, table
from agents.models.hosted import Hosted
from agents.models.probed import Found
from agents.models.schemas import RUNGS
from experiments.servers import probes
from experiments.servers.probes import Finding, Subject, Watch
from traces.errors import InputError

CALL_S = 60.0
"""The longest that a call may take; with a file that this machine serves, twice that."""
LONG = 6000
"""Tokens of the long prompt."""
_ROOM, _ROOM_HERE = 2000, 256
_ORDER: dict[str, tuple[Any, ...]] = {"schemas": RUNGS, "system_role": ("", "any", "first", "none")}


class Entry(Struct, frozen=True):
    """What a name in models.yaml says of where the model is."""

    name: str
    litellm: str = ""
    servers: tuple[str, ...] = ()
    gguf: str = ""


class Probe(Struct, frozen=True):
    """What was found: `findings` by the server's address, `card` for models.yaml. `usable`: agents can act with it,
    through tool calls or through forms. `stream` is False where the entry asks for streams and cannot have them."""

    model: str
    findings: dict[str, tuple[Finding, ...]]
    card: dict[str, Any]
    entry: Entry
    usable: bool
    stream: Literal[False] | None = None


class _Known(Struct, frozen=True):
    """A model to be looked at: on which servers, and what it is remembered as."""

    entry: Entry
    subjects: tuple[Subject, ...]
    key: tuple[str, tuple[str, ...]]
    streams: bool = False


async def probe(name: str, api_base: str | None = None, long: int = LONG, watch: Watch = id) -> Probe:
    """Look at all of the model's servers, and remember what was found. Raises InputError for a model without a server,
    ModelError where a server does not answer at all."""
    if table.simulated(name):
        raise InputError(f"{name} is simulated: it has no server to look at")
    known = await _known(name, api_base)
    seen = [await probes.look(subject, long, watch) for subject in known.subjects]
    day = time.strftime("%Y-%m-%d")
    found = structs.replace(weakest(one.found for one in seen), probed=day)
    if known.entry.gguf:
        found = structs.replace(found, context_window=None)  # it is what the file is served with
    probed.keep(*known.key, found)
    return Probe(
        name,
        {one.server: one.findings for one in seen},
        found.fields(),
        known.entry,
        all(one.usable for one in seen),
        False if known.streams and not all(one.streams for one in seen) else None,
    )


async def _known(name: str, api_base: str | None) -> _Known:
    model = table.resolve(name, api_base)(None, 0, 0)
    alias = catalog.aliases().get(name)
    if isinstance(model, local.Local):
        return await _file(name, model, named=alias is not None or name == "local")
    assert isinstance(model, Hosted)
    target = model.target
    wait_s = min(CALL_S, target.timeout_s)
    subjects = tuple(
        Subject(model.afresh(where, timeout_s=wait_s), model.afresh(where, stream=True, timeout_s=wait_s), where, _ROOM)
        for where in target.endpoints
    )
    own = tuple(where.api_base for where in target.endpoints if where.api_base)
    entry = Entry(name if alias else called(name), target.model, own)
    key = (target.model, probed.places(target.endpoints))
    return _Known(entry, subjects, key, bool(alias and alias.entry.stream))


async def _file(name: str, model: local.Local, named: bool) -> _Known:
    served, file = await model.served(), model.weights.file
    (where,) = served.target.endpoints
    bare, streaming = (served.afresh(where, stream=stream, timeout_s=2 * CALL_S) for stream in (False, True))
    subject = Subject(bare, streaming, where, min(model.reply, _ROOM_HERE), 1, model.card)
    return _Known(Entry(name if named else called(file.stem), gguf=str(file)), (subject,), local.known_as(file))


def called(name: str) -> str:
    """A name for models.yaml that is like the model's own."""
    short = name.rstrip("/").rpartition("/")[2]
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in short.lower()).strip("-") or "ours"


def weakest(found: Iterable[Found]) -> Found:
    """What holds on all of the servers."""
    first, *others = found
    for other in others:
        values = {name: _weaker(name, getattr(first, name), getattr(other, name)) for name in first.__struct_fields__}
        first = structs.replace(first, **values)
    return first


def _weaker(name: str, one: Any, other: Any) -> Any:
    if name in _ORDER:
        return max(one, other, key=lambda value: _ORDER[name].index(value) if value in _ORDER[name] else -1)
    if None in (one, other):
        return other if one is None else one
    return min(one, other) if name in ("tool_calls", "context_window", "empty_messages") else max(one, other)


def lines(probe: Probe) -> str:
    """What to write into models.yaml."""
    entry = probe.entry
    said = ["models:", f"  {entry.name}:"]
    said += [f"    gguf: {_plain(entry.gguf)}"] if entry.gguf else [f"    litellm: {_plain(entry.litellm)}"]
    said += [f"    servers: [{', '.join(map(_plain, entry.servers))}]"] if entry.servers else []
    said += ["    stream: false"] if probe.stream is False else []
    said += ["    card:", *(f"      {name}: {_value(value)}" for name, value in probe.card.items())]
    return "\n".join(said)


def write(probe: Probe) -> Path:
    """Write it there; the file's path. Raises InputError where it cannot be."""
    entry = probe.entry
    if entry.name == "local":
        raise InputError("local comes along with Headcount and needs no entry in models.yaml")
    if not probe.usable:
        raise InputError(f"{probe.model} cannot be used: nothing was written")
    where: dict[str, Any] = {"gguf": entry.gguf} if entry.gguf else {"litellm": entry.litellm}
    where |= {"servers": list(entry.servers)} if entry.servers else {}
    where |= {"stream": False} if probe.stream is False else {}
    return entries.write(entry.name, where, probe.card)


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    """The text as YAML has it, in quotes where it needs them."""
    plain = all(c.isalnum() or c in "-_./~:" for c in text) and ": " not in text and text[:1] not in "-:"
    return text if plain else "'" + text.replace("'", "''") + "'"


def run(name: str, api_base: str | None = None, long: int = LONG, watch: Watch = id) -> Probe:
    """`probe`, for callers without an event loop."""
    return asyncio.run(probe(name, api_base, long, watch))
