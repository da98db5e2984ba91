"""`models.yaml`: names of the user's own for real models, with their servers, limits, fallbacks and cards.

The file is the one that HEADCOUNT_MODELS names, else `models.yaml` in the working folder. Keys never stand in it: it
names the environment's variables.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, structs
from pydantic import Field, field_validator, model_validator

from agents.models import cards, endpoint, probed
from agents.models.endpoint import Endpoint
from agents.models.model import Card, Price
from tasks import yamlfile
from tasks.case import Strict
from traces import paths
from traces.errors import InputError, ScenarioError

VARIABLE = "HEADCOUNT_MODELS"
FILE = "models.yaml"
_TAKEN = ("sim", "local")


class PriceEntry(Strict):
    """USD per million tokens, or USD for an hour of all the GPUs behind the alias."""

    input: float | None = Field(default=None, ge=0)
    output: float | None = Field(default=None, ge=0)
    gpu_hour: float | None = Field(default=None, ge=0)


class KVCache(Strict):
    """The model's attention: a token of context takes 2 (keys and values) * layers * kv_heads * head_dim * bytes."""

    layers: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    bytes: float = Field(default=2, gt=0)

    @property
    def per_token(self) -> int:
        return round(2 * self.layers * self.kv_heads * self.head_dim * self.bytes)


class CardEntry(Strict):
    """What the user knows of the model; it goes before LiteLLM's table."""

    context_window: int | None = Field(default=None, gt=0)
    tool_calls: bool | None = None
    price: PriceEntry | None = None
    parameters: float | None = Field(default=None, gt=0)
    training_tokens: float | None = Field(default=None, gt=0)
    cutoff: str = Field(default="", pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")
    modalities: tuple[str, ...] = ()
    alignment: Literal["", "base", "instruct", "preference"] = ""
    kv_cache: KVCache | None = None
    decode_tps: float | None = Field(default=None, gt=0)
    runs: str = ""
    residency: str = ""
    schemas: Literal["", "strict", "simple", "json", "prompt"] = ""
    system_role: Literal["", "any", "first", "none"] = ""
    alternating: bool | None = None
    empty_messages: bool | None = None
    simple_tools: bool | None = None
    reasoning_back: bool | None = None
    newer_limit: bool | None = None
    probed: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")

    def over(self, card: Card) -> Card:
        """The card, with what is said here instead."""
        given = {name: value for name, value in self if value not in (None, "", ())}
        if self.price is not None:
            given["price"] = Price(**self.price.model_dump())
        if given.pop("kv_cache", None) and self.kv_cache is not None:
            given["kv_bytes"] = self.kv_cache.per_token
        return structs.replace(card, **given)


class Entry(Strict):
    """One name. `litellm` with `servers` (base addresses; calls go to the one that is free), or `gguf`: a model file
    that llama.cpp serves on this machine. `key` is the environment variable with the servers' key. `fallbacks` are
    names to go on with when a call has failed for good. `at_once`: calls under way at a time, all workers together.
    `timeout_s`: the longest silence of an attempt; `total_s`: the longest that it may take to its end (the same, or
    five times as long for a stream). `stream`: replies come token by token, so that the time to the first is known.
    `cache`: a call that was made before, in any experiment with the same seed and trial, is answered from the disk."""

    litellm: str = ""
    servers: tuple[str, ...] = ()
    key: str = Field(default="", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$|^$")
    adapter_of: str = ""
    gguf: str = ""
    slots: int = Field(default=2, gt=0)
    tier: str = ""
    fallbacks: tuple[str, ...] = ()
    at_once: int | None = Field(default=None, gt=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout_s: float = Field(default=120, gt=0)
    total_s: float | None = Field(default=None, gt=0)
    retries: int = Field(default=2, ge=0)
    stream: bool = False
    cache: bool = False
    extra: dict[str, Any] = Field(default={})
    card: CardEntry = CardEntry()

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            if not server.startswith(("http://", "https://")):
                raise ValueError("an address starts with http:// or https://, such as http://10.0.0.5:8000/v1")
        return servers

    @field_validator("gguf")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if path and not paths.given(path).is_absolute():
            raise ValueError("give the whole path of the model file, from / or ~")
        return path

    @model_validator(mode="after")
    def _one_kind(self) -> Entry:
        if bool(self.litellm) == bool(self.gguf):
            raise ValueError("give either litellm (PROVIDER/MODEL) or gguf (the path of a model file)")
        return self


class Catalog(Strict):
    models: dict[str, Entry]


class Alias(Struct, frozen=True):
    """An entry with its name."""

    name: str
    entry: Entry

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it is served. Raises ModelError where a key or an address is missing."""
        entry = self.entry
        bases: tuple[str | None, ...] = entry.servers or (None,)
        return tuple(endpoint.find(entry.litellm, base, entry.key) for base in bases)

    def card(self, endpoints: Sequence[Endpoint]) -> Card:
        """What is known of it on its servers: by the user, from probing them, by LiteLLM."""
        entry = self.entry
        known = probed.over(cards.card(entry.litellm, endpoints[0]), entry.litellm, probed.places(endpoints))
        runs = known.runs if len(entry.servers) < 2 else f"own servers {', '.join(entry.servers)}"
        named = structs.replace(known, name=self.name, runs=runs, tier=entry.tier, adapter_of=entry.adapter_of)
        return entry.card.over(named)


def file() -> Path | None:
    """The file that counts here, if any. Raises InputError where HEADCOUNT_MODELS names one that is not there."""
    named, path = os.environ.get(VARIABLE), place()
    if paths.is_file(path):
        return path.resolve()
    if named:
        raise InputError(f"{VARIABLE}: there is no file {named}")
    return None


def place() -> Path:
    """Where the file is, or would be."""
    return paths.given(os.environ.get(VARIABLE) or FILE)


def aliases() -> dict[str, Alias]:
    """Every name of the user's own. Raises ScenarioError with the mistakes in the file."""
    path = file()
    return read(path) if path else {}


def read(path: Path) -> dict[str, Alias]:
    """The names in a file. Raises ScenarioError with all its mistakes."""
    return _read(path, yamlfile.stamp(path))


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: tuple[int, int]) -> dict[str, Alias]:
    entries = yamlfile.load(path, Catalog).models
    error, wrong = yamlfile.place_of(path), list[ScenarioError]()
    for name, entry in entries.items():
        loc: list[str | int] = ["models", name]
        if "/" in name or ":" in name or name in _TAKEN:
            wrong.append(error(loc, "a name has no / and no :, and is not sim or local"))
        for place, other in enumerate(entry.fallbacks):
            if "/" not in other and other not in entries and other != "local":
                known = f"{', '.join(entries)}, local{yamlfile.nearest(other, entries)}"
                wrong.append(error([*loc, "fallbacks", place], f"no model {other!r} here; known: {known}"))
    if wrong:
        raise ScenarioError.first_of(wrong)
    return {name: Alias(name, entry) for name, entry in entries.items()}
