"""Speed, price and refusals of a model, fitted to its calls directly; `data` is the profile to be, changed in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from experiments.failures.attempts import Reading

FEWEST = 30
"""Attempts, or calls, below which a number is kept from the base profile."""


class Estimate(Struct, frozen=True):
    """A fitted number with its 95 % interval (cases are the clusters), and how many observations it rests on; `kept`
    where the base profile's number stays, and `why`."""

    name: str
    value: float
    low: float
    high: float
    n: int
    kept: bool = False
    why: str = ""


def kept(name: str, value: float, n: int, why: str = f"too few (under {FEWEST})") -> Estimate:
    """A number that stays the base profile's."""
    return Estimate(name, value, value, value, n, kept=True, why=why)


def speed(readings: Sequence[Reading], data: dict[str, Any]) -> list[Estimate]:
    """log latency = log(first_token_s + input / prefill_tps + output / decode_tps) + noise, by least squares. Waiting
    in a queue and what came from the server's prompt cache are left out."""
    from scipy.optimize import least_squares

    fields, calls = data["speed"], [chat for reading in readings for chat in reading.calls]
    x = np.array([[1, c.usage.input_tokens - c.usage.cached_tokens, c.usage.output_tokens] for c in calls], float)
    y = np.array([c.usage.latency_s - c.usage.queue_s for c in calls])
    names = ("first_token_s", "prefill_tps", "decode_tps")
    if len(calls) < FEWEST or (y <= 0).any():
        return [kept(f"speed.{name}", fields[name], len(calls)) for name in names]
    start = np.log([max(fields["first_token_s"], 1e-3), 1 / fields["prefill_tps"], 1 / fields["decode_tps"]])
    fit = least_squares(lambda p: np.log(x @ np.exp(p)) - np.log(y), start, bounds=(-25, 8))
    jitter = float(np.std(fit.fun))
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * jitter**2
    estimates = []
    for i, name in enumerate(names):
        sign = 1 if i == 0 else -1
        value, half = math.exp(sign * fit.x[i]), 1.96 * math.sqrt(max(0.0, covariance[i, i]))
        fields[name] = value
        low, high = value * math.exp(-min(half, 50.0)), value * math.exp(min(half, 50.0))
        estimates.append(Estimate(f"speed.{name}", value, low, high, len(calls)))
    fields["jitter"] = jitter
    half = 1.96 * jitter / math.sqrt(2 * len(calls))
    return [*estimates, Estimate("speed.jitter", jitter, max(0.0, jitter - half), jitter + half, len(calls))]


def prices(readings: Sequence[Reading], data: dict[str, Any]) -> list[Estimate]:
    """USD per million tokens that explain what the calls cost."""
    from scipy.optimize import nnls

    price, calls = data["price"], [chat for reading in readings for chat in reading.calls]
    costs = [chat.usage.cost_usd for chat in calls]
    if len(calls) < FEWEST or None in costs:
        return [kept(f"price.{k}", price[k], len(calls)) for k in ("input", "output")]
    x = np.array([[c.usage.input_tokens, c.usage.output_tokens] for c in calls], float) / 1e6
    found, _ = nnls(x, np.array(costs, float))
    price["input"], price["output"] = float(found[0]), float(found[1])
    return [Estimate(f"price.{k}", price[k], price[k], price[k], len(calls)) for k in ("input", "output")]


def refusals(readings: Sequence[Reading], data: dict[str, Any]) -> Estimate:
    from scipy.stats import binomtest

    n, refused = len(readings), sum(reading.refused for reading in readings)
    if n < FEWEST:
        return kept("refusal", data["refusal"], n)
    data["refusal"] = refused / n
    interval = binomtest(refused, n).proportion_ci(method="wilson")
    return Estimate("refusal", refused / n, float(interval.low), float(interval.high), n)
