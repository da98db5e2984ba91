"""Real models, hosted or on servers of one's own, through LiteLLM: its providers, routing and price table."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct, field, structs

from agents import memory
from agents.models import abilities, calling, cards, counting, endpoint, failures, probed, wire
from agents.models.abilities import Abilities, Learnt, Shape, Ways
from agents.models.calling import Answer, Target
from agents.models.catalog import Alias
from agents.models.endpoint import Endpoint, litellm
from agents.models.model import UNREAD, Card, Reply, Request, before_sending
from agents.models.places import Limits, Place, Places
from traces import bounds
from traces.errors import ModelError
from traces.kernel import NANO, Usage

MOST_TRIED = 12
"""Ways in which a call that a server refuses is put to it."""
TAUGHT = "server_taught"
"""Kind of the trace's note on what a server was found not to take."""


class Settings(Struct, frozen=True):
    """How a model is called. `extra` goes into every call (temperature, seed, ...). `listed`: its price is LiteLLM's,
    which knows the rates for cached tokens and long prompts, rather than the card's. `learnt_in`: the folder in which
    processes share what they find out about servers."""

    target: Target
    card: Card
    listed: bool = False
    limits: Limits = Limits()
    extra: Mapping[str, Any] = field(default_factory=dict)
    learnt_in: Path | None = None


