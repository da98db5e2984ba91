"""Models as data: the card of each that has a name here, and in words. Whether they answer is `doctor.models()`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from agents.models import table
from agents.models.model import Card
from experiments import words
from traces.errors import HeadcountError

_COLUMNS = (
    "parameters",
    "trained on",
    "cutoff",
    "window",
    "alignment",
    "input $/M",
    "output $/M",
    "$/GPU hour",
    "runs",
    "data stays",
)


class Named(Struct, frozen=True):
    """A model that has a name here. Without a `card`, `about` says why there is none."""

    name: str
    about: str
    card: Card | None = None


def card(name: str, api_base: str | None = None) -> Card:
    """What is known of a model. Raises HeadcountError where there is none, or its key or address is missing."""
    return table.resolve(name, api_base)(None, 0, 0).card


def offered() -> list[Named]:
    """Every model that has a name here: simulated ones, the local one, and those of models.yaml."""
    return [_named(name, about) for name, about in table.offered().items()]


def _named(name: str, about: str) -> Named:
    try:
        return Named(name, about, card(name))
    except HeadcountError as error:
        return Named(name, str(error))


def row(model: Named) -> dict[str, Any]:
    """One line of a table, numbers as they are; None is unknown."""
    if model.card is None:
        return {"model": model.name, "what": model.about, **dict.fromkeys(_COLUMNS)}
    card = model.card
    values = (
        card.parameters and f"{card.parameters:.3g}",
        card.training_tokens and f"{card.training_tokens:.3g}",
        card.cutoff or None,
        card.context_window,
        card.alignment or None,
        card.price.input,
        card.price.output,
        card.price.gpu_hour,
        card.runs or None,
        card.residency or None,
    )
    return {"model": model.name, "what": model.about, **dict(zip(_COLUMNS, values, strict=True))}


def facts(card: Card) -> dict[str, str]:
    """What is known of a model, in words with units; what is unknown says so where one would look for it."""
    price = card.price
    tokens = (
        f"${price.input:g} in, ${price.output:g} out per million tokens"
        if None not in (price.input, price.output)
        else ""
    )
    hour = f"${price.gpu_hour:g} per hour of its servers" if price.gpu_hour is not None else ""
    return {
        "context window": f"{card.context_window:,} tokens" if card.context_window else "unknown",
        "price": ", ".join(filter(None, (tokens, hour))) or "unknown",
        "knowledge cutoff": card.cutoff or "unknown",
        "runs": card.runs or ("in this process, simulated" if card.simulated else "unknown"),
        "data stays": card.residency,
        "parameters": words.count(card.parameters) if card.parameters else "unknown",
        "trained on": f"{words.count(card.training_tokens)} tokens" if card.training_tokens else "",
        "alignment": card.alignment,
        "reads": ", ".join(card.modalities),
        "tool calls": "native" if card.tool_calls else "as JSON that a schema constrains",
        "KV cache": f"{card.kv_bytes / 1000:,.0f} kB per token" if card.kv_bytes else "",
        "writes": f"{card.decode_tps:g} tokens/s" if card.decode_tps else "",
        "tier": card.tier,
        "adapter of": card.adapter_of,
    }
