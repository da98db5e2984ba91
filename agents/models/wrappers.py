"""Wrappers of the same shape as a model: metered (the budget), recorded (the trace), fitting (the context window),
cached, with a fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import structs

from agents import memory
from agents.models.model import Card, Model, Reply, Request
from traces.errors import LimitReached, MalformedOutput, ModelError
from traces.kernel import NANO, Budget, Chat, Event, LimitHit, Noted, Usage
from traces.prompts import PromptDelta

LEAST_SHARE = 0.5
"""Of our rule of thumb's count of tokens: no text takes fewer."""


class Meter:
    """What a run has used of its budget; one for the whole team. `seconds` run on the loop's clock from creation.

    A budget is exact to the last whole call: a call is made while something is left, and none after that.
    """

    def __init__(self, budget: Budget, record: Callable[[Event], object]) -> None:
        self.budget, self._record = budget, record
        self.usage = Usage()
        self._started = asyncio.get_running_loop().time()

    @property
    def seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._started

    def check(self, agent: str) -> None:
        """Raises LimitReached, and records it, where the budget is used up."""
        used, budget = self.usage, self.budget
        spent = (used.cost_nano_usd or 0) / NANO
        for kind, value, limit in (
            ("tokens", used.tokens, budget.tokens),
            ("cost_usd", spent, budget.cost_usd),
            ("seconds", self.seconds, budget.seconds),
            ("calls", used.calls, budget.calls),
        ):
            if limit is not None and value >= limit:
                self._record(LimitHit(kind, value, limit, agent))
                raise LimitReached(kind, value, limit)

    def add(self, usage: Usage) -> None:
        self.usage += usage

    @property
    def share(self) -> float | None:
        """The share of the token budget that is used; None where there is none."""
        return self.usage.tokens / self.budget.tokens if self.budget.tokens else None


class Metered:
    """Refuses calls once the budget is used up, and counts what each call used; one that failed counts as a call, and
    as free, since providers do not bill them."""

    def __init__(self, model: Model, meter: Meter) -> None:
        self._model, self._meter = model, meter

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        self._meter.check(request.agent)
        try:
            reply = await self._model.chat(request)
        except ModelError as error:
            self._meter.add(Usage(calls=1, errors=1, retries=error.retries, latency_s=error.seconds))
            raise
        self._meter.add(reply.usage)
        return reply


class Recorded:
    """Writes every call, failed ones too, into the trace."""

    def __init__(self, model: Model, record: Callable[[Event], object], prompts: PromptDelta) -> None:
        self._model, self._record, self._prompts = model, record, prompts

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        try:
            reply = await self._model.chat(request)
        except ModelError as error:
            used = Usage(calls=1, cost_nano_usd=None, latency_s=error.seconds, errors=1, retries=error.retries)
            self._record(self._event(request, Reply("", used, self.card.name), str(error)))
            raise
        self._record(self._event(request, reply, ""))
        return reply

    def _event(self, request: Request, reply: Reply, error: str) -> Chat:
        kept, added = self._prompts.delta(request.agent, request.messages)
        card = self.card
        return Chat(
            request.agent,
            request.purpose,
            reply.model,
            kept,
            added,
            reply.text,
            reply.usage,
            reply.tool_calls,
            "error" if error else reply.finish_reason,
            tuple(spec["function"]["name"] for spec in request.tools),
            error,
            reply.fault,
            card.context_window,
            card.kv_bytes and card.kv_bytes * reply.usage.tokens,
            reply.server,
        )


class Fitting:
    """Refuses a call that cannot fit the model's context window, before it is sent: by our own count, which is too
    low rather than too high, so that what just fits is left to the model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        window = self.card.context_window
        if window is not None:
            least = sum(memory.tokens_in(message.content) for message in request.messages) * LEAST_SHARE
            if least > window:
                raise ModelError(
                    f"model {self.card.name!r}: the prompt has at least {least:,.0f} tokens and is longer than its "
                    f"context window of {window:,}; it was not sent"
                )
        return await self._model.chat(request)


class Kept(Protocol):
    """Replies by the call that they answered."""

    def get(self, key: bytes, /) -> Reply | None: ...

    def __setitem__(self, key: bytes, reply: Reply, /) -> None: ...


class Cached:
    """Answers a call that was made before from what was kept: no tokens, no time. The trace notes what it saved."""

    def __init__(self, model: Model, record: Callable[[Event], object], kept: Kept) -> None:
        self._model, self._record, self._kept = model, record, kept

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        key = _key(self.card.name, request)
        found = self._kept.get(key)
        if found is None:
            self._kept[key] = reply = await self._model.chat(request)
            return reply
        saved = found.usage
        money = "" if saved.cost_usd is None else f" and ${saved.cost_usd:.6f}"
        self._record(Noted(request.agent, "cache_hit", f"saved {saved.tokens:,} tokens{money}"))
        return structs.replace(found, usage=Usage(), fault=None)


class WithFallback:
    """Goes on with another model where a call has failed for good, as long as that `holds`; the failed call is in the
    trace as well."""

    def __init__(
        self,
        model: Model,
        other: Model,
        record: Callable[[Event], object],
        holds: Callable[[], bool] = lambda: True,
    ) -> None:
        self._model, self._other, self._record, self._holds = model, other, record, holds

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        try:
            return await self._model.chat(request)
        except MalformedOutput:
            raise
        except ModelError as error:
            if not self._holds():
                raise
            name = self._other.card.name
            self._record(Noted(request.agent, "fallback", f"{self.card.name} failed ({error}); {name} takes the call"))
            return await self._other.chat(request)


def _key(model: str, request: Request) -> bytes:
    return msgspec.json.encode(
        [model, request.messages, request.tools, request.schema, request.max_tokens], order="deterministic"
    )
