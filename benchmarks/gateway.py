"""What calling a real model through Hosted costs over calling LiteLLM directly.

Both call the same stand-in server (another process, on 127.0.0.1) in turn, batch by batch, one call at a time and
eight at once. Hosted adds retries that obey Retry-After, closing of connections, prices and our types.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.report import Figure, main

CALLS = 64  # in a batch
BATCHES = 9

Call = Callable[[], Awaitable[Any]]


def _serve(pipe: Connection) -> None:
    from tests.standin import Standin, text

    with Standin([text("hello")]) as server:
        pipe.send(server.url)
        pipe.recv()


def _callers(base: str) -> tuple[Call, Call]:
    """Hosted, and LiteLLM by itself, with the same prompt."""
    from agents.models.endpoint import litellm
    from agents.models.hosted import Hosted
    from agents.models.model import Request
    from traces.kernel import ChatMessage

    model = Hosted.named("openai/standin", api_base=base)
    request = Request("agent", (ChatMessage("user", "hi"),))
    prompt = [{"role": "user", "content": "hi"}]
    library = litellm()

    async def ours() -> None:
        await model.chat(request)

    async def bare() -> None:
        await library.acompletion("openai/standin", messages=prompt, api_base=base, api_key="none")

    return ours, bare


async def _batch(call: Call, at_once: int) -> float:
    """Milliseconds a call."""

    async def worker() -> None:
        for _ in range(CALLS // at_once):
            await call()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.perf_counter() - start) / CALLS * 1000


async def _compare(base: str) -> list[Figure]:
    ours, bare = _callers(base)
    await _batch(ours, 8)
    await _batch(bare, 8)
    figures = []
    for at_once in (1, 8):
        pairs = [(await _batch(ours, at_once), await _batch(bare, at_once)) for _ in range(BATCHES)]
        value, baseline = (statistics.median(side) for side in zip(*pairs, strict=True))
        figures.append(Figure(f"gateway: one call, {at_once} at once", value, "ms", baseline))
    return figures


def measure() -> Iterator[Figure]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        yield from asyncio.run(_compare(here.recv()))
    finally:
        here.send("done")
        server.join()


if __name__ == "__main__":
    main(measure, "What calling a real model through Hosted costs over calling LiteLLM directly.")
