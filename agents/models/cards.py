"""What is known of a real model: from LiteLLM's bundled table, and for servers of one's own from the environment."""

from __future__ import annotations

import os
from typing import Any

from agents.models.endpoint import Endpoint, litellm
from agents.models.model import Card, Price
from traces.errors import InputError

TOOL_CALLS_VARIABLE = "HEADCOUNT_TOOL_CALLS"
PRICES_VARIABLE = "HEADCOUNT_PRICES"
CONTEXT_VARIABLE = "HEADCOUNT_CONTEXT"


def card(name: str, endpoint: Endpoint) -> Card:
    """Raises InputError where one of the variables cannot be read."""
    return _own(name, endpoint) if endpoint.own else _listed(name, endpoint)


def entry(name: str, endpoint: Endpoint) -> dict[str, Any]:
    """The model's row in LiteLLM's table; empty where it has none."""
    table = litellm().model_cost
    row = table.get(name) or table.get(endpoint.model) or {}
    same = str(row.get("litellm_provider", "")).startswith(endpoint.provider)
    return row if same else {}


def _listed(name: str, endpoint: Endpoint) -> Card:
    row = entry(name, endpoint)
    return Card(
        name=name,
        simulated=False,
        tool_calls=bool(row.get("supports_function_calling", not row)),
        context_window=row.get("max_input_tokens") or row.get("max_tokens"),
        price=Price(_per_million(row.get("input_cost_per_token")), _per_million(row.get("output_cost_per_token"))),
        modalities=_modalities(row),
        runs=f"hosted by {endpoint.provider}",
    )


def _own(name: str, endpoint: Endpoint) -> Card:
    return Card(
        name=name,
        simulated=False,
        tool_calls=_tool_calls(),
        context_window=_context(),
        price=Price(*_prices()),
        runs=f"own server {endpoint.api_base}" if endpoint.api_base else f"own server ({endpoint.provider})",
    )


def _modalities(row: dict[str, Any]) -> tuple[str, ...]:
    """Those that it reads, as far as the table says."""
    kinds = {"image": "supports_vision", "audio": "supports_audio_input", "pdf": "supports_pdf_input"}
    return ("text", *(kind for kind, column in kinds.items() if row.get(column))) if row else ()


def _per_million(price: float | None) -> float | None:
    """The table has 0 for models whose price it does not know: unknown, not free."""
    return price * 1_000_000 if price else None


def _tool_calls() -> bool:
    value = os.environ.get(TOOL_CALLS_VARIABLE, "yes").strip().lower()
    if value not in ("yes", "no"):
        raise InputError(f"{TOOL_CALLS_VARIABLE}: {value!r} is neither yes nor no")
    return value == "yes"


def _context() -> int | None:
    value = os.environ.get(CONTEXT_VARIABLE, "").strip()
    if not value:
        return None
    if not value.isdigit() or int(value) == 0:
        raise InputError(f"{CONTEXT_VARIABLE}: {value!r} is not a number of tokens, such as 32768")
    return int(value)


def _prices() -> tuple[float | None, float | None]:
    value = os.environ.get(PRICES_VARIABLE, "").strip()
    if not value:
        return None, None
    try:
        first, second = (float(part) for part in value.split(","))
    except ValueError:
        first = second = -1.0
    if not (0 <= first < float("inf") and 0 <= second < float("inf")):
        raise InputError(
            f"{PRICES_VARIABLE}: {value!r} is not USD per million input and output tokens, such as 0.15,0.60"
        )
    return first, second
