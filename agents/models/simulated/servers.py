"""Simulated GPU servers: calls queue for a slot, and share a replica's speed, on the event loop's clock."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from msgspec import Struct
from pydantic import Field

from agents.models.places import per_minute
from tasks.case import Strict

SLOTS = 8
ENDLESS = 10_000
"""Calls at a time on a hosted API: more than anybody sees."""


class Load(Strict):
    """What other users ask of the same servers: calls arrive at random (Poisson), with lengths around these means."""

    calls_per_s: float = Field(default=0, ge=0)
    input_tokens: float = Field(default=1500, gt=0)
    output_tokens: float = Field(default=250, gt=0)


class Servers(Strict):
    """`replicas` servers with `slots` calls at a time each; more wait, first come, first served. With n calls on a
    replica, each runs at 1 / (1 + batch_slowdown * (n - 1)) of its speed alone. `network_s` goes there and back.
    `requests_per_minute` and `tokens_per_minute` are a hosted API's limits: with one of them the slots are without end,
    unless given. `gpu_hour` is USD for an hour of one replica."""

    replicas: int = Field(default=1, gt=0)
    slots: int | None = Field(default=None, gt=0)
    batch_slowdown: float = Field(default=0, ge=0)
    network_s: float = Field(default=0, ge=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    gpu_hour: float | None = Field(default=None, ge=0)
    load: Load = Load()

    @property
    def limited(self) -> bool:
        """Whether it is a hosted API, with a limit on what it takes in a minute."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    @property
    def places(self) -> int:
        """Calls at a time on each replica."""
        return self.slots or (ENDLESS if self.limited else SLOTS)


class Service(Struct, frozen=True):
    """Seconds that a call waited for a slot, that it then took, and its share of them: n calls at a time on a replica
    have 1/n each."""

    queue_s: float
    service_s: float
    share_s: float


class Pool:
    """The servers at work."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._replicas = [_Replica(servers.batch_slowdown) for _ in range(servers.replicas)]
        self._waiting: deque[asyncio.Future[_Replica]] = deque()
        self._requests = per_minute(servers.requests_per_minute)
        self._tokens = per_minute(servers.tokens_per_minute)

    async def serve(self, work_s: float, tokens: int = 0) -> Service:
        """Take a call of so many tokens that needs `work_s` seconds on an idle replica."""
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            await self._tokens.acquire(tokens)
        replica = await self._slot()
        started = loop.time()
        try:
            share = await replica.work(work_s)
        finally:
            self._free(replica)
        network = self.servers.network_s
        if network:
            await asyncio.sleep(network)
        return Service(started - arrived, loop.time() - started, share)

    async def _slot(self) -> _Replica:
        replica = min(self._replicas, key=lambda r: r.taken)
        if replica.taken < self.servers.places:
            replica.taken += 1
            return replica
        place: asyncio.Future[_Replica] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._free(place.result())
            raise

    def _free(self, replica: _Replica) -> None:
        """The slot goes to whoever has waited longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(replica)
                return
        replica.taken -= 1

    async def open_to_others(self, mean_work_s: float, rng: random.Random) -> asyncio.Task[None]:
        """Have other users' calls on it: those that are there already, and those that will come until the task that is
        returned is cancelled (Poisson, of exponential length)."""
        rate = self.servers.load.calls_per_s
        there = self.fill(rate, mean_work_s, rng)
        await asyncio.sleep(0)
        return asyncio.ensure_future(self._keep_coming(there, rate, mean_work_s, rng))

    async def _keep_coming(
        self, under_way: set[asyncio.Task[Service]], rate: float, mean_work_s: float, rng: random.Random
    ) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(rate))
            under_way = {task for task in under_way if not task.done()} | self._take(1, mean_work_s, rng)

    def fill(self, calls_per_s: float, mean_work_s: float, rng: random.Random) -> set[asyncio.Task[Service]]:
        """As many calls as are there at a random moment, where so many come a second."""
        return self._take(in_system(self.servers, calls_per_s, mean_work_s, rng), mean_work_s, rng)

    def _take(self, calls: int, mean_work_s: float, rng: random.Random) -> set[asyncio.Task[Service]]:
        tokens = round(self.servers.load.input_tokens + self.servers.load.output_tokens)
        return {asyncio.ensure_future(self.serve(rng.expovariate(1 / mean_work_s), tokens)) for _ in range(calls)}

    def utilisation(self, seconds: float) -> float:
        """The share of slot-time that was taken over the so many seconds since it began."""
        taken = sum(replica.taken_s() for replica in self._replicas)
        return taken / (seconds * self.servers.replicas * self.servers.places) if seconds else 0.0


class _Replica:
    """One server: its calls run at the same time, each as fast as their number lets it (processor sharing)."""

    def __init__(self, slowdown: float) -> None:
        self.taken = 0
        self._slot_s = 0.0
        self._slowdown = slowdown
        self._left: dict[asyncio.Future[None], float] = {}
        self._since, self._shared = 0.0, 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def work(self, seconds: float) -> float:
        """Its share of the time until it is done."""
        self._advance()
        entered = self._shared
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left[done] = seconds
        self._schedule()
        try:
            await done
        finally:
            if done in self._left:
                self._advance()
                del self._left[done]
                self._schedule()
        return self._shared - entered

    def taken_s(self) -> float:
        """Slot-seconds that calls have had so far."""
        self._advance()
        return self._slot_s

    def _speed(self) -> float:
        return 1 / (1 + self._slowdown * max(0, len(self._left) - 1))

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        passed = now - self._since
        self._slot_s += passed * len(self._left)
        if self._left and passed:
            self._shared += passed / len(self._left)
            step = passed * self._speed()
            for call in self._left:
                self._left[call] -= step
        self._since = now

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._left:
            soonest = max(0.0, min(self._left.values())) / self._speed()
            self._timer = asyncio.get_running_loop().call_later(soonest, self._finish)

    def _finish(self) -> None:
        self._advance()
        for call in [call for call, left in self._left.items() if left <= 1e-9]:
            del self._left[call]
            if not call.done():
                call.set_result(None)
        self._schedule()


def in_system(servers: Servers, calls_per_s: float, mean_work_s: float, rng: random.Random) -> int:
    """How many calls of other users are there at a random moment: drawn from the stationary distribution of the
    birth-death process with Poisson arrivals and exponential work (Kleinrock 1975, Queueing Systems I, section 3.2).

    The share of replicas' slots that k calls take is spread evenly. Without a stationary distribution (more load
    than the servers can take) the slots are all taken, and none waits yet.
    """
    places = servers.replicas * servers.places
    weight, weights = 1.0, [1.0]
    for k in range(1, 20 * places + 2000):
        busy = min(k, places)
        per_replica = busy / servers.replicas
        rate = busy / mean_work_s / (1 + servers.batch_slowdown * max(0.0, per_replica - 1))
        weight *= calls_per_s / rate
        weights.append(weight)
        if weight < 1e-9 * max(weights):
            break
    else:
        return places
    return rng.choices(range(len(weights)), weights)[0]
