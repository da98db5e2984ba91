"""Limits for everything that comes from outside: files that somebody sent, servers' replies, traces of other tools.

Each reader has a bound on the size of what it takes, on how deeply it is nested and on how much it grows when it is
unpacked; and numbers are finite and fit into 64 bits, so that nothing later (the index, a sum, a chart) overflows.

    decode(content)        JSON, optionally as a msgspec type
    check(value)           the same limits for what another parser has made (YAML, msgpack, a tool's result)
    check_depth(text)      before another parser is given a JSON-like text, most of which overflow the stack
    read(path)             a file's bytes
    gunzip(content)        the content of a gzip, without unpacking a bomb
    is_number, is_count, is_moment     one value

Everything raises `OutOfBounds` for what is beyond a limit, and its parent `Malformed` for what cannot be read at all.
Both are InputErrors (one line for a user) and ValueErrors (as other parsers raise).
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, overload

import msgspec

from traces.errors import InputError, reason

T = TypeVar("T")
SIZE = 256 << 20
"""Bytes of one file or one text."""
DEPTH = 100
"""Objects and lists within each other."""
ITEMS = 5_000_000
"""Values in one text, those behind aliases each time that they are named."""
INTEGER = (1 << 63) - 1
"""The largest whole number, and with a minus the smallest."""
COUNT = 1 << 40
"""The largest count of anything: tokens of a call, bytes, milliseconds."""
PLACE = (1 << 31) - 1
"""The largest number of a run, or of an event in it."""
LATEST = 253_402_300_799
"""The end of the year 9999, in Unix time."""
RATIO = 100
"""How many times larger than itself a gzip may become; a small one may always become SMALL bytes."""
SMALL = 8 << 20
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_LONG = re.compile(rb"\d{19}")


class Malformed(InputError, ValueError):
    """What came from outside cannot be read."""


class OutOfBounds(Malformed):
    """It is larger, deeper or further out than anything that is read here."""


@overload
def decode(content: bytes | str, *, size: int = SIZE, depth: int = DEPTH) -> Any: ...
@overload
def decode(content: bytes | str, type: type[T], *, size: int = SIZE, depth: int = DEPTH) -> T: ...
def decode(content: bytes | str, type: Any = Any, *, size: int = SIZE, depth: int = DEPTH) -> Any:
    """The value of a JSON text, of at most `size` bytes. Every number is finite and fits into 64 bits. Raises
    OutOfBounds, and Malformed for what is not JSON or not of this type, with what is wrong and without the place."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(data) > size:
        raise OutOfBounds(f"{len(data):,} bytes are more than the {size:,} that are read")
    check_depth(data, depth)
    try:
        value = msgspec.json.decode(data, type=type)
    except msgspec.ValidationError as error:
        kind = OutOfBounds if "out of range" in str(error) else Malformed
        raise kind(str(error)) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Malformed(f"not valid JSON: {error}") from None
    if _LONG.search(data):
        check(value, depth=depth)
    return value


def check_depth(text: bytes | str, depth: int = DEPTH) -> None:
    """Raises OutOfBounds where brackets outside strings are nested deeper than this; looks at nothing else."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= depth:
        return
    now = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        now = now + 1 if bracket in b"[{" else max(0, now - 1)
        if now > depth:
            raise OutOfBounds(f"nested more than {depth} deep")


def is_shallow(text: str, depth: int = DEPTH) -> bool:
    """Whether `check_depth` lets it through."""
    try:
        check_depth(text, depth)
    except OutOfBounds:
        return False
    return True


def check(value: Any, *, depth: int = DEPTH, items: int = ITEMS) -> None:
    """Raises OutOfBounds where a value made of dicts, lists, tuples and plain values is nested too deeply (or contains
    itself), has too many values, or has a number that is not finite or does not fit into 64 bits."""
    level, count = [value], 0
    for _ in range(depth + 1):
        following: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                following += one.keys()
                following += one.values()
            elif isinstance(one, list | tuple):
                following += one
            elif isinstance(one, int | float) and not isinstance(one, bool) and not is_number(one):
                raise OutOfBounds(f"a number out of range: {_shown(one)}")
            if count + len(following) > items:
                raise OutOfBounds(f"more than {items:,} values")
        level, count = following, count + len(following)
        if not level:
            return
    raise OutOfBounds(f"nested more than {depth} deep")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number that fits into 64 bits; True and False are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else -INTEGER <= value <= INTEGER


def is_moment(value: object) -> TypeGuard[float]:
    """Whether it is a Unix time from 1970 to the year 9999, which is as far as calendars go."""
    return is_number(value) and 0 <= value <= LATEST


def is_count(value: object, most: int = COUNT) -> TypeGuard[int]:
    """Whether it is a whole number from 0 to `most`; True, 3.0 and "3" are not."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def read(path: Path, size: int = SIZE) -> bytes:
    """The content of a file. Raises OutOfBounds where it has more than `size` bytes, Malformed where it cannot be
    read, both with the path."""
    try:
        with open(path, "rb") as file:
            content = file.read(size + 1)
    except OSError as error:
        raise Malformed(f"{path}: {reason(error)}") from None
    if len(content) > size:
        raise OutOfBounds(f"{path}: is larger than the {size:,} bytes that are read")
    return content


def gunzip(content: bytes, size: int = SIZE, ratio: int = RATIO) -> bytes:
    """What a gzip of one or more members holds. It is unpacked only as far as the limits allow. Raises OutOfBounds,
    and Malformed for what is cut off or not a gzip."""
    most = min(size, max(SMALL, ratio * len(content)))
    found: list[bytes] = []
    length, rest = 0, content
    while rest.strip(b"\0") or not found:
        member = zlib.decompressobj(wbits=31)
        try:
            piece = member.decompress(rest, most - length + 1)
        except zlib.error:
            raise Malformed("is damaged, or not a gzip") from None
        found.append(piece)
        length += len(piece)
        if length > most:
            raise OutOfBounds(f"unpacks to more than {most:,} bytes ({len(content):,} packed)")
        if not member.eof:
            raise Malformed("the gzip is cut off")
        rest = member.unused_data
    return b"".join(found)


def _shown(number: int | float) -> str:
    """A number in a few characters: Python refuses to write whole numbers of thousands of digits."""
    return f"a whole number of {number.bit_length()} bits" if isinstance(number, int) else str(number)
