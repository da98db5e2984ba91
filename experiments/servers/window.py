"""How long a prompt a server takes: what it says of that itself, and a prompt to try it with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from agents.models import counting
from agents.models.endpoint import Endpoint
from traces import bounds, strict

WORD = "marigold"
_WAIT_S = 3.0
_LARGEST = 1_000_000
_NAMES = ("max_model_len", "loaded_context_length", "context_length", "max_context_length", "context_window", "n_ctx")
_WORDS = re.compile(
    r"(?:context (?:length|size|window)|n_ctx|num_ctx|max_model_len)\D{0,40}?(\d[\d,]{2,9})"
    r"|(\d[\d,]{2,9})[- ]token (?:context|limit)",
    re.IGNORECASE,
)


def prompt(tokens: int) -> str:
    """A text of about so many tokens that asks for what stands at its start."""
    said = [f"The password is {WORD}. Remember it.", "", "Notes of the warehouse:"]
    each = counting.tokens_in(_note(1))
    said += [_note(number) for number in range(1, max(2, tokens // each))]
    return "\n".join([*said, "", "What is the password in the first line? Reply with that word alone."])


def _note(number: int) -> str:
    return f"Parcel {number}: hall {number % 7}, shelf {number % 13}, checked."


def in_words(error: str) -> int | None:
    """The context window in a server's refusal of a prompt that is too long."""
    found = _WORDS.search(error.partition(" It said: ")[2])
    return _count((found[1] or found[2]).replace(",", "")) if found else None


async def said(where: Endpoint) -> int | None:
    """What a server of the user's own says of its context window where it lists its models (vLLM, LM Studio, ...) or
    what it was started with (llama.cpp); None where it says nothing."""
    if not where.own or where.api_base is None:
        return None
    base = where.api_base.rstrip("/")
    listed = await _get(f"{base}/models", where.api_key)
    models = listed.get("data") if isinstance(listed, dict) else None
    models = [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []
    ours = [one for one in models if one.get("id") == where.model] or (models if len(models) == 1 else [])
    found = next((count for one in ours for count in _counts(one)), None)
    if found is not None:
        return found
    props = await _get(f"{base.removesuffix('/v1')}/props", where.api_key)
    settings = props.get("default_generation_settings") if isinstance(props, dict) else None
    return next(_counts(settings), None) if isinstance(settings, dict) else None


def _counts(values: dict[str, Any]) -> Iterator[int]:
    return (count for name in _NAMES if (count := _count(values.get(name))))


def _count(value: Any) -> int | None:
    given = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12 else value
    count = strict.count(given)
    return count if count and count >= 128 else None


async def _get(url: str, key: str | None) -> Any:
    import httpx

    body = bytearray()
    try:
        async with (
            asyncio.timeout(_WAIT_S),
            httpx.AsyncClient(timeout=_WAIT_S) as client,
            client.stream("GET", url, headers={"Authorization": f"Bearer {key or 'none'}"}) as response,
        ):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    return None
        return strict.loads(bytes(body)) if response.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, bounds.Malformed, TimeoutError):
        return None
