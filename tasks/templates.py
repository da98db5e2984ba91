"""Text with facts in it: "{amount}" is a fact's value, "{amount.source}" the id of the chunk it was read in."""

from __future__ import annotations

import string
from typing import Any


def names_in(value: Any) -> set[str]:
    """The facts that a template (or all the templates in a structure) quotes."""
    if isinstance(value, str):
        return {field.split(".")[0] for _, field, _, _ in string.Formatter().parse(value) if field}
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(names_in, value))
    return set()


def fill(value: Any, facts: dict[str, Any]) -> Any:
    """The structure with its templates filled in. `facts` values may have a `source` attribute."""
    if isinstance(value, str):
        return value.format_map(facts) if "{" in value or "}" in value else value
    if isinstance(value, dict):
        return {key: fill(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, facts) for item in value]
    return value


def plain(text: str) -> str:
    """The template that says just this text."""
    return text.replace("{", "{{").replace("}", "}}")
