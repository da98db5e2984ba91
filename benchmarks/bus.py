"""The bus beside autogen-core's runtime and a bare asyncio.Queue: messages a second, in one run.

python -m benchmarks.bus [--json]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    message_handler,
)

from benchmarks.report import Figure, main
from marketplace.bus import Bus
from traces.recorder import Recorder

ROUNDS = 20_000
FAN = 100
CASTS = 200


def measure() -> Iterator[Figure]:
    queue = _rate(_queue, 2 * ROUNDS)
    autogen = _rate(_autogen_direct, 2 * ROUNDS // 10)
    ours = _rate(_bus_direct, 2 * ROUNDS)
    yield Figure("bus ping-pong against autogen-core", ours, "msg/s", autogen)
    yield Figure("bus ping-pong against asyncio.Queue", ours, "msg/s", queue)
    yield Figure("bus ping-pong, recorded", _rate(_bus_recorded, 2 * ROUNDS), "msg/s", queue)
    fanned = _rate(_autogen_fan, FAN * CASTS // 10)
    yield Figure("bus 1 to 100 against autogen-core", _rate(_bus_fan, FAN * CASTS), "msg/s", fanned)


def _rate(work: Callable[[], Awaitable[None]], messages: int) -> float:
    async def timed() -> float:
        start = time.perf_counter()
        await work()
        return messages / (time.perf_counter() - start)

    return max(asyncio.run(timed()) for _ in range(3))


async def _queue() -> None:
    there: asyncio.Queue[str] = asyncio.Queue()
    back: asyncio.Queue[str] = asyncio.Queue()

    async def echo() -> None:
        for _ in range(ROUNDS):
            back.put_nowait(await there.get())

    task = asyncio.create_task(echo())
    for _ in range(ROUNDS):
        there.put_nowait("ping")
        await back.get()
    await task


async def _bus_direct() -> None:
    await _ping_pong(Bus(lambda event: None))


async def _bus_recorded() -> None:
    await _ping_pong(Bus(Recorder(0).record))


async def _ping_pong(bus: Bus) -> None:
    bus.join("a")
    bus.join("b")

    async def echo() -> None:
        for _ in range(ROUNDS):
            await bus.receive("b")
            bus.send("b", "pong", to="a")

    task = asyncio.create_task(echo())
    for _ in range(ROUNDS):
        bus.send("a", "ping", to="b")
        await bus.receive("a")
    await task


async def _bus_fan() -> None:
    bus = Bus(lambda event: None)
    bus.join("source")
    for n in range(FAN):
        bus.join(f"w{n}", topics=["news"])

    async def hear(name: str) -> None:
        for _ in range(CASTS):
            await bus.receive(name)

    async with asyncio.TaskGroup() as group:
        for n in range(FAN):
            group.create_task(hear(f"w{n}"))
        for _ in range(CASTS):
            bus.send("source", "news", topic="news")
            await asyncio.sleep(0)


@dataclass
class Ping:
    text: str


async def _autogen_direct() -> None:
    class Echo(RoutedAgent):
        @message_handler
        async def answer(self, message: Ping, ctx: MessageContext) -> Ping:
            return message

    runtime = SingleThreadedAgentRuntime()
    await Echo.register(runtime, "echo", lambda: Echo("echo"))
    runtime.start()
    for _ in range(ROUNDS // 10):
        await runtime.send_message(Ping("ping"), AgentId("echo", "default"))
    await runtime.stop_when_idle()


async def _autogen_fan() -> None:
    class Ear(RoutedAgent):
        @message_handler
        async def hear(self, message: Ping, ctx: MessageContext) -> None:
            return None

    runtime = SingleThreadedAgentRuntime()
    for n in range(FAN):
        await Ear.register(runtime, f"ear{n}", lambda: Ear("ear"))
        await runtime.add_subscription(TypeSubscription("news", f"ear{n}"))
    runtime.start()
    for _ in range(CASTS // 10):
        await runtime.publish_message(Ping("news"), DefaultTopicId(type="news", source="default"))
    await runtime.stop_when_idle()


if __name__ == "__main__":
    main(measure, __doc__ or "")
