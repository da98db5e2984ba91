"""Mutations of bytes and JSON values for several targets: what broken programs, disks and models make of them."""

from __future__ import annotations

import random
from typing import Any

ODD_NUMBERS = (
    "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "-0", "1e-400", "0x10", "01", str(2**53 + 1), str(2**70),
    "9" * 400, "9" * 5000, "1" * 400 + ".5",
)  # fmt: skip
"""Literals in place of a number, some of which are not JSON."""
ODD_TEXTS = (
    "", " ", "\x00", "a\x00b", "\x1b[31m", "\ud800", "\udfff\ud800", "\u202eabc", "\ufeff", "\ufffe", "1e400", "null",
    "true", "[]", "{}", "../../etc/passwd", "'; DROP TABLE runs; --", "=1+1", "<script>", "x" * 20_000, "\n" * 500,
    "é" * 300, "日本語", "ไทย", "🙂" * 50,
)  # fmt: skip
DEEP = 20_000


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The bytes after one to four accidents: cut, doubled, shuffled, overwritten, filled in."""
    for _ in range(draw.randint(1, 4)):
        data = draw.choice(_ACCIDENTS)(data, draw)
    return data


def deep(draw: random.Random, size: int = DEEP) -> str:
    """Many open brackets, closed or not."""
    opening, closing = draw.choice([("[", "]"), ('{"a":', "}"), ("[{", "}]"), ('[{"a":', "}]")])
    return opening * size + draw.choice(["", "1", closing * size, "1" + closing * size])


def odd_value(draw: random.Random) -> Any:
    """A JSON value of a kind that was not asked for."""
    return draw.choice(
        [None, True, False, 0, -1, -0.0, 0.5, 2**70, float("inf"), float("nan"), [], {}, [None], {"": {}}, [[[[1]]]],
         *ODD_TEXTS]
    )  # fmt: skip


def changed(value: Any, draw: random.Random) -> Any:
    """The JSON value with one of its parts replaced, removed, doubled or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value))
        return _changed_member(dict(value), key, draw)
    if isinstance(value, list) and value and draw.random() < 0.85:
        at = draw.randrange(len(value))
        return [*value[:at], *draw.choice([[], [value[at]] * 2, [changed(value[at], draw)]]), *value[at + 1 :]]
    return odd_value(draw)


def _changed_member(value: dict[str, Any], key: str, draw: random.Random) -> dict[str, Any]:
    kind = draw.random()
    if kind < 0.15:
        del value[key]
    elif kind < 0.25:
        value[draw.choice(ODD_TEXTS)[:40]] = value.pop(key)
    elif kind < 0.35:
        value["unheard_of"] = odd_value(draw)
    else:
        value[key] = changed(value[key], draw)
    return value


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randint(0, len(data))]


def _without(data: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(data))
    return data[:start] + data[start + draw.randint(1, 40) :]


def _doubled(data: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(data))
    end = start + draw.randint(1, 200)
    return data[:end] + data[start:end] * draw.choice([1, 2, 50]) + data[end:]


def _overwritten(data: bytes, draw: random.Random) -> bytes:
    noise = bytes(draw.randrange(256) for _ in range(draw.randint(1, 8)))
    at = draw.randint(0, len(data))
    return data[:at] + noise + data[at + len(noise) :]


def _filled_in(data: bytes, draw: random.Random) -> bytes:
    texts = (*ODD_NUMBERS, *ODD_TEXTS)
    text = deep(draw) if draw.random() < 0.05 else draw.choice(texts)
    at = draw.randint(0, len(data))
    return data[:at] + text.encode("utf-8", "surrogatepass") + data[at:]


_ACCIDENTS = (_cut, _without, _doubled, _overwritten, _filled_in)
