"""Figures in words, the same on the command line and in the app."""

from __future__ import annotations

import time


def money(dollars: float | None) -> str:
    """Dollars with four significant digits; an unknown price is said to be unknown."""
    return "unknown" if dollars is None else f"${dollars:.4g}"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def ago(when: float) -> str:
    """How long ago a Unix time was."""
    passed = max(0.0, time.time() - when)
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