class Hosted:
    """A model that LiteLLM can call."""

    def __init__(self, settings: Settings) -> None:
        self.card = settings.card
        self.target = settings.target
        self._settings = settings
        self._extra, self._listed = settings.extra, settings.listed
        self._places = Places(settings.limits)
        start = abilities.of_card(self.card, _takes_schema(self.target))
        where = [one.api_base or one.provider for one in self.target.endpoints]
        self.learnt = Learnt(f"{self.target.model} {where}", start, settings.learnt_in)
        self._in_vain: set[Shape] = set()

    @classmethod
    def named(
        cls,
        name: str,
        *,
        api_base: str | None = None,
        timeout_s: float = 120,
        retries: int = 2,
        card: Card | None = None,
        extra: Mapping[str, Any] | None = None,
        stream: bool = False,
        learnt_in: Path | None = None,
    ) -> Hosted:
        """Any model under its LiteLLM name (`openai/gpt-4o-mini`, `hosted_vllm/NAME`, `ollama/NAME`).

        `api_base` is the address of a server of one's own (`http://host:8000/v1`); without it the environment's
        HEADCOUNT_API_BASE or the provider's own variables count. Raises ModelError where the name, the address or the
        key is missing or wrong.
        """
        where = endpoint.find(name, api_base)
        target = Target(name, (where,), timeout_s, retries, stream)
        listed = card is None and not where.own
        card = card or probed.over(cards.card(name, where), name, probed.places((where,)))
        return cls(Settings(target, card, listed, extra=extra or {}, learnt_in=learnt_in))

    @classmethod
    def of(cls, alias: Alias, share: int = 1, learnt_in: Path | None = None) -> Hosted:
        """A model of `models.yaml`, with 1/share of its limits. Raises ModelError as `named` does."""
        entry, endpoints = alias.entry, alias.endpoints()
        target = Target(entry.litellm, endpoints, entry.timeout_s, entry.retries, entry.stream, entry.total_s)
        limits = Limits(entry.at_once, entry.requests_per_minute, entry.tokens_per_minute).share(share)
        listed = entry.card.price is None and not endpoints[0].own
        return cls(Settings(target, alias.card(endpoints), listed, limits, entry.extra, learnt_in))

    def afresh(self, where: Endpoint, *, stream: bool = False, timeout_s: float = 60) -> Hosted:
        """The same model on one of its servers, of which nothing is known yet, or has been said."""
        target = structs.replace(
            self.target, endpoints=(where,), stream=stream, timeout_s=timeout_s, total_s=timeout_s, retries=1
        )
        bare = abilities.unknown(self.card)
        return Hosted(structs.replace(self._settings, target=target, card=bare, limits=Limits(), learnt_in=None))

    async def chat(self, request: Request) -> Reply:
        """Raises ModelError when the call failed for good."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with self._place(request) as place:
            try:
                answer, taught = await self._complete(request)
                reply = wire.reply(answer.response, self.card.name, request, answer.server)
            except calling.Failed as failed:
                if not _is_unread(failed):
                    raise self._explained(failed, loop.time() - start) from None
                answer, taught = calling.unread(self.target, failed), ()
                reply = Reply(failed.heard.words, Usage(), self.card.name, finish_reason=UNREAD, server=answer.server)
        taught = (*taught, *self._ignored(request, reply))
        reply = structs.replace(reply, sent_as=self.learnt.now.said(request))
        reply = self._counted(reply, request, answer, place, loop.time() - start)
        return structs.replace(reply, notes=(*((TAUGHT, words) for words in taught), *reply.notes))

    @contextlib.asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[Place]:
        async with contextlib.AsyncExitStack() as stack:
            with before_sending():
                place = await stack.enter_async_context(self._places.place(sum(map(memory.size, request.messages))))
            yield place

    async def _complete(self, request: Request) -> tuple[Answer, tuple[str, ...]]:
        """What a server refuses is put to it in another way, as long as there is one; what worked is remembered, and
        told in words."""
        await _close_with_loop()
        asked = self.learnt.now
        try:
            return await calling.complete(self.target, self._arguments(request, asked)), ()
        except calling.Failed as failed:
            self.learnt.refresh()
            if self.learnt.now != asked:
                return await self._complete(request)
            return await self._adapted(request, failed)

    async def _adapted(self, request: Request, first: calling.Failed) -> tuple[Answer, tuple[str, ...]]:
        ways = Ways(self.learnt.now, request, guess=Shape.of(request) not in self._in_vain)
        refused, failed = [self._arguments(request, ways.now)], first
        for _ in range(MOST_TRIED):
            if not ways.weaken(failures.kind_of(failed.__cause__, failed.heard), failed.heard.words):
                break
            arguments = self._arguments(request, ways.now)
            if arguments in refused:
                continue
            refused.append(self._arguments(request, ways.now))
            try:
                answer = await calling.complete(self.target, arguments)
            except calling.Failed as again:
                if _is_unread(again):
                    self.learnt.keep(ways.now)
                    raise
                failed = again
                continue
            self.learnt.keep(ways.now)
            return answer, (abilities.lesson(first.heard.words, ways.now),)
        if ways.guessed:
            self._in_vain.add(Shape.of(request))
        raise first

    def _ignored(self, request: Request, reply: Reply) -> tuple[str, ...]:
        """A server that answers a form in prose does not hold its model to the form: from then on it is in the prompt,
        where the model sees it."""
        if request.schema is None or self.learnt.now.schemas in ("json", "prompt"):
            return ()
        if reply.finish_reason != "stop" or reply.tool_calls or not reply.text.strip() or "{" in reply.text:
            return ()
        self.learnt.keep(structs.replace(self.learnt.now, schemas="prompt"))
        return (abilities.lesson("(a form was answered in prose)", self.learnt.now),)

    def _arguments(self, request: Request, server: Abilities) -> dict[str, Any]:
        counts = {"stream_options": {"include_usage": True}} if self.target.stream and server.stream_usage else {}
        return {**self._extra, **counts, **wire.body(request, server)}

    def _explained(self, failed: calling.Failed, seconds: float) -> ModelError:
        assert isinstance(failed.__cause__, Exception)
        message = failures.explain(failed.__cause__, failed.heard, self.card.name, self.target, failed.retries)
        passing = failures.kind_of(failed.__cause__, failed.heard) in failures.PASSING
        return ModelError(message, retries=failed.retries, seconds=seconds, passing=passing)

    def _counted(self, reply: Reply, request: Request, answer: Answer, place: Place, latency_s: float) -> Reply:
        """The reply with what the call used: as the server counted, or, where that cannot be, by our own count."""
        used = getattr(answer.response, "usage", None) if answer.counted else None
        read = counting.plausible(getattr(used, "prompt_tokens", None), counting.characters(request))
        written = counting.plausible(getattr(used, "completion_tokens", None), counting.characters_of(reply))
        measured = read is not None and written is not None
        if read is None or written is None:
            read, written = counting.prompt_tokens(request), counting.reply_tokens(reply)
        cached = getattr(getattr(used, "prompt_tokens_details", None), "cached_tokens", None)
        usage = Usage(
            input_tokens=read,
            output_tokens=written,
            cached_tokens=cached if measured and bounds.is_count(cached, read) else 0,
            calls=1,
            cost_nano_usd=self._cost(answer.response if measured else None, read, written, place.busy_s),
            latency_s=latency_s,
            queue_s=place.queue_s,
            first_token_s=answer.first_token_s,
            retries=answer.retries,
            origin="measured" if measured else "estimated",
        )
        notes = () if measured else (("usage_estimated", counting.ESTIMATED),)
        return structs.replace(reply, usage=usage, notes=notes)

    def _cost(self, response: Any, input_tokens: int, output_tokens: int, busy_s: float) -> int | None:
        if self._listed and response is not None and self.card.price.known:
            return _list_price(response, self.target.model)
        return counting.price_of(self.card, input_tokens, output_tokens, busy_s)


def _is_unread(failed: calling.Failed) -> bool:
    """Whether the server took the call, but could not read what its model wrote."""
    return failures.kind_of(failed.__cause__, failed.heard) is failures.Kind.UNREAD


def _list_price(response: Any, name: str) -> int | None:
    try:
        dollars: float = litellm().completion_cost(completion_response=response, model=name)
    except Exception:
        # LiteLLM raises a bare Exception where it has no price for something in the usage: then it is unknown.
        return None
    return round(dollars * NANO)


def _takes_schema(target: Target) -> bool:
    """Servers of one's own (vLLM, llama.cpp, Ollama) do; should one not, its first answer says so."""
    return target.endpoints[0].own or bool(litellm().supports_response_schema(model=target.model))


_closers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()


async def _close_with_loop() -> None:
    """Have LiteLLM's connections closed when the running event loop ends: asyncio then closes open generators."""
    loop = asyncio.get_running_loop()
    if loop not in _closers:
        _closers[loop] = _connections()
        await anext(_closers[loop])


async def _connections() -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        library = litellm()
        with contextlib.suppress(RuntimeError):
            await library.close_litellm_async_clients()
        library.in_memory_llm_clients_cache.flush_cache()
