"""Simulated calls a second through fitting, recorder and meter, on one core; and the local server's tokens a second
through Headcount beside bare HTTP to the same server, at 1, 2, 4 and 8 requests at a time."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.report import Figure, main

CALLS = 20_000
BATCHES = 5
TOKENS = 24

Ask = Callable[[int], Awaitable[int]]


def _simulated() -> list[Figure]:
    """The first request of a case, each recorded to a journal: calls in a second of time, and in one of this core."""
    from agents.models import table
    from agents.models.model import Request
    from agents.models.wrappers import Fitting, Meter, Metered, Recorded
    from tasks import scenario
    from traces import clock
    from traces.journal import Journal
    from traces.kernel import Budget, ChatMessage
    from traces.prompts import PromptDelta
    from traces.recorder import Recorder

    case = scenario.load("market_brief").cases[0]
    request = Request("agent", (ChatMessage("system", "Be brief."), ChatMessage("user", case.request)))

    async def run(journal: Journal) -> tuple[float, float]:
        recorder = Recorder(0, journal)
        model = table.resolve("sim:medium")(case, 1, 0)
        metered = Metered(Recorded(Fitting(model), recorder.record, PromptDelta()), Meter(Budget(), recorder.record))
        start, used = time.perf_counter(), time.process_time()
        for _ in range(CALLS):
            await metered.chat(request)
        return CALLS / (time.perf_counter() - start), CALLS / (time.process_time() - used)

    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl") as journal:
        rates = [clock.run(run(journal), virtual=True) for _ in range(BATCHES)]
    names = ("simulated calls a second, recorded and metered", "the same in a second of processor time")
    values = [statistics.median(side) for side in zip(*rates, strict=True)]
    return [Figure(name, value, "calls/s") for name, value in zip(names, values, strict=True)]


async def _rate(ask: Ask, at_once: int, first: int) -> float:
    """Tokens a second of 2 x at_once requests, each with another prompt."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> int:
        async with places:
            return await ask(number)

    start = time.perf_counter()
    tokens = await asyncio.gather(*(one(first + number) for number in range(2 * at_once)))
    return sum(tokens) / (time.perf_counter() - start)


async def _local() -> list[Figure]:
    import httpx

    from agents.models import gguf, local
    from agents.models.model import Request
    from traces.kernel import ChatMessage

    model = local.shipped()
    base = gguf.serve(model.weights)

    async def ours(number: int) -> int:
        request = Request("agent", (ChatMessage("user", f"{number}: say something"),), max_tokens=TOKENS)
        return (await model.chat(request)).usage.output_tokens

    figures = []
    async with httpx.AsyncClient(timeout=300) as client:

        async def bare(number: int) -> int:
            message = {"role": "user", "content": f"{number}: say something"}
            body = {"model": "local", "messages": [message], "max_tokens": TOKENS, "temperature": 0, "seed": 1}
            response = await client.post(f"{base}/chat/completions", json=body)
            return int(response.json()["usage"]["completion_tokens"])

        await ours(0), await bare(0)
        for at_once in (1, 2, 4, 8):
            rates = [
                (await _rate(ours, at_once, 1000 * i), await _rate(bare, at_once, 1000 * i + 500))
                for i in range(1, BATCHES + 1)
            ]
            value, baseline = (statistics.median(side) for side in zip(*rates, strict=True))
            figures.append(Figure(f"local model: {at_once} at a time", value, "tokens/s", baseline))
    return figures


def measure() -> Iterator[Figure]:
    yield from _simulated()
    yield from asyncio.run(_local())


if __name__ == "__main__":
    main(measure, "Simulated calls a second; the local server through Headcount and bare.")
