"""What is known of a simulated model's numbers where its own runs do not tell: wide ranges, each with its source, and
draws of plausible profiles from them.

Each range is what published figures leave open, widened where they rest on few models. A number that was fitted to runs
is drawn from its own interval instead (`Profile.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Container
from statistics import NormalDist
from typing import Any

from msgspec import Struct

from agents.models.simulated.profile import Profile
from traces.streams import stream

ERROR = "error"
"""All error rates that were not fitted, as a multiple of the profile's."""


class Prior(Struct, frozen=True):
    """A number's range: nine in ten plausible models lie in it. `default` is the shipped medium's. On the scale of
    odds, or with `factor` of ratios: `low` and `high` are then multiples of the profile's own number."""

    name: str
    low: float
    high: float
    default: float
    source: str
    factor: bool = False


KIM = "Kim et al. 2025, arXiv 2512.08296"
TAU = "tau-bench, Yao et al. 2024, its repository"
TAU2 = "tau2-bench's repository, telecom"
ASSUMED = "an ASSUMPTION"

PRIORS = (
    Prior(ERROR, 0.4, 2.5, 1, "the shipped large and small are 0.4 and 2.5 times medium: levels are ASSUMPTIONS", True),
    Prior("per_1k_context", 0.4, 3.3, 1, "from RULER (.046, Hsieh et al. 2024) to NoLiMa (.4, arXiv 2502.05167)", True),
    Prior("per_extra_tool", 0.4, 2.5, 1, f".02 to .1 a tool (Gan & Sun 2025, arXiv 2505.03275); {ASSUMED}", True),
    Prior("plan_error", 0.01, 0.4, 0.06, f"gpt-4.1 and o4-mini lose 0 to .65 without the plan ({TAU2}); {ASSUMED}"),
    Prior("commission", 0.03, 0.4, 0.1, f"gpt-4o acts in a quarter of the cases without a due act ({TAU})"),
    Prior("looks_right", 0.1, 0.8, 0.4, f"what losses of 39 to 70 % on chains take ({KIM}: .5 to .8); {ASSUMED} below"),
    Prior("check.own", 0.1, 0.8, 0.45, f"own errors are rarely seen (Huang et al. 2023, arXiv 2310.01798); {ASSUMED}"),
    Prior("check.other", 0.15, 0.9, 0.6, f"more often than its own (as there); {ASSUMED}"),
    Prior("check.blind", 0.2, 0.8, 0.5, ASSUMED),
    Prior("check.false_alarm", 0.01, 0.25, 0.05, f"{ASSUMED}: the shipped profiles' .02 to .1, twice as far"),
    Prior("correlation.clones", 0.45, 0.85, 0.7, f"five rows of {TAU}: 1.9 to 3.7 logits are .52 to .81"),
    Prior("correlation.others", 0.3, 0.7, 0.5, f"{ASSUMED}; wrong answers agree 60 % (Kim et al., arXiv 2506.07962)"),
    Prior("correlation.family", 0.5, 0.9, 0.7, f"{ASSUMED}: more than other models (as there)"),
    Prior("correlation.case", 0.2, 0.8, 0.5, ASSUMED),
    Prior("yields.one", 0.15, 0.9, 0.3, "17.5 to 97 % flip when doubted (arXiv 2606.16011), 46 % (arXiv 2311.08596)"),
    Prior("yields.more", 0.3, 0.9, 0.6, f"to 85.5 % take over the majority's (arXiv 2605.00914); {ASSUMED} below"),
    Prior("handover.loss", 0.004, 0.12, 0.025, f".72 to .99 of two or three facts arrive: what fits {KIM}"),
    Prior("handover.bent", 0.1, 0.6, 0.3, ASSUMED),
    Prior("handover.unaided", 0.25, 0.95, 0.5, f"acts done without a plan, of those with it: .28 to 1 ({TAU2})"),
)  # fmt: skip
KNOWN = {prior.name: prior for prior in PRIORS}


class Draw(Struct, frozen=True):
    """A plausible profile, and the numbers by which it differs from the one that it was drawn around."""

    profile: Profile
    numbers: dict[str, float]


def draws(profile: Profile, number: int, seed: int) -> list[Draw]:
    """`number` plausible profiles, the same for the same seed. Each number's median is the profile's own, and each of
    `number` equal slices of what is known of it holds one draw (a Latin hypercube: McKay, Beckman & Conover 1979). They
    keep the profile's name, so cases are as hard for all of them. A number that is 0 or 1 stays, unless it was fitted.
    """
    places = {name: _places(number, seed, name) for name in dict.fromkeys([*KNOWN, *profile.intervals])}
    return [_draw(profile, {name: place[i] for name, place in places.items()}) for i in range(number)]


def _places(number: int, seed: int, name: str) -> list[float]:
    """Numbers from 0 to 1, one in each slice, in any order."""
    rng = stream(seed, "priors", name)
    slices = list(range(number))
    rng.shuffle(slices)
    return [(one + rng.random()) / number for one in slices]


def _draw(profile: Profile, places: dict[str, float]) -> Draw:
    data, numbers = profile.model_dump(), {}
    for name, place in places.items():
        fitted = profile.intervals.get(name)
        value = 1.0 if name == ERROR else _get(data, name)
        if fitted is not None:
            numbers[name] = _within(value, *fitted, place, level=0.95, ratio=_is_ratio(name))
        elif KNOWN[name].factor or 0 < value < 1:
            numbers[name] = _within(value, *_range(KNOWN[name], value), place, level=0.9, ratio=_is_ratio(name))
    for name, number in numbers.items():
        _set(data, name, number, profile.intervals)
    shared = data["correlation"]
    shared["family"] = max(shared["family"], shared["others"])
    return Draw(Profile.model_validate({**data, "intervals": {}}), numbers)


def _is_ratio(name: str) -> bool:
    return name in KNOWN and KNOWN[name].factor


def _range(prior: Prior, value: float) -> tuple[float, float]:
    """Wide around any value: at least half and twice its odds are plausible."""
    if prior.factor:
        return value * prior.low, value * prior.high
    middle = _logit(value)
    return min(prior.low, _logistic(middle - math.log(2))), max(prior.high, _logistic(middle + math.log(2)))


def _within(value: float, low: float, high: float, place: float, *, level: float, ratio: bool) -> float:
    """The number below which `place` of the plausible ones lie, of which `level` are from low to high: normal on its
    scale, each side as wide as it is."""
    if high <= 0:
        return value
    to, back = (math.log, math.exp) if ratio else (_logit, _logistic)
    value = max(value, high / 20)
    normal = NormalDist()
    z, end = normal.inv_cdf(place), max(low, value / 20) if place < 0.5 else high
    return back(to(value) + z * abs(to(end) - to(value)) / normal.inv_cdf((1 + level) / 2))


def _logit(rate: float) -> float:
    rate = min(0.99, max(0.0001, rate))
    return math.log(rate / (1 - rate))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _get(data: dict[str, Any], name: str) -> float:
    found: Any = data
    for part in name.split("."):
        found = found[part]
    return float(found)


def _set(data: dict[str, Any], name: str, value: float, fitted: Container[str]) -> None:
    if name == ERROR:
        rates: dict[str, float] = data[ERROR]
        data[ERROR] = {s: r if f"{ERROR}.{s}" in fitted else min(0.95, value * r) for s, r in rates.items()}
        return
    *path, last = name.split(".")
    for part in path:
        data = data[part]
    data[last] = value
