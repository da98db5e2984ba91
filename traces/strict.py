"""JSON and texts from outside (models, servers, agents of others): bounded in size and depth, with numbers that are
finite and in range, and texts that can be written. There is no other reader for them.

`loads` is for what must be valid as it is. `mended` also takes what models make of JSON. `settled` is for values that
another reader has decoded. `count` and `number` are for single figures.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

LARGEST = 4_000_000
"""Characters of JSON that are read, at most."""
LARGEST_MENDED = 200_000
"""Characters of broken JSON that are mended, at most: mending is slow."""
DEEPEST = 100
"""Levels of objects and lists in each other, at most."""
LEAST_WHOLE, MOST_WHOLE = -(2**63), 2**63 - 1
"""The whole numbers that a trace can hold."""
MOST_TOKENS = 2**40
"""No count of tokens is above this."""

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_MANY_DIGITS = re.compile(r"\d{19}")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class Unreadable(ValueError):
    """The text or value is not taken; the message says why, in words for whoever sent it."""


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises Unreadable."""
    if len(text) > LARGEST:
        raise Unreadable(f"it has {len(text):,} characters; at most {LARGEST:,} are read")
    if isinstance(text, bytes):
        text = _decoded(text)
    check_depth(text)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable(str(error)) from None
    except RecursionError:  # deeper than the brackets outside of texts say: the text is broken as well
        raise _too_deep() from None
    return settled(value) if _MANY_DIGITS.search(text) else value


def mended(text: str) -> Any:
    """The value of a text that is nearly JSON: in a code fence, among prose, with trailing commas, cut at its end.
    Raises Unreadable."""
    if len(text) > LARGEST_MENDED:
        raise Unreadable(f"it is not valid JSON, and with {len(text):,} characters too long to be mended")
    if len(_BRACKETS.findall(text)) > DEEPEST:
        check_depth(text)
        if _nested(text) > DEEPEST:  # broken quotes make the mender see brackets that stand in texts
            raise _too_deep()
    import json_repair

    try:
        value = json_repair.loads(text)
    except (ValueError, RecursionError, IndexError, AttributeError, TypeError) as error:  # its own mistakes
        raise Unreadable(f"it is not valid JSON and cannot be mended: {str(error)[:100]}") from None
    return settled(value)


def settled(value: Any, level: int = 0) -> Any:
    """The value with texts that can be written. Raises Unreadable for numbers that are not finite or too large, and
    for what is nested too deeply."""
    match value:
        case str():
            return writable(value)
        case None | bool():
            return value
        case int() | float():
            return _in_range(value)
        case _ if level >= DEEPEST:
            raise _too_deep()
        case list() | tuple():
            return [settled(part, level + 1) for part in value]
        case dict():
            return {writable(str(name)): settled(part, level + 1) for name, part in value.items()}
    raise Unreadable(f"a value of an unknown kind: {type(value).__name__}")


def writable(text: str) -> str:
    """The text with its surrogate pairs joined, and with U+FFFD for lone surrogates and NULs, which no file, database
    or server takes."""
    if text.isascii() and "\x00" not in text:
        return text
    if _UNWRITABLE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _UNWRITABLE.sub("\ufffd", joined)


def check_depth(text: str) -> None:
    """Raises Unreadable where brackets are nested too deeply; those in texts do not count."""
    if text.count("[") + text.count("{") > DEEPEST and _nested(_STRINGS.sub("", text)) > DEEPEST:
        raise _too_deep()


def count(value: Any, most: int = MOST_TOKENS) -> int | None:
    """A whole number from 0 to `most`; None for what is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return int(value) if value == int(value) else None


def number(value: Any, least: float, most: float) -> float | None:
    """A number from `least` to `most`; None for what is not one: NaN, a truth value, a text."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None
    return float(value)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8: {error.reason} at byte {error.start}") from None


def _nested(text: str) -> int:
    level = deepest = 0
    for bracket in _BRACKETS.findall(text):
        level = max(0, level + (1 if bracket in "[{" else -1))
        deepest = max(deepest, level)
    return deepest


def _in_range(value: float) -> float:
    if isinstance(value, int):
        if LEAST_WHOLE <= value <= MOST_WHOLE:
            return value
        raise Unreadable(f"a whole number of {value.bit_length()} bits is out of range")
    if value - value != 0:
        raise Unreadable(f"{value} is not a finite number")
    return value


def _too_deep() -> Unreadable:
    return Unreadable(f"it is nested more than {DEEPEST} levels deep")
