"""Reading facts out of a tool's result: what a careful reader would take from the text, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from tasks import templates
from tasks.case import Fact, Step
from traces.wording import SOURCE, says

# A search result is a sequence of blocks, each headed by "[source#position] Title".
_BLOCK = re.compile(rf"^\[({SOURCE}#\d+)\] ", re.MULTILINE)


class Known(Struct, frozen=True):
    """A fact as somebody holds it: its value, and the chunk it was read in. Prints as the value."""

    value: str
    source: str = ""

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


def read(step: Step, result: str) -> dict[str, Known]:
    """The facts of `step` that `result` shows. A wrong result may well show a wrong value."""
    blocks = _blocks(result)
    found = {}
    for name, fact in step.facts.items():
        for source, text in blocks:
            value = _value(fact, text)
            if value is not None:
                found[name] = Known(value, source)
                break
    return found


def _value(fact: Fact, text: str) -> str | None:
    if fact.pattern is not None:
        match = re.search(fact.pattern, text)
        return match.group(1).strip() if match else None
    return fact.value if any(says(text, seen) for seen in (fact.value, *fact.seen_as)) else None


@lru_cache(maxsize=4096)
def _blocks(result: str) -> tuple[tuple[str, str], ...]:
    heads = list(_BLOCK.finditer(result))
    if not heads:
        return (("", result),)
    ends = [head.start() for head in heads[1:]] + [len(result)]
    return tuple((head.group(1), result[head.start() : end]) for head, end in zip(heads, ends, strict=True))


def arguments_for(args: dict[str, Any], facts: Mapping[str, object], parameters: dict[str, Any]) -> dict[str, Any]:
    """A step's arguments with its facts filled in; a number's text becomes a number where the tool's schema
    (`parameters`) asks for one, if it can."""
    filled: dict[str, Any] = templates.fill(args, dict(facts))
    types = {name: prop.get("type") for name, prop in parameters.get("properties", {}).items()}
    return {name: _number(value) if types.get(name) in _NUMBERS else value for name, value in filled.items()}


_NUMBERS = ("number", "integer")


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace(",", "").strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d*\.\d+", text) else value
