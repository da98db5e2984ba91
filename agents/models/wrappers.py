"""Wrappers of the same shape as a model: metered (the budget) and recorded (the trace)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agents.models.model import Card, Model, Reply, Request
from traces.errors import LimitReached, ModelError
from traces.kernel import NANO, Budget, Chat, Event, LimitHit, Usage
from traces.prompts import PromptDelta


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


class Metered:
    """Refuses calls once the budget is used up, and counts what each call used."""

    def __init__(self, model: Model, meter: Meter) -> None:
        self._model, self._meter = model, meter

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        self._meter.check(request.agent)
        reply = await self._model.chat(request)
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
            self._record(
                self._event(request, Reply("", Usage(calls=1, cost_nano_usd=None), self.card.name), str(error))
            )
            raise
        self._record(self._event(request, reply, ""))
        return reply

    def _event(self, request: Request, reply: Reply, error: str) -> Chat:
        kept, added = self._prompts.delta(request.agent, request.messages)
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
        )
