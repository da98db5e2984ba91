"""JSON and texts from models and their servers: read within `traces.bounds`, and texts that can be written.

`loads` is for what must be valid as it is. `mended` also takes what models make of JSON. `settled` is for values that
another reader has decoded.
"""

from __future__ import annotations

import re
from typing import Any

from traces import bounds
from traces.bounds import Malformed, OutOfBounds

LARGEST = 4_000_000
"""Bytes of a reply that are read, at most."""
LARGEST_MENDED = 200_000
"""Characters of broken JSON that are mended, at most: mending is slow."""

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises Malformed."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text.removeprefix(b"\xef\xbb\xbf")
    try:
        return bounds.decode(data, size=LARGEST)
    except RecursionError:  # deeper than the brackets outside of texts say: the text is broken as well
        raise OutOfBounds(f"nested more than {bounds.DEPTH} deep") from None


def mended(text: str) -> Any:
    """The value of a text that is nearly JSON: in a code fence, among prose, with trailing commas, cut at its end.
    Raises Malformed."""
    if len(text) > LARGEST_MENDED:
        raise OutOfBounds(f"it is not valid JSON, and with {len(text):,} characters too long to be mended")
    if text.count("[") + text.count("{") > bounds.DEPTH:
        bounds.check_depth(text.replace('"', ""))  # where quotes are broken, the mender sees brackets within them too
    import json_repair

    try:
        value = json_repair.loads(text)
    except (ValueError, RecursionError, IndexError, AttributeError, TypeError) as error:  # its own mistakes
        raise Malformed(f"it is not valid JSON and cannot be mended: {str(error)[:100]}") from None
    return settled(value)


def settled(value: Any) -> Any:
    """The value with texts that can be written. Raises OutOfBounds."""
    bounds.check(value)
    return _written(value)


def _written(value: Any) -> Any:
    match value:
        case str():
            return writable(value)
        case list() | tuple():
            return [_written(part) for part in value]
        case dict():
            return {writable(str(name)): _written(part) for name, part in value.items()}
    return value


def writable(text: str) -> str:
    """The text with its surrogate pairs joined, and with U+FFFD for lone surrogates and NULs, which no file, database
    or server takes."""
    if text.isascii() and "\x00" not in text:
        return text
    if _UNWRITABLE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _UNWRITABLE.sub("\ufffd", joined)


def count(value: Any, most: int = bounds.COUNT) -> int | None:
    """A whole number from 0 to `most`, also one that is written as 5.0; None for what is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if bounds.is_count(value, most) else None
