"""The bus beside autogen-core's runtime and a bare asyncio.Queue: messages a second of CPU time, in one run.

python -m benchmarks.bus [--json]

All of it is one thread that never waits, so that on an idle machine a second of CPU time is a second; on a busy one it
does not count what else the machine does. Those who are compared take turns, and the best of five counts.
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


TURNS = 5

Work = Callable[[], Awaitable[None]]


def measure() -> Iterator[Figure]:
    pairs = 2 * ROUNDS
    works: dict[Work, int] = {_queue: pairs, _autogen_direct: pairs // 10, _bus_direct: pairs, _bus_recorded: pairs}
    queue, autogen, ours, recorded = _rates(works)
    yield Figure("bus ping-pong against autogen-core", ours, "msg/s", autogen)
    yield Figure("bus ping-pong against asyncio.Queue", ours, "msg/s", queue)
    yield Figure("bus ping-pong, recorded", recorded, "msg/s", queue)
    fanned, ours = _rates({_autogen_fan: FAN * CASTS // 10, _bus_fan: FAN * CASTS})
    yield Figure("bus 1 to 100 against autogen-core", ours, "msg/s", fanned)


def _rates(works: dict[Work, int]) -> list[float]:
    """Of each work with so many messages: the most of them that it did in a second."""

    async def timed(work: Work) -> float:
        start = time.process_time()
        await work()
        return works[work] / (time.process_time() - start)

    turns = [[asyncio.run(timed(work)) for work in works] for _ in range(TURNS)]
    return [max(rates) for rates in zip(*turns, strict=True)]


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
