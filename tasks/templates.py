"""Text with facts in it: "{amount}" is a fact's value, "{amount.source}" the id of the chunk it was read in."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any


def names_in(value: Any) -> set[str]:
    """The facts that a template (or all the templates in a structure) quotes. Raises ValueError for a broken one."""
    if isinstance(value, str):
        return set(_names(value)) if "{" in value or "}" in value else set()
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(names_in, value))
    return set()


def _names(text: str) -> Iterator[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}: write {{{{ and }}}} for braces that are meant as they are") from None
    for _, field, form, conversion in parts:
        if field is None:
            continue
        name, dot, part = field.partition(".")
        if not name or form or conversion or (dot and part != "source"):
            whole = field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            shown = whole if len(whole) <= 60 else f"{whole[:60]}..."
            raise ValueError(
                f"{{{shown}}} is no fact: write {{name}} or {{name.source}}, and {{{{ }}}} for braces that are meant"
            )
        yield name


def fill(value: Any, facts: dict[str, Any]) -> Any:
    """The structure with its templates filled in. `facts` values may have a `source` attribute."""
    if isinstance(value, str):
        return value.format_map(facts) if "{" in value or "}" in value else value
    if isinstance(value, dict):
        return {key: fill(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, facts) for item in value]
    return value


def read(template: str, text: str) -> dict[str, str]:
    """The facts in a text that was filled in from the template; none where it was not, or where that is unclear."""
    start, place, found = 0, "", dict[str, str]()
    for literal, field, _, _ in [*string.Formatter().parse(template.strip()), ("", None, None, None)]:
        end = text.find(literal, start + bool(place)) if literal or field is not None else len(text)
        if end < 0 or (not place and end != start):
            return {}
        if place and found.setdefault(place, text[start:end]) != text[start:end]:
            return {}
        start, place = end + len(literal), field or ""
    return {name: value for name, value in found.items() if "." not in name} if start == len(text) else {}


def plain(text: str) -> str:
    """The template that says just this text."""
    return text.replace("{", "{{").replace("}", "}}")
