"""One call to a real model: which server takes it, what is tried again, and what was seen on the way."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from agents.models import failures
from agents.models.endpoint import Endpoint, litellm
from agents.models.transport import Heard, listening

STREAMED = 5
COOLDOWN_S = 15.0
"""For how long a server that has failed is left alone where there is another."""


class Target(Struct, frozen=True):
    """A LiteLLM model name and where it is served; with several places, LiteLLM's Router picks one for each attempt.
    `timeout_s` is the longest that an attempt may say nothing, `total_s` the longest that it may take to its end,
    whatever comes meanwhile (None: `timeout_s` for a reply that comes whole, STREAMED times that for a stream);
    `retries` is how many more are made after a failure that may pass."""

    model: str
    endpoints: tuple[Endpoint, ...]
    timeout_s: float = 120
    retries: int = 2
    stream: bool = False
    total_s: float | None = None

    @property
    def deadline_s(self) -> float:
        """Seconds from an attempt's start to its end, at most."""
        return self.total_s or self.timeout_s * (STREAMED if self.stream else 1)


class Answer(Struct):
    """`first_token_s`: seconds from the attempt's start to its first token; 0 where the reply came whole. `counted`:
    the usage is the server's own, not LiteLLM's guess."""

    response: Any
    server: str
    retries: int
    first_token_s: float = 0.0
    counted: bool = True


class Failed(Exception):
    """It failed for good; `__cause__` says how, and `heard` what the server said."""

    def __init__(self, retries: int, heard: Heard) -> None:
        self.retries, self.heard = retries, heard
        super().__init__()


async def complete(target: Target, arguments: dict[str, Any]) -> Answer:
    """What may pass (429, 5xx, lost connections, cut streams) is tried again after a growing pause that obeys
    Retry-After; a timeout only once, since a server that hangs would cost minutes. Raises Failed."""
    tried, heard = 0, Heard()
    attempts = AsyncRetrying(
        retry=retry_if_exception(lambda error: _may_pass(error, heard)),
        stop=_Stop(target.retries),
        wait=_Wait(target.retries),
        reraise=True,
    )
    try:
        async for attempt in attempts:
            with attempt, listening() as heard:
                tried = attempt.retry_state.attempt_number - 1
                answer = await _once(target, arguments)
                answer.retries, answer.counted = tried, heard.counted
                if not heard.streamed:
                    answer.first_token_s = 0.0
        return answer
    except Exception as error:
        raise Failed(tried, heard) from error


def unread(target: Target, failed: Failed) -> Answer:
    """The answer of a server that could not read what its model wrote: there is none, but the call was used."""
    return Answer(None, _server(target, None), failed.retries, counted=False)


async def _once(target: Target, arguments: dict[str, Any]) -> Answer:
    """One attempt. It has an end, also with a server that never stops sending: LiteLLM's timeout is for silence."""
    try:
        async with asyncio.timeout(target.deadline_s) as deadline:
            return await _attempt(target, arguments)
    except TimeoutError:
        if not deadline.expired():
            raise
        provider = target.endpoints[0].provider
        message = f"no whole reply within {target.deadline_s:g} s"
        raise litellm().Timeout(message, model=target.model, llm_provider=provider) from None


async def _attempt(target: Target, arguments: dict[str, Any]) -> Answer:
    start = asyncio.get_running_loop().time()
    if target.stream:
        arguments = {**arguments, "stream": True}
    response = await _send(target, arguments)
    server = _server(target, response)
    if not target.stream:
        return Answer(response, server, 0)
    chunks, first = [], 0.0
    async for chunk in response:
        first = first or asyncio.get_running_loop().time() - start
        chunks.append(chunk)
    if getattr(response, "received_finish_reason", "stop") is None:  # LiteLLM takes silence for an end
        message = "connection error: the stream was cut before its end"
        raise litellm().APIConnectionError(message, llm_provider=target.endpoints[0].provider, model=target.model)
    whole = litellm().stream_chunk_builder(chunks, messages=arguments["messages"])
    return Answer(whole, server, 0, first)


async def _send(target: Target, arguments: dict[str, Any]) -> Any:
    # Without the switch LiteLLM imports its MCP gateway for every call with tools, which needs mcp 2.
    if len(target.endpoints) > 1:
        return await _router(target).acompletion(target.model, **arguments, _skip_mcp_handler=True)
    address = _address(target.endpoints[0])
    # What LiteLLM's Router adds to a call, about a millisecond, is only spent where there is a choice to make.
    return await litellm().acompletion(
        target.model, **arguments, **address, timeout=target.timeout_s, max_retries=0, _skip_mcp_handler=True
    )


def _address(where: Endpoint) -> dict[str, Any]:
    known = {"api_base": where.api_base, "api_key": where.api_key}
    return {name: value for name, value in known.items() if value is not None}


def _server(target: Target, response: Any) -> str:
    if len(target.endpoints) > 1:
        hidden = getattr(response, "_hidden_params", None) or {}
        return str(hidden.get("model_id") or hidden.get("api_base") or "")
    return target.endpoints[0].api_base or target.endpoints[0].provider


@functools.cache
def _router(target: Target) -> Any:
    """Its servers take turns by chance; one that fails is left alone for a while."""
    servers = [
        {
            "model_name": target.model,
            "litellm_params": {"model": target.model, "timeout": target.timeout_s, "max_retries": 0, **_address(where)},
            "model_info": {"id": where.api_base or where.provider},
        }
        for where in target.endpoints
    ]
    return litellm().Router(model_list=servers, num_retries=0, allowed_fails=0, cooldown_time=COOLDOWN_S)


def _may_pass(error: BaseException, heard: Heard) -> bool:
    kinds = litellm()
    if failures.kind_of(error, heard) in failures.FINAL:
        return False
    if heard.odd is not None:
        return bool(kinds._should_retry(heard.odd.status))
    if isinstance(error, kinds.ContextWindowExceededError | kinds.BadRequestError):
        return False
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and bool(kinds._should_retry(status))


class _Stop(stop_base):
    def __init__(self, retries: int) -> None:
        self._retries = retries

    def __call__(self, state: RetryCallState) -> bool:
        hung = isinstance(state.outcome and state.outcome.exception(), litellm().Timeout)
        return state.attempt_number > (min(self._retries, 1) if hung else self._retries)


class _Wait(wait_base):
    def __init__(self, retries: int) -> None:
        self._retries = retries

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        headers = getattr(error, "litellm_response_headers", None) or getattr(
            getattr(error, "response", None), "headers", None
        )
        left = self._retries - state.attempt_number + 1
        return float(litellm()._calculate_retry_after(left, self._retries, headers))
