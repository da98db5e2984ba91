"""What a pool of simulated servers can take: latency, waiting, use and cost over replicas, load and speed."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct, structs

from agents.models.simulated import serving
from agents.models.simulated.profile import Profile
from agents.models.simulated.servers import Pool, Servers
from experiments.servers import queueing
from traces import clock
from traces.kernel import Usage
from traces.streams import stream

RUNS = 6
"""Independent simulations of each point: intervals are those of their means."""
WARM_UP = 0.1
"""The share of a simulation that is left out at its beginning."""

FULL = 0.98
"""The share of what a pool can serve from which on it counts as saturated: the mean wait that theory knows there takes
longer to come about than anybody's load stays the same."""

Unit = Literal["requests/s", "agents"]


class Lengths(Struct, frozen=True):
    """Requests' lengths in tokens: `pairs` of prompt and reply as they were recorded, each as likely as the others; or,
    where `exponential`, one pair of means, around which a request's whole work is exponential. `of` says whose."""

    pairs: tuple[tuple[int, int], ...]
    exponential: bool
    of: str

    @property
    def mean(self) -> tuple[float, float]:
        return statistics.fmean(p for p, _ in self.pairs), statistics.fmean(r for _, r in self.pairs)

    def draw(self, profile: Profile, rng: random.Random) -> Usage:
        """A request, as it would be on an idle server."""
        if self.exponential:
            factor = rng.expovariate(1)
            usage = serving.alone(profile, *self.pairs[0], factor)
            read, written = (round(factor * tokens) for tokens in self.pairs[0])
            cost = round(factor * (usage.cost_nano_usd or 0))
            return structs.replace(usage, input_tokens=read, output_tokens=written, cost_nano_usd=cost)
        jitter = profile.speed.jitter
        return serving.alone(profile, *rng.choice(self.pairs), rng.lognormvariate(0, jitter) if jitter else 1.0)

    def work(self, profile: Profile) -> tuple[float, float]:
        """Mean seconds of a request alone, and its squared coefficient of variation."""
        works = [serving.mean_work(profile, *pair) for pair in self.pairs]
        if self.exponential:
            return works[0], 1.0
        spread = math.exp(profile.speed.jitter**2)
        first, second = statistics.fmean(works) * math.sqrt(spread), statistics.fmean(w * w for w in works) * spread**2
        return first, second / first**2 - 1


class Demand(Struct, frozen=True):
    """How much is asked: so many `requests/s` that come at random (Poisson), or so many `agents` at once, each of which
    asks again `pause_s` (exponential, on average) after it has its reply."""

    amount: float
    unit: Unit = "requests/s"
    pause_s: float = 0.0


class Percentiles(Struct, frozen=True):
    """Seconds."""

    p50: float
    p95: float
    p99: float


class Mean(Struct, frozen=True):
    """A mean with its 95 % interval, from independent simulations."""

    value: float
    low: float
    high: float


class Point(Struct, frozen=True):
    """One pool under one demand. `saturated`: as much is asked as it can serve (FULL of it), or more; it has no latency
    then, since the queue grows for as long as that goes on.

    `latency` and `first_token` are from when the request was made, waiting included. `utilisation`: the share of slots
    taken, on average; for a hosted API the share of its limit. `usd_per_hour` and `usd_per_request`: the rent of the
    replicas, idle time included; without a price for a GPU hour, what the tokens cost. `theory_s`: the mean wait by
    Erlang C (see `queueing.mean_wait`), where its assumptions hold; `exact` where it is no approximation."""

    replicas: int
    speed: float
    demand: Demand
    most_per_s: float
    saturated: bool
    served_per_s: float
    utilisation: float
    tokens_per_s: float
    usd_per_request: float
    usd_per_hour: float
    mean_latency_s: float | None = None
    latency: Percentiles | None = None
    first_token: Percentiles | None = None
    wait: Percentiles | None = None
    mean_wait: Mean | None = None
    p95: Mean | None = None
    theory_s: float | None = None
    exact: bool = False

    @property
    def usd_per_1000(self) -> float:
        return 1000 * self.usd_per_request


