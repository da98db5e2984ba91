"""How long a simulated call takes and what it costs: alone, and on servers that other calls use too."""

from __future__ import annotations

from msgspec import structs

from agents.models.simulated.profile import Profile
from agents.models.simulated.servers import Pool
from traces.kernel import NANO, Usage


def alone(profile: Profile, read: int, written: int, factor: float = 1.0) -> Usage:
    """A call of so many tokens on an idle server, times `factor` (the jitter's draw)."""
    speed, price = profile.speed, profile.price
    first = (speed.first_token_s + read / speed.prefill_tps) * factor
    seconds = first + written / speed.decode_tps * factor
    nano = round(1000 * (read * price.input + written * price.output))
    return Usage(read, written, 0, 1, nano, round(seconds, 6), 0.0, round(first, 6))


async def served(pool: Pool, call: Usage) -> Usage:
    """A call that would take as `call` says alone, on these servers. Its wait is in `queue_s` and `latency_s`, not in
    `first_token_s`."""
    service = await pool.serve(call.latency_s, call.tokens)
    slower = service.service_s / call.latency_s if call.latency_s else 1.0
    cost = call.cost_nano_usd
    if pool.servers.gpu_hour is not None:
        cost = round(pool.servers.gpu_hour * service.share_s / 3600 * NANO)
    return structs.replace(
        call,
        cost_nano_usd=cost,
        latency_s=round(service.queue_s + service.service_s, 6),
        queue_s=round(service.queue_s, 6),
        first_token_s=round(call.first_token_s * slower, 6),
    )


def mean_work(profile: Profile, read: float, written: float) -> float:
    """Seconds that calls of these mean lengths take alone, without jitter."""
    speed = profile.speed
    return speed.first_token_s + read / speed.prefill_tps + written / speed.decode_tps
