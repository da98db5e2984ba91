"""How much a pool takes before it is too slow, and how many replicas a demand needs: searched by simulating."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct, structs

from experiments.servers import capacity
from experiments.servers.capacity import Demand, Setting, Unit

MOST_REPLICAS = 1024
MOST_AGENTS = 4096
SEARCHED = 800
"""Requests in each simulation of a search, at most: fewer than for a point of the table, since there are many."""
STEPS = 7


class Most(Struct, frozen=True):
    """The most that a pool takes with 95 % of requests done in time, and what a request costs then; None where a
    request alone, which takes `alone_s` at p95, is not done in time."""

    replicas: int
    speed: float
    unit: Unit
    alone_s: float
    amount: float | None = None
    usd_per_request: float | None = None


class Needed(Struct, frozen=True):
    """The fewest replicas that do 95 % of the requests in time; None where no number of them does."""

    speed: float
    demand: Demand
    replicas: int | None


def most(setting: Setting, replicas: int, speed: float, demand: Demand, limit_s: float) -> Most:
    """`demand` says the unit and the pause of what is searched for; its amount is not used."""
    quick = structs.replace(setting, requests=min(setting.requests, SEARCHED))

    def in_time(amount: float) -> bool:
        asked = structs.replace(demand, amount=amount)
        return _p95(quick, replicas, speed, asked) <= limit_s

    alone = capacity.alone_p95(setting, speed)
    if alone > limit_s:
        return Most(replicas, speed, demand.unit, alone)
    if demand.unit == "agents":
        found: float = _last(in_time, MOST_AGENTS)
    else:
        profile = capacity.faster(setting.profile, speed, replicas)
        found = _two_digits(_bisected(in_time, capacity.most_per_s(profile, setting.lengths)))
    if not found:
        return Most(replicas, speed, demand.unit, alone)
    then = capacity.point(quick, replicas, speed, structs.replace(demand, amount=found))
    return Most(replicas, speed, demand.unit, alone, found, then.usd_per_request)


def needed(setting: Setting, speed: float, demand: Demand, limit_s: float) -> Needed:
    quick = structs.replace(setting, requests=min(setting.requests, SEARCHED))

    def too_slow(replicas: int) -> bool:
        return _p95(quick, replicas, speed, demand) > limit_s

    if capacity.alone_p95(setting, speed) > limit_s or too_slow(MOST_REPLICAS):
        return Needed(speed, demand, None)
    return Needed(speed, demand, _last(too_slow, MOST_REPLICAS) + 1)


def _p95(setting: Setting, replicas: int, speed: float, demand: Demand) -> float:
    """Infinite where more is asked than can be served."""
    found = capacity.point(setting, replicas, speed, demand)
    return found.latency.p95 if found.latency else math.inf


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` for which it holds, where it holds for all smaller ones too; 0 for none."""
    low, high = 0, 1
    while high <= most and holds(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _bisected(holds: Callable[[float], bool], high: float) -> float:
    low = 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _two_digits(value: float) -> float:
    """Rounded down, so that it is not more than was found."""
    if not value:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(round(math.floor(value / unit + 1e-9) * unit, 12))