class Setting(Struct, frozen=True):
    """What is simulated: a profile (its `servers` without replicas), requests, how many of them in each simulation, and
    the seed. Equal seeds ask the same of every pool."""

    profile: Profile
    lengths: Lengths
    requests: int = 1500
    seed: int = 1


def point(setting: Setting, replicas: int, speed: float, demand: Demand) -> Point:
    profile = faster(setting.profile, speed, replicas)
    servers = _servers(profile)
    most = most_per_s(profile, setting.lengths)
    if demand.unit == "requests/s" and demand.amount >= FULL * most:
        return _saturated(setting, profile, speed, demand, most)
    runs = [_run(setting, profile, demand, number) for number in range(RUNS)]
    calls = [call for run in runs for call in run.calls]
    rate = demand.amount if demand.unit == "requests/s" else statistics.fmean(run.per_s for run in runs)
    used = rate / most if servers.limited else statistics.fmean(run.utilisation for run in runs)
    metered = statistics.fmean(call.cost_usd or 0.0 for call in calls)
    theory, exact = _theory(profile, setting.lengths, demand)
    hour = _rent(servers)
    return Point(
        replicas,
        speed,
        demand,
        most,
        False,
        rate,
        used,
        rate * statistics.fmean(call.output_tokens for call in calls),
        metered if hour is None else hour / 3600 / rate,
        3600 * rate * metered if hour is None else hour,
        statistics.fmean(call.latency_s for call in calls),
        _percentiles([call.latency_s for call in calls]),
        _percentiles([call.queue_s + call.first_token_s for call in calls]),
        _percentiles([call.queue_s for call in calls]),
        _mean([statistics.fmean(call.queue_s for call in run.calls) for run in runs]),
        _mean([float(np.quantile([call.latency_s for call in run.calls], 0.95)) for run in runs]),
        theory,
        exact,
    )


def faster(profile: Profile, speed: float, replicas: int) -> Profile:
    """The profile on so many replicas, each `speed` times as fast."""
    own = profile.speed
    scaled = own.model_copy(
        update={
            "first_token_s": own.first_token_s / speed,
            "prefill_tps": own.prefill_tps * speed,
            "decode_tps": own.decode_tps * speed,
        }
    )
    servers = _servers(profile).model_copy(update={"replicas": replicas})
    return profile.model_copy(update={"speed": scaled, "servers": servers})


def most_per_s(profile: Profile, lengths: Lengths) -> float:
    """Requests a second that its servers can serve for good."""
    servers = _servers(profile)
    mean, _ = lengths.work(profile)
    limits = [servers.replicas * servers.places / (1 + servers.batch_slowdown * (servers.places - 1)) / mean]
    if servers.requests_per_minute is not None:
        limits.append(servers.requests_per_minute / 60)
    if servers.tokens_per_minute is not None:
        limits.append(servers.tokens_per_minute / 60 / sum(lengths.mean))
    return min(limits)


def alone_p95(setting: Setting, speed: float) -> float:
    """Seconds within which 95 % of requests are done where nobody else asks."""
    profile, rng = faster(setting.profile, speed, 1), stream(setting.seed, "alone")
    drawn = [setting.lengths.draw(profile, rng).latency_s for _ in range(4000)]
    return float(np.quantile(drawn, 0.95)) + _servers(profile).network_s


def _servers(profile: Profile) -> Servers:
    return profile.servers or Servers()


def _rent(servers: Servers) -> float | None:
    return None if servers.gpu_hour is None else servers.gpu_hour * servers.replicas


