"""YAML from outside: texts stay as they were written, and no file crashes, hangs or fills the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field

from tasks import wanted, yamlfile
from tasks.case import Strict
from traces import yamltree
from traces.errors import ScenarioError

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)


class Part(Strict):
    name: str = ""


class Things(Strict):
    text: str = ""
    maybe: str | None = None
    whole: int = 0
    share: float = 0.0
    sure: bool = False
    kind: Literal["yes", "no"] = "no"
    number_or_names: int | tuple[str, ...] | None = None
    either: tuple[str | float, ...] = ()
    texts: tuple[str, ...] = ()
    named: dict[str, str] = Field(default={})
    part: Part = Part()
    anything: Any = None


class Open(Strict):
    model_config = ConfigDict(extra="allow")


def read(text: str | bytes, model: type[Any] = Things) -> Any:
    return yamlfile.parsed(yamltree.parse(text, "f.yaml"), "f.yaml", model, {}, {})


AS_WRITTEN = [
    "00000256", "7.50", "12:30", "1_000", "0x1F", "0o17", "2026-01-01", "2026-01-01T10:00:00Z", "1e3", "1E400",
    "~", "null", ".inf", ".nan", "-.INF", "yes", "no", "on", "off", "True", "true", "NULL", "+5", "-0",
    "1.", ".5", "190:20:30", "=",
    "9" * 30, "12345678901234567890", "０１２", "3.0", "7",
]  # fmt: skip


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_where_a_text_is_wanted_it_stays_as_it_was_written(written: str) -> None:
    found = read(f"text: {written}\ntexts: [{written}]\nnamed:\n  {written}: {written}\n")
    expected = {written: written}
    assert (found.text, found.texts, found.named) == (written, (written,), expected)


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_where_anything_may_stand_only_what_python_would_write_alike_is_a_number(written: str) -> None:
    if written.lower().lstrip("-") in (".inf", ".nan"):
        with pytest.raises(ScenarioError, match=r"f\.yaml:1: .* is not a finite number"):
            read(f"anything: {written}")
        return
    value = read(f"anything: {{deep: [{written}]}}").anything["deep"][0]
    expected: Any = {"~": None, "null": None, "NULL": None, "true": True, "3.0": 3.0, "7": 7}.get(written, written)
    assert value == expected
    assert type(value) is type(expected)


@given(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_every_number_is_read_as_itself(number: float) -> None:
    assert read(f"anything: {number}").anything == number
    assert read(f"share: {number}").share == float(number)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("whole: 0x1F", "whole", 31),
        ("whole: 0o17", "whole", 15),
        ("whole: 010", "whole", 10),
        ("whole: 1_000", "whole", 1000),
        ("whole: '12'", "whole", 12),
        ("share: 1e3", "share", 1000.0),
        ("share: .5", "share", 0.5),
        ("sure: yes", "sure", True),
        ("sure: Off", "sure", False),
        ("kind: yes", "kind", "yes"),
        ("maybe: ~", "maybe", None),
        ("maybe:", "maybe", None),
        ("maybe: 'null'", "maybe", "null"),
        ("number_or_names: 5", "number_or_names", 5),
        ("number_or_names: [007, no]", "number_or_names", ("007", "no")),
        ("number_or_names: null", "number_or_names", None),
        ("either: [5, 7.50, '5', x]", "either", (5.0, "7.50", "5", "x")),
        ("text: !!str 5", "text", "5"),
        ("anything: '5'", "anything", "5"),
        ("anything: |\n  5\n", "anything", "5\n"),
    ],
)
def test_where_something_else_is_wanted_it_becomes_that(text: str, field: str, value: Any) -> None:
    found = getattr(read(text), field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("text: a\nwhole: 1\ntext: b\n", "f.yaml:3: text", "twice: in line 1 and in line 3"),
        ("anything:\n  - {deep: {a: 1,\n    b: 2, 'a': 3}}\n", "f.yaml:3: a", "in line 2 and in line 3"),
        ('{"text": "a",\n "text": "b"}', "f.yaml:2: text", "in line 1 and in line 2"),
        ('{"anything": {"x": {"b": 1,\n"b": 2}}}', "f.yaml:2: b", "twice"),
        ("named:\n  <<: &m {a: x}\n  <<: *m\n", "f.yaml:3", "<< is here twice"),
        ("anything: " + "[" * 50_000, "f.yaml:1", "nested too deep"),
        ("anything: " + "[" * 50_000 + "]" * 50_000, "f.yaml:1", "nested too deep"),
        ("anything: " + "{a: " * 50_000, "f.yaml:1", "nested too deep"),
        ("- " * 50_000 + "x", "f.yaml:1", "nested too deep"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), "f.yaml:101", "nested too deep"),
        (ALIASES, "f.yaml:6", "grows too large"),
        (f"- &t {'x' * 100_000}\n" + "- *t\n" * 1000, "f.yaml:160", "grows too large"),
        ("anything: &a [1, *a]", "f.yaml:1", "without end"),
        ("anything: &a\n  b: {c: *a}", "f.yaml:2", "without end"),
        ("anything: *b", "f.yaml:1", "there is no &b"),
        ("text: a\nanything: !!python/object/apply:os.system [ls]", "f.yaml:2", "!!python/object/apply:os.system"),
        ("text: !secret a", "f.yaml:1", "'!secret' is not allowed"),
        ("anything: !!binary aGk=", "f.yaml:1", "'!!binary' is not allowed"),
        ("text: a\n---\ntext: b\n", "f.yaml:2", "a second document begins here"),
        ("part:\n\tname: x\n", "f.yaml:2", "a tab: YAML is indented with spaces"),
        ("text: a\nmaybe: b\0c", "f.yaml:2", "U+0000"),
        ("text: a\r\nmaybe: b\x1bc", "f.yaml:2", "U+001B"),
        ('text: "\\0"', "f.yaml:1", "U+0000"),
        ('text: "\\ud800"', "f.yaml:1", "U+D800"),
        ("text: a: b", "f.yaml:1", "needs quotes around it"),
        ("? [a]\n: b", "f.yaml:1", "a key is a text"),
        ("anything: {<<: 3}", "f.yaml:1", "<< takes a mapping"),
        ("whole: 99999999999999999999", "f.yaml:1", "too large for a number"),
        ("share: 1e400", "f.yaml:1", "too large for a number"),
        ("share: .inf", "f.yaml:1", "is not a finite number"),
        ("share: nan", "f.yaml:1: share", "finite number"),
        ("share: 'inf'", "f.yaml:1: share", "finite number"),
        ("whole: 12:30", "f.yaml:1: whole", "valid integer"),
        ("sure: perhaps", "f.yaml:1: sure", "valid boolean"),
        ("text:", "f.yaml:1: text", "valid string"),
        ("part: 7.50", "f.yaml:1: part", "got '7.50'"),
        ("part: {nmae: x}", "f.yaml:1: part.nmae", "did you mean 'name'?"),
        ("- a\n- b\n", "f.yaml:1", "should be a mapping of fields to values, but it is a list"),
        ("", "f.yaml:1", "it is empty"),
        ("text: [a\n" + "x" * 4_000_000, "f.yaml", "too large"),
    ],
)
def test_what_cannot_be_read_is_one_error_with_its_line(text: str, place: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    told = str(caught.value)
    assert told.startswith(place)
    assert words in told
    assert len(told) < 400


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_may_say_its_encoding_and_end_its_lines_as_it_likes(code: str) -> None:
    found = read("text: Käse 日本\r\nanything: |\r\n  one\r\n  two\r\n".encode(code))
    assert (found.text, found.anything) == ("Käse 日本", "one\ntwo\n")
    with pytest.raises(ScenarioError, match=r"f\.yaml:2: is not UTF-8 text \(byte 0xe4\): save it as UTF-8"):
        read("text: a\nmaybe: Käse".encode("latin-1"))


def test_json_is_read_too_with_its_escapes_and_tabs() -> None:
    assert read('{"text": "\\ud83d\\ude00 \\u00e4"}').text == "😀 ä"
    assert read('{\n\t"text": "\\u00e4",\n\t"texts": ["1", "a\\/b"]\n}').texts == ("1", "a/b")


def test_aliases_and_merges_work_within_bounds() -> None:
    found = read("anything:\n  base: &b {x: 1, y: 2}\n  more: {<<: *b, y: 3}\n  list: {<<: [*b, {z: 4}]}\n  same: *b\n")
    assert found.anything["more"] == {"x": 1, "y": 3}
    assert found.anything["list"] == {"x": 1, "y": 2, "z": 4}
    assert found.anything["same"] == found.anything["base"]
    deep = "[" * 98 + "]" * 98
    assert read(f"anything: {deep}").anything is not None


def test_every_mistake_of_a_file_is_known(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("whole: many\nshare: few\npart:\n  nmae: x\n")
    with pytest.raises(ScenarioError) as caught:
        yamlfile.load(file, Things)
    assert str(caught.value).endswith("got 'many' (and 2 more)")
    assert [(e.line, e.field) for e in caught.value.all] == [(1, "whole"), (2, "share"), (4, "part.nmae")]
    assert not any("more)" in str(e) for e in caught.value.all)


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (yamltree.LARGEST + 1))
    for name, words in (("large.yaml", "too large"), (".", "Is a directory"), ("none.yaml", "No such file")):
        with pytest.raises(ScenarioError, match=words):
            yamlfile.load(tmp_path / name, Things)


@pytest.mark.parametrize(
    ("schema", "written", "value"),
    [
        ({"type": "string"}, "00000256", "00000256"),
        ({"type": "string"}, "5", "5"),
        ({"type": "string"}, "null", "null"),
        ({"type": "integer"}, "0x1F", 31),
        ({"type": "number"}, "7.50", 7.5),
        ({"type": "boolean"}, "yes", True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "~", None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "no", "no"),
        ({"type": ["integer", "string"]}, "007", "007"),
        ({"type": ["integer", "string"]}, "7", 7),
        ({"enum": ["yes", "no"]}, "yes", "yes"),
        ({"enum": [1, 2]}, "1", 1),
        ({"type": "array", "items": {"type": "string"}}, "[1, no]", ["1", "no"]),
        ({"$ref": "#/$defs/id", "$defs": {"id": {"type": "string"}}}, "01", "01"),
        ({"$ref": "#", "type": "string"}, "01", "01"),
        ({}, "01", "01"),
        ({}, "1", 1),
    ],
)
def test_an_argument_becomes_what_the_tools_schema_wants(schema: dict[str, Any], written: str, value: Any) -> None:
    whole = {"type": "object", "properties": {"x": {k: v for k, v in schema.items() if k != "$defs"}}}
    want = wanted.of_schema({**whole, "$defs": schema.get("$defs", {})})
    found = wanted.value(yamltree.parse(f"x: {written}", "f"), want, {}, "f")["x"]
    assert found == value
    assert type(found) is type(value)
