"""Our own count of a call's tokens, for what nobody else has counted: a reply without usage, or with one that cannot be
true, and a call that was cancelled."""

from __future__ import annotations

import sys
from typing import Any

from agents import memory
from agents.models.model import Card, Reply, Request
from traces import bounds
from traces.kernel import NANO, ChatMessage, Usage

SAMPLE = 50_000
"""Characters of a text that the tokenizer is given; the rest of a longer one is counted as dense as these."""
ESTIMATED = "its server sent no count of tokens that can be true: they are counted here"
MESSAGE, CALL = 4, 8
"""Tokens that frame a message, and a tool call in it."""
LONGEST = 256
"""Characters of a token: the longest in use are half as long, of blanks alone. Fewer tokens are a count of something
else, such as of what was not cached."""
HIDDEN = 1 << 20
"""Tokens that a model may have written out of sight, or a server may have added to a prompt."""


def tokens_in(text: str) -> int:
    """Tokens of a text by OpenAI's cl100k, which comes along with LiteLLM: for English within about a tenth of what
    other models' tokenizers count. Where LiteLLM is not loaded, by memory's rule of thumb."""
    if "litellm" not in sys.modules:
        return memory.tokens_in(text)
    from litellm.litellm_core_utils.default_encoding import encoding

    sample = text[:SAMPLE]
    counted = len(encoding.encode(sample, disallowed_special=()))
    return counted if len(sample) == len(text) else round(counted * len(text) / SAMPLE)


def prompt_tokens(request: Request) -> int:
    """Tokens that a request sends: its messages, its tools and its schema."""
    described = [str(part) for part in (*request.tools, request.schema) if part]
    return sum(map(_size, request.messages)) + sum(map(tokens_in, described))


def reply_tokens(reply: Reply) -> int:
    """Tokens of a reply, with its reasoning."""
    calls = sum(CALL + tokens_in(call.name) + tokens_in(call.arguments) for call in reply.tool_calls)
    return tokens_in(reply.text) + tokens_in(reply.reasoning) + calls


def plausible(counted: Any, characters: int) -> int | None:
    """The server's count of the tokens of a text; None for what is no count, or cannot be one of this text: no token is
    less than a byte, which is a quarter of a character at most, and none is longer than LONGEST characters."""
    if not bounds.is_count(counted) or counted > 4 * characters + HIDDEN:
        return None
    return None if counted * LONGEST < characters else counted


def unfinished(request: Request, card: Card, seconds: float) -> Usage:
    """What a call has used that was cancelled after so many seconds: its prompt, by our count, at the card's price."""
    simple = card.simulated  # the simulator's own measure
    sent = sum(map(memory.size, request.messages)) if simple else prompt_tokens(request)
    cost = price_of(card, sent, 0, seconds)
    return Usage(input_tokens=sent, calls=1, cost_nano_usd=cost, latency_s=seconds, errors=1, origin="estimated")


def price_of(card: Card, input_tokens: int, output_tokens: int, busy_s: float) -> int | None:
    """What tokens, or the servers' seconds, cost by the card; None where it does not say."""
    price = card.price
    if price.gpu_hour is not None:
        return round(price.gpu_hour * busy_s / 3600 * NANO)
    if price.input is None or price.output is None:
        return None
    return round((input_tokens * price.input + output_tokens * price.output) * NANO / 1_000_000)


def characters(request: Request) -> int:
    """Of all that a request sends."""
    said = sum(len(m.content) + sum(len(call.arguments) for call in m.tool_calls) for m in request.messages)
    return said + sum(len(str(part)) for part in (*request.tools, request.schema) if part)


def characters_of(reply: Reply) -> int:
    return (
        len(reply.text) + len(reply.reasoning) + sum(len(call.name) + len(call.arguments) for call in reply.tool_calls)
    )


def _size(message: ChatMessage) -> int:
    calls = sum(CALL + tokens_in(call.name) + tokens_in(call.arguments) for call in message.tool_calls)
    return MESSAGE + tokens_in(message.content) + calls