def _saturated(setting: Setting, profile: Profile, speed: float, demand: Demand, most: float) -> Point:
    """What it serves when it has always more to do than it can."""
    read, written = setting.lengths.mean
    price, hour = profile.price, _rent(_servers(profile))
    metered = (read * price.input + written * price.output) / 1e6
    per_request, per_hour = (metered, 3600 * most * metered) if hour is None else (hour / 3600 / most, hour)
    replicas = _servers(profile).replicas
    return Point(replicas, speed, demand, most, True, most, 1.0, most * written, per_request, per_hour)


def _theory(profile: Profile, lengths: Lengths, demand: Demand) -> tuple[float | None, bool]:
    """Erlang C wants calls that come at random, and slots that neither slow each other nor wait for a limit."""
    servers = _servers(profile)
    if demand.unit != "requests/s" or servers.limited or servers.batch_slowdown:
        return None, False
    mean, variation = lengths.work(profile)
    places = servers.replicas * servers.places
    return queueing.mean_wait(places, demand.amount, mean, variation), lengths.exponential or places == 1


# --- one simulation ----------------------------------------------------------------------------------------------


class _Run(Struct, frozen=True):
    """The calls of one simulation after its warm-up; requests served a second, and the share of slots taken."""

    calls: list[Usage]
    per_s: float
    utilisation: float


def _run(setting: Setting, profile: Profile, demand: Demand, number: int) -> _Run:
    simulate = _arriving if demand.unit == "requests/s" else _returning
    return clock.run(simulate(setting, profile, demand, number), virtual=True)


async def _arriving(setting: Setting, profile: Profile, demand: Demand, number: int) -> _Run:
    """Calls come whether or not others are done. Those that a steady state has are there from the start."""
    pool, lengths, loop = Pool(_servers(profile)), setting.lengths, asyncio.get_running_loop()
    times, sizes = (stream(setting.seed, number, what) for what in ("times", "sizes"))
    pool.fill(demand.amount, lengths.work(profile)[0], stream(setting.seed, number, "there"))
    await asyncio.sleep(0)
    tasks = []
    for _ in range(setting.requests):
        await asyncio.sleep(times.expovariate(demand.amount))
        tasks.append(asyncio.ensure_future(serving.served(pool, lengths.draw(profile, sizes))))
    utilisation = pool.utilisation(loop.time())
    calls = await asyncio.gather(*tasks)
    return _Run(calls[int(WARM_UP * len(calls)) :], demand.amount, utilisation)


async def _returning(setting: Setting, profile: Profile, demand: Demand, number: int) -> _Run:
    """Agents that each wait for their reply before they go on."""
    pool, loop = Pool(_servers(profile)), asyncio.get_running_loop()
    done: list[tuple[float, Usage]] = []
    total = setting.requests + round(demand.amount)

    async def agent(name: int) -> None:
        rng = stream(setting.seed, number, "agent", name)
        while len(done) < total:
            if demand.pause_s:
                await asyncio.sleep(rng.expovariate(1 / demand.pause_s))
            call = await serving.served(pool, setting.lengths.draw(profile, rng))
            done.append((loop.time(), call))

    agents = [asyncio.ensure_future(agent(name)) for name in range(round(demand.amount))]
    await asyncio.wait(agents, return_when=asyncio.FIRST_COMPLETED)
    utilisation = pool.utilisation(loop.time())
    for task in agents:
        task.cancel()
    await asyncio.gather(*agents, return_exceptions=True)
    first = int(WARM_UP * len(done))
    seconds = done[-1][0] - done[first][0]
    return _Run([call for _, call in done[first:]], (len(done) - 1 - first) / seconds, utilisation)


def _percentiles(seconds: Sequence[float]) -> Percentiles:
    return Percentiles(*(float(value) for value in np.quantile(seconds, (0.5, 0.95, 0.99))))


def _mean(values: Sequence[float]) -> Mean:
    from scipy.special import stdtrit

    value = statistics.fmean(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * statistics.stdev(values) / math.sqrt(len(values))
    return Mean(value, max(0.0, value - half), value + half)
