"""Wrappers of the same shape as a model: metered (the budget), recorded (the trace), fitting (the context window),
cached, with a fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import structs

from agents import memory
from agents.models import counting
from agents.models.model import NOT_SENT, Card, Model, Reply, Request
from tools.waiting import Waiting
from traces.errors import LimitReached, MalformedOutput, ModelError
from traces.kernel import CANCELLED, NANO, STOPPED, Budget, Chat, Event, LimitHit, Noted, Usage
from traces.prompts import PromptDelta

T = TypeVar("T")
_AGAIN_S = 0.01
LEAST_SHARE = 0.5
"""Of our rule of thumb's count of tokens: no text takes fewer."""


class Meter:
    """What a run has used of its budget; one for the whole team. `seconds` run on the loop's clock from creation, or
    from `begin` where that is called, without those in which the run only waits for a person (`waiting`).

    A budget is exact to the last whole call: a call is made while something is left, and none after that. Its seconds
    are exact for whatever is under way: `within`.
    """

    def __init__(self, budget: Budget, record: Callable[[Event], object], waiting: Waiting | None = None) -> None:
        self.budget, self._record = budget, record
        self.waiting = waiting or Waiting()
        self.usage = Usage()
        self.begin()

    def begin(self) -> None:
        """The run's time begins now: what was set up before, such as a search index, is no contestant's."""
        self._started = asyncio.get_running_loop().time()

    @property
    def seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._started - self.waiting.seconds

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives. Once the budget's seconds are over, it is cancelled, whatever it waits for. Raises
        LimitReached then, and records it."""
        limit = self.budget.seconds
        if limit is None:
            return await work
        deadline = _Deadline(self, limit)
        try:
            async with deadline.scope:
                deadline.look()
                found = await work
        except Exception:  # a framework may make anything of a cancellation
            if deadline.reached is None:
                raise
        finally:
            deadline.end()
        if deadline.reached is not None:
            raise deadline.reached
        return found

    def out_of_time(self) -> LimitReached:
        """Record that the seconds are over; the error that says so."""
        limit = self.budget.seconds or 0.0
        self._record(LimitHit("seconds", self.seconds, limit))
        return LimitReached("seconds", self.seconds, limit)

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


class _Deadline:
    """When a meter's seconds are over, which time that does not count (a person's) puts off."""

    def __init__(self, meter: Meter, limit: float) -> None:
        self.scope = asyncio.timeout(None)
        self.reached: LimitReached | None = None
        self._meter, self._limit = meter, limit
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """End the scope, or look again when the seconds that are left are over."""
        loop, left = asyncio.get_running_loop(), self._limit - self._meter.seconds
        if left > 1e-9:
            again = left if self._timer is None else max(left, _AGAIN_S)
            self._timer = loop.call_later(again, self.look)
        else:
            self.reached = self._meter.out_of_time()
            self.scope.reschedule(loop.time())

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


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
            with self._meter.waiting.working():
                reply = await self._model.chat(request)
        except ModelError as error:
            self._meter.add(Usage(calls=1, errors=1, retries=error.retries, latency_s=error.seconds))
            raise
        self._meter.add(reply.usage)
        return reply


class WasStopped(Exception):
    """The past has this call as one that was under way when its run was stopped, with what it used: it is recorded as
    that again, and then made."""

    def __init__(self, usage: Usage) -> None:
        self.usage = usage
        super().__init__("the run was stopped in this call")


NO_REPLY = {
    CANCELLED: "cancelled by its run before the reply came",
    STOPPED: "its run was stopped before the reply came",
}


class Recorded:
    """Writes every call into the trace, also one that failed, or that was cancelled on the way: what that used is given
    to `count` as well, since nobody gets a reply. `stopped`: whether it is the whole run that is being stopped."""

    def __init__(
        self,
        model: Model,
        record: Callable[[Event], object],
        prompts: PromptDelta,
        count: Callable[[Usage], object] = lambda usage: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._model, self._record, self._prompts = model, record, prompts
        self._count, self._stopped = count, stopped

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            reply = await self._model.chat(request)
        except ModelError as error:
            used = Usage(calls=1, cost_nano_usd=None, latency_s=error.seconds, errors=1, retries=error.retries)
            self._record(self._event(request, Reply("", used, self.card.name), str(error)))
            raise
        except asyncio.CancelledError as cancelled:
            if NOT_SENT not in cancelled.args:
                told = next((used for used in cancelled.args if isinstance(used, Usage)), None)
                used = told or counting.unfinished(request, self.card, round(loop.time() - start, 6))
                self._no_reply(request, used, STOPPED if self._stopped() else CANCELLED)
            raise
        except WasStopped as before:
            self._no_reply(request, before.usage, STOPPED)
            return await self.chat(request)
        for kind, text in reply.notes:
            self._record(Noted(request.agent, kind, text))
        self._record(self._event(request, reply, ""))
        return reply

    def _no_reply(self, request: Request, used: Usage, how: str) -> None:
        self._count(used)
        self._record(self._event(request, Reply("", used, self.card.name, finish_reason=how), NO_REPLY[how]))

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
            "error" if error and reply.finish_reason == "stop" else reply.finish_reason,
            tuple(spec["function"]["name"] for spec in request.tools),
            error,
            reply.fault,
            card.context_window,
            card.kv_bytes and card.kv_bytes * reply.usage.tokens,
            reply.server,
            reply.reasoning,
            reply.sent_as,
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
            least = _least_tokens(request, window)
            if least > window:
                raise ModelError(
                    f"model {self.card.name!r}: the prompt has at least {least:,.0f} tokens and is longer than its "
                    f"context window of {window:,}; it was not sent"
                )
        return await self._model.chat(request)


def _least_tokens(request: Request, window: int) -> float:
    """How many tokens its messages have, at least; their characters where these are few enough to fit."""
    texts = [message.content for message in request.messages]
    characters = sum(map(len, texts))
    return characters if characters <= window else sum(map(memory.tokens_in, texts)) * LEAST_SHARE


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
        return structs.replace(found, usage=Usage(), fault=None, notes=())


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
