"""A simulated model by its size: parameters and training tokens → loss (Chinchilla) → the numbers of a profile.

Loss: L(N, D) = E + A / N^alpha + B / D^beta. Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models",
section 3.3, equation 10, gives one fit; Besiroglu et al. 2024 (Epoch AI), "Chinchilla Scaling: A replication attempt",
found that it does not follow from the paper's data, and gives another, which is the default here.

From loss to steps: an ASSUMPTION. The shipped profiles small, medium and large are three points, at the sizes below;
between and beyond them the logarithm of an error rate (the logit of a chance to notice) is linear in the loss. The
logarithms of speed and price are linear in that of the parameters. Loss says nothing of fine-tuning or of tools.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct


class Law(Struct, frozen=True):
    """The constants of the fit; losses are in nats a token."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        return self.e + self.a * math.pow(parameters, -self.alpha) + self.b * math.pow(tokens, -self.beta)


LAWS: dict[str, Law] = {
    "epoch": Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
    "hoffmann": Law(1.69, 406.4, 410.7, 0.34, 0.28),
}

# Sizes of the shipped profiles: 8B and 70B on 15e12 tokens are Llama 3's (Meta 2024); no frontier model's size is
# published, so the third is an assumption.
ANCHORS: dict[str, tuple[float, float]] = {
    "small": (8e9, 15e12),
    "medium": (70e9, 15e12),
    "large": (1e12, 30e12),
}

Curve = Callable[[Sequence[float]], float]


def profile_data(anchors: Mapping[str, Any], parameters: float, tokens: float, law: str) -> dict[str, Any]:
    """The fields of a profile for a model of this size, from those of the shipped profiles by name (as plain data)."""
    fit = LAWS[law]
    losses = [fit.loss(*ANCHORS[name]) for name in ANCHORS]
    sizes = [math.log(ANCHORS[name][0]) for name in ANCHORS]
    known = [anchors[name] for name in ANCHORS]
    by_loss, by_size = _line(losses, fit.loss(parameters, tokens)), _line(sizes, math.log(parameters))

    def each(field: str, curve: Callable[[list[float]], float]) -> dict[str, float]:
        return {name: curve([data[field][name] for data in known]) for name in known[0][field]}

    def error(values: list[float]) -> float:
        return min(0.95, math.exp(by_loss([math.log(max(v, 1e-6)) for v in values])))

    def chance(values: list[float]) -> float:
        return 1 / (1 + math.exp(-by_loss([math.log(v / (1 - v)) for v in values])))

    def scaled(values: list[float]) -> float:
        return math.exp(by_size([math.log(v) for v in values]))

    medium = anchors["medium"]
    return {
        **medium,
        "note": f"{parameters:.3g} parameters trained on {tokens:.3g} tokens: loss {fit.loss(parameters, tokens):.3f} "
        f"nats a token by the {law} fit, from there by assumption",
        "parameters": parameters,
        "training_tokens": tokens,
        "error": each("error", error),
        "plan_error": error([data["plan_error"] for data in known]),
        "commission": error([data["commission"] for data in known]),
        "per_1k_context": error([data["per_1k_context"] for data in known]),
        "per_extra_tool": error([data["per_extra_tool"] for data in known]),
        "check": each("check", chance),
        "yields": each("yields", chance),
        "handover": each("handover", chance),
        "speed": {**each("speed", scaled), "jitter": medium["speed"]["jitter"]},
        "price": each("price", scaled),
    }


def _line(places: Sequence[float], at: float) -> Curve:
    """Straight lines through values at `places`, and on beyond the ends."""

    def value(values: Sequence[float]) -> float:
        points = sorted(zip(places, values, strict=True))
        after = next((i for i, (place, _) in enumerate(points) if place >= at), len(points) - 1)
        (x0, y0), (x1, y1) = points[max(0, after - 1)], points[max(1, after)]
        return y0 + (y1 - y0) * (at - x0) / (x1 - x0)

    return value
