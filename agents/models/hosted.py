"""Real models, hosted or on servers of one's own, through LiteLLM: its providers, retries and price table."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from agents.models import cards, endpoint, failures, wire
from agents.models.endpoint import Endpoint, litellm
from agents.models.model import Card, Reply, Request
from traces.errors import ModelError
from traces.kernel import NANO, Usage


class Hosted:
    """Any model under its LiteLLM name (`openai/gpt-4o-mini`, `hosted_vllm/NAME`, `ollama/NAME`).

    `api_base` is the address of a server of one's own (`http://host:8000/v1`); without it the environment's
    HEADCOUNT_API_BASE or the provider's own variables count. `timeout_s` is for one attempt; `retries` is how many
    more are made after a failure that may pass. `extra` goes into every call (temperature, seed, ...).
    Raises ModelError where the name, the address or the key is missing or wrong.
    """

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        timeout_s: float = 120,
        retries: int = 2,
        card: Card | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.endpoint = endpoint.find(name, api_base)
        self._name = name
        self._card = card or cards.card(name, self.endpoint)
        self._timeout_s, self._retries = timeout_s, retries
        self._extra = dict(extra or {})
        self._native_schema = _takes_schema(name, self.endpoint)

    @property
    def card(self) -> Card:
        return self._card

    async def chat(self, request: Request) -> Reply:
        """Raises ModelError when the call failed for good."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        response = await self._complete(request)
        choice = wire.choice(response, self._name)
        return Reply(
            text=choice.message.content or "",
            usage=self._usage(response, loop.time() - start),
            model=self._card.name,
            tool_calls=wire.tool_calls(choice.message.tool_calls),
            finish_reason=choice.finish_reason or "stop",
        )

    async def _complete(self, request: Request) -> Any:
        await _close_with_loop()
        try:
            return await self._send(request)
        except litellm().BadRequestError as error:
            if not (request.schema and self._native_schema and _about_format(error)):
                raise self._explained(error) from None
        except Exception as error:
            raise self._explained(error) from None
        self._native_schema = False
        return await self._complete(request)

    async def _send(self, request: Request) -> Any:
        router = _router(self._name, self.endpoint, self._timeout_s, self._retries)
        arguments = {**self._extra, **wire.body(request, native_schema=self._native_schema)}
        # Without the switch LiteLLM imports its MCP gateway for every call with tools, which needs mcp 2.
        return await router.acompletion(self._name, **arguments, _skip_mcp_handler=True)

    def _explained(self, error: Exception) -> ModelError:
        return failures.explain(error, self._name, self.endpoint, timeout_s=self._timeout_s, retries=self._retries)

    def _usage(self, response: Any, latency_s: float) -> Usage:
        used = getattr(response, "usage", None)
        details = getattr(used, "prompt_tokens_details", None)
        input_tokens = getattr(used, "prompt_tokens", 0) or 0
        output_tokens = getattr(used, "completion_tokens", 0) or 0
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=getattr(details, "cached_tokens", 0) or 0,
            calls=1,
            cost_nano_usd=self._cost(response, input_tokens, output_tokens),
            latency_s=latency_s,
        )

    def _cost(self, response: Any, input_tokens: int, output_tokens: int) -> int | None:
        card = self._card
        if card.input_price is None or card.output_price is None:
            return None
        if self.endpoint.own:
            return round((input_tokens * card.input_price + output_tokens * card.output_price) * NANO / 1_000_000)
        return _list_price(response, self._name)


def _list_price(response: Any, name: str) -> int | None:
    """By LiteLLM's table, which knows the rates for cached tokens and long prompts."""
    try:
        dollars: float = litellm().completion_cost(completion_response=response, model=name)
    except Exception:
        # LiteLLM raises a bare Exception where it has no price for something in the usage: then it is unknown.
        return None
    return round(dollars * NANO)


def _takes_schema(name: str, where: Endpoint) -> bool:
    """Servers of one's own (vLLM, llama.cpp, Ollama) do; should one not, its first answer says so."""
    return where.own or bool(litellm().supports_response_schema(model=name))


def _about_format(error: Exception) -> bool:
    return any(word in str(error) for word in ("response_format", "json_schema"))


@functools.cache
def _router(name: str, where: Endpoint, timeout_s: float, retries: int) -> Any:
    """LiteLLM's own way of calling: it retries what may pass (429, 5xx, lost connections), backs off, and obeys
    Retry-After. One timeout is retried at most once: a server that hangs would cost minutes otherwise."""
    library = litellm()
    policy = library.types.router.RetryPolicy(
        BadRequestErrorRetries=0,
        AuthenticationErrorRetries=0,
        ContentPolicyViolationErrorRetries=0,
        TimeoutErrorRetries=min(retries, 1),
        RateLimitErrorRetries=retries,
        InternalServerErrorRetries=retries,
    )
    call = {"model": name, "timeout": timeout_s, "max_retries": 0}
    if where.api_base is not None:
        call |= {"api_base": where.api_base, "api_key": where.api_key}
    return library.Router(
        model_list=[{"model_name": name, "litellm_params": call}],
        num_retries=retries,
        retry_policy=policy,
        disable_cooldowns=True,
    )


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
