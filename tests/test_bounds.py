"""The limits of what comes from outside."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import bounds
from traces.bounds import Malformed, OutOfBounds

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_is_within_the_limits_is_read_as_it_is(value: Any) -> None:
    if not any(text in json.dumps(value) for text in ("Infinity", "\\ud")):
        assert bounds.decode(json.dumps(value)) == value


@given(st.binary() | st.text())
def test_whatever_comes_is_a_value_or_one_kind_of_error(content: bytes | str) -> None:
    with contextlib.suppress(Malformed):
        bounds.decode(content)


@pytest.mark.parametrize(
    "text",
    ["1e400", "[-1e400]", str(2**63), f'{{"a": {-(2**70)}}}', "9" * 5000, "1" + "0" * 4000],
    ids=["inf", "minus inf", "2^63", "2^70", "5000 digits", "4001 digits"],
)
def test_a_number_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(OutOfBounds):
        bounds.decode(text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize("times", [101, 1_000, 200_000])
def test_deep_nesting_is_refused_and_overflows_no_stack(opening: str, closing: str, times: int) -> None:
    with pytest.raises(OutOfBounds, match="deep"):
        bounds.decode(opening * times + "1" + closing * times)
    with pytest.raises(OutOfBounds, match="deep"):
        bounds.decode(opening * times)


def test_brackets_within_strings_and_beside_each_other_are_not_depth() -> None:
    assert bounds.decode(json.dumps(["[{" * 5000, '"[\\' * 5000])) == ["[{" * 5000, '"[\\' * 5000]
    assert len(bounds.decode("[" + "[]," * 5000 + "[]]")) == 5001


@pytest.mark.parametrize("value", [math.inf, [math.nan], {"a": 2**70}, {2**64: 1}, (-math.inf,)])
def test_numbers_that_another_parser_made_are_checked_too(value: Any) -> None:
    with pytest.raises(OutOfBounds, match="number"):
        bounds.check(value)


def test_aliases_that_multiply_or_contain_themselves_are_refused() -> None:
    bomb: list[Any] = ["x"] * 10
    for _ in range(9):
        bomb = [bomb] * 10
    with pytest.raises(OutOfBounds, match="values"):
        bounds.check(bomb)
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(OutOfBounds, match="deep"):
        bounds.check(ring)


def test_a_gzip_is_unpacked_only_as_far_as_it_may() -> None:
    assert bounds.gunzip(gzip.compress(b"a" * 100) + gzip.compress(b"b")) == b"a" * 100 + b"b"
    with pytest.raises(OutOfBounds, match="unpacks to more"):
        bounds.gunzip(gzip.compress(bytes(64 << 20)))
    with pytest.raises(OutOfBounds, match="unpacks to more"):
        bounds.gunzip(gzip.compress(bytes(1000)), size=999)
    for broken in (gzip.compress(b"whole")[:-3], b"\x1f\x8bno", b"", gzip.compress(b"a") + b"rest"):
        with pytest.raises(Malformed):
            bounds.gunzip(broken)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert bounds.read(tmp_path / "f", 5) == b"12345"
    with pytest.raises(OutOfBounds):
        bounds.read(tmp_path / "f", 4)
    with pytest.raises(Malformed):
        bounds.read(tmp_path / "none")
    with pytest.raises(Malformed):
        bounds.read(tmp_path)


def test_a_count_is_a_whole_number_that_is_not_negative() -> None:
    assert [bounds.is_count(v) for v in (0, 5, 2**40, -1, 2**41, True, 5.0, "5", None)] == [True] * 3 + [False] * 6
    assert [bounds.is_number(v) for v in (0, -2.5, True, math.nan, 2**64, "1")] == [True, True, *[False] * 4]
