"""Errors of named kinds: which failure mode of MAST strikes at a step, and what a wrong value looks like."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

from agents.models.simulated.profile import Mode, Profile
from tasks.case import Step

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def strike(profile: Profile, rate: float, possible: Iterable[Mode], rng: random.Random) -> Mode | None:
    """The mode that strikes, or None: `rate` is the chance of any, the profile's mix says of which."""
    if rng.random() >= rate:
        return None
    modes = [mode for mode in possible if profile.mix.get(mode, 0) > 0]
    return rng.choices(modes, [profile.mix[mode] for mode in modes])[0] if modes else None


def wrong_value(value: str, rng: random.Random) -> str:
    """A value that a slip would produce: a number off by a plausible amount, or nothing definite."""
    match = _NUMBER.search(value)
    if match is None:
        return "unclear"
    digits = match.group().replace(",", "")
    decimals = len(digits.partition(".")[2])
    number = float(digits)
    factor = rng.choice((0.5, 0.9, 1.1, 1.2, 2.0))
    slipped = f"{number * factor:,.{decimals}f}" if "," in match.group() else f"{number * factor:.{decimals}f}"
    if slipped == match.group():
        slipped = f"{number + 1:.{decimals}f}"
    return value[: match.start()] + slipped + value[match.end() :]


def wrong_fact(step: Step, name: str, rng: random.Random) -> str:
    """What a careless agent believes instead: as the case says, else a slip."""
    fact = step.facts[name]
    if step.tempting is not None and name in step.tempting.facts:
        return step.tempting.facts[name]
    return fact.otherwise if fact.otherwise is not None else wrong_value(fact.value, rng)


def wrong_arguments(arguments: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The call with one argument slipped: a number that is off, or a text that lost some of its words."""
    numbers = [key for key, value in arguments.items() if isinstance(value, int | float)]
    texts = [key for key, value in arguments.items() if isinstance(value, str)]
    if numbers:
        key = rng.choice(numbers)
        return {**arguments, key: round(arguments[key] * rng.choice((0.5, 0.9, 1.1, 2.0)), 2)}
    if not texts:
        return arguments
    key = max(texts, key=lambda k: len(arguments[k]))
    words = arguments[key].split(" ")
    if key == "query" and len(words) > 1:
        rng.shuffle(words)
        return {**arguments, key: " ".join(words[: max(1, len(words) // 3)])}
    return {**arguments, key: wrong_value(arguments[key], rng)}
