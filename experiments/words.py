"""Figures in words, the same on the command line and in the app."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from agents.models.model import DEFAULT
from traces.kernel import Chat, Origin, Usage


def model(written: Mapping[str, Any]) -> str:
    """The model of an experiment, by what its folder says of it (experiment.json), which leaves out the default one."""
    if written.get("kind") == "market":
        return "bidders"
    return str((written.get("plan") or {}).get("model") or DEFAULT)


def money(dollars: float | None) -> str:
    """Dollars with four significant digits, or whole ones; an unknown price is said to be unknown."""
    if dollars is None:
        return "unknown"
    if abs(dollars) >= 10_000:
        return f"${dollars:,.0f}"
    if 0 < abs(dollars) < 1e-4:
        return f"${dollars:.{3 - math.floor(math.log10(abs(dollars)))}f}".rstrip("0")
    return f"${dollars:.4g}"


def count(value: float) -> str:
    """A large number with three digits: 1,440 or 12.3 million."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"


def tokens(number: float, origin: Origin, say: Callable[[float], str] = "{:,.0f}".format) -> str:
    """A number of tokens with who counted them, where that was not who served the model."""
    if origin == "measured":
        return say(number)
    if origin == "estimated":
        return f"~{say(number)} (estimated)"
    return f"at least {say(number)} (not all counted)" if number else "unknown"


def usage(used: Usage) -> str:
    """The tokens of a call, or of a run's calls, in and out."""
    origin = used.tokens_origin
    if origin == "unknown" and not used.tokens:
        return "unknown"
    cached = f" ({used.cached_tokens:,} cached)" if used.cached_tokens else ""
    about = {"measured": "", "estimated": " (estimated)", "unknown": " (not all counted)"}[origin]
    return f"{used.input_tokens:,} in{cached}, {used.output_tokens:,} out{about}"


def seconds(value: float) -> str:
    """A time in seconds, from two minutes on in minutes, from two hours on in hours."""
    size, unit = _unit(value)
    return f"{value / size:,.1f} {unit}"


def about(seconds: float) -> str:
    """A time that nobody knows to the second."""
    size, unit = _unit(seconds)
    return f"{seconds / size:,.0f} {unit}"


def _unit(seconds: float) -> tuple[int, str]:
    return (1, "s") if seconds < 120 else (60, "min") if seconds < 7200 else (3600, "hours")


def ago(when: float) -> str:
    """How long ago a Unix time was."""
    passed = max(0.0, time.time() - when)
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def call_time(usage: Usage) -> str:
    """How long a model call took, with what is known of where the time went."""
    parts = [f"{usage.queue_s:.2f} s waiting"] if usage.queue_s >= 0.005 else []
    parts += [f"{usage.first_token_s:.2f} s to the first token"] if usage.first_token_s else []
    return f"{usage.latency_s:.2f} s" + (f" ({', '.join(parts)})" if parts else "")


def context(chat: Chat) -> str:
    """How much of the context window a model call took, and of the server's memory; empty where neither is known."""
    tokens = chat.usage.tokens
    share = f"{100 * tokens / chat.window:.1f} % of {chat.window:,} tokens" if chat.window else ""
    cache = f"KV cache {chat.kv_bytes / 1e6:,.0f} MB" if chat.kv_bytes else ""
    return ", ".join(filter(None, (share, cache)))


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{n:,}{'th' if n % 100 in (11, 12, 13) else endings.get(n % 10, 'th')}"


def answered(runs: int, lost: int) -> str:
    """`18`, or `18 of 20` where two of them gave no answer."""
    return f"{runs:,} of {runs + lost:,}" if lost else f"{runs:,}"
