"""YAML from outside, read within bounds: a tree whose texts are as they were written and whose parts know their lines.

The C parser's events are put together here, without recursion: PyYAML's own composer crashes on deep nesting, lets the
last of two equal keys win, and follows aliases wherever they lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml import events

from traces import bounds
from traces.errors import ScenarioError, reason

try:
    from yaml import cyaml
except ImportError:  # PyYAML was built without libyaml
    cyaml = None  # type: ignore[assignment]

LARGEST = 4_000_000  # bytes of a file
DEEPEST = bounds.DEPTH  # levels of nesting
WHOLE = (
    16_000_000  # characters of all its texts, those of aliases counted wherever they are used, and NODE for each part
)
NODE = 32
_SMALL = 64_000  # characters that the parser in Python, which names the place of an error better, reads in no time

_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {f"{_TAG}{name}" for name in ("int", "float", "bool", "null")}
_KNOWN_TAGS = _PLAIN_TAGS | {f"{_TAG}{name}" for name in ("str", "map", "seq")} | {"!"}
_HINTS = (
    ("\\t", "a tab: YAML is indented with spaces"),
    ("mapping values are not allowed", 'a text with ": " in it needs quotes around it'),
    ("expected <block end>", "check the indentation and the quotes of this line and the one before"),
    ("could not find expected ':'", "check the indentation and the quotes of this line and the one before"),
    ("while scanning a quoted scalar", "a quote is not closed"),
    ("undefined alias", "a text that starts with * needs quotes around it"),
    ("character '%'", "a text that starts with % needs quotes around it"),
    ("character '@'", "a text that starts with @ needs quotes around it"),
    ("character '`'", "a text that starts with ` needs quotes around it"),
)


class Scalar:
    """A text as it was written. `plain`: without quotes, so that it may stand for a number, a yes or no, or nothing."""

    __slots__ = ("line", "plain", "size", "value")

    def __init__(self, value: str, line: int, plain: bool) -> None:
        self.value, self.line, self.plain = value, line, plain
        self.size = NODE + len(value)


class Sequence:
    __slots__ = ("items", "line", "size")

    def __init__(self, line: int) -> None:
        self.line, self.size = line, NODE
        self.items: list[Node] = []

    def add(self, node: Node) -> None:
        self.items.append(node)


class Mapping:
    """`entries`: key → the key's line, and the value."""

    __slots__ = ("_key", "_merged", "entries", "line", "name", "size")

    def __init__(self, line: int, name: str) -> None:
        self.line, self.name, self.size = line, name, NODE
        self.entries: dict[str, tuple[int, Node]] = {}
        self._key: Scalar | None = None
        self._merged: dict[str, tuple[int, Node]] | None = None

    def add(self, node: Node) -> None:
        """The next key, or the value of the last one. Raises ScenarioError for a key that is there already."""
        key = self._key
        if key is None:
            self._key = self._as_key(node)
            return
        self._key = None
        if key.plain and key.value == "<<":
            self._merge(node)
        else:
            self.entries[key.value] = (key.line, node)

    def _as_key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            raise ScenarioError(self.name, "a key is a text, not a list or a mapping", line=node.line)
        known = self.entries.get(node.value)
        if known is not None:
            twice = f"the key {_shown(node.value)} is here twice: in line {known[0]} and in line {node.line}"
            raise ScenarioError(self.name, f"{twice}; take one out", line=node.line, field=node.value[:80])
        if node.plain and node.value == "<<" and self._merged is not None:
            raise ScenarioError(self.name, "<< is here twice: write <<: [*one, *other]", line=node.line)
        if node.plain and not node.value:
            raise ScenarioError(self.name, "there is a colon without a key before it", line=node.line)
        return node

    def _merge(self, node: Node) -> None:
        self._merged = {}
        for part in node.items if isinstance(node, Sequence) else [node]:
            if not isinstance(part, Mapping):
                raise ScenarioError(self.name, "<< takes a mapping: <<: *its_anchor", line=node.line)
            for key, entry in part.entries.items():
                self._merged.setdefault(key, entry)

    def close(self) -> None:
        """What `<<` brings in goes below what the mapping itself says."""
        if self._merged:
            self.entries = {**self._merged, **self.entries}


Node: TypeAlias = Scalar | Sequence | Mapping


def read(path: Path) -> Node | None:
    """The file's tree; None where it is empty. Raises ScenarioError with the line of what is wrong."""
    return parse(content(path), str(path))


def content(path: Path, largest: int = LARGEST) -> bytes:
    """A file's bytes. Raises ScenarioError where it cannot be read or is larger than `largest`."""
    try:
        with path.open("rb") as file:
            found = file.read(largest + 1)
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error
    if len(found) > largest:
        raise ScenarioError(str(path), f"is too large: a file of this kind has at most {largest // 1_000_000} MB")
    return found


def parse(given: bytes | str, name: str) -> Node | None:
    """The tree of a text that errors call `name`; None where it is empty. Raises ScenarioError with the line."""
    if len(given) > LARGEST:
        raise ScenarioError(name, f"is too large: at most {LARGEST // 1_000_000} MB are read")
    text = given if isinstance(given, str) else decoded(given, name)
    strange = _NOT_TEXT.search(text)
    if strange:
        code = f"U+{ord(strange.group()):04X}"
        raise ScenarioError(name, f"holds the control character {code}: take it out", line=_line(text, strange.start()))
    try:
        return _composed(text, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None)))) or str(error)
        said = said.replace("<unicode string>", name)
        hint = next((f" ({hint})" for sign, hint in _HINTS if sign in said), "")
        raise ScenarioError(name, f"not valid YAML: {said}{hint}", line=mark.line + 1 if mark else None) from error


def decoded(given: bytes, name: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 where it says so. Raises ScenarioError with the line."""
    code = next((code for mark, code in _MARKS if given.startswith(mark)), "utf-8-sig")
    try:
        return given.decode(code)
    except UnicodeDecodeError as error:
        line = given.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{given[error.start]:02x}"
        right = "save it as UTF-8"
        raise ScenarioError(name, f"is not {code[:6].rstrip('-').upper()} text ({byte}): {right}", line=line) from error


def texts(node: Node | None) -> Any:
    """The tree's values, every scalar as the text that it was written as."""
    if isinstance(node, Mapping):
        return {key: texts(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [texts(item) for item in node.items]
    return node.value if node is not None else None


def _line(text: str, place: int) -> int:
    return len(text[: place + 1].splitlines()) or 1


def _shown(key: str) -> str:
    return repr(key if len(key) <= 80 else f"{key[:80]}...")


class _Python(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser in Python."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def _composed(text: str, name: str) -> Node | None:
    parser = getattr(cyaml, "CParser", _Python)
    try:
        return _Composer(name).compose(_events(parser(text)))
    except yaml.YAMLError:
        if parser is _Python or len(text) > _SMALL:
            raise
        return _Composer(name).compose(_events(_Python(text)))


def _events(parser: Any) -> Iterator[Any]:
    """The parser's events, and the parser let go of after the last."""
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


class _Composer:
    """Puts a tree together from a parser's events, within the bounds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root: Node | None = None
        self._open: list[Sequence | Mapping] = []
        self._documents = 0
        self._anchors: dict[str, Node] = {}
        self._named: list[str | None] = []
        self._whole = 0

    def compose(self, given: Iterator[Any]) -> Node | None:
        for event in given:
            kind = type(event)
            if kind is events.ScalarEvent:
                self._add(self._scalar(event), event.anchor)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                self._start(event, kind is events.MappingStartEvent)
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                self._end()
            elif kind is events.AliasEvent:
                self._add(self._alias(event), None)
            elif kind is events.DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    self._refuse("a second document begins here (---): one file holds one", event)
        return self._root

    def _scalar(self, event: Any) -> Scalar:
        tag, value = event.tag, event.value
        plain = event.style is None or event.style == ""
        if tag is not None:
            self._check_tag(event)
            plain = tag in _PLAIN_TAGS
        elif not plain:
            value = self._usable(value, event)
        node = Scalar(value, event.start_mark.line + 1, plain)
        self._count(node.size, node.line)
        return node

    def _usable(self, value: str, event: Any) -> str:
        """The text of an escape (\\ud83d\\ude00) as JSON has it; no NUL and no half of a character is left in it."""
        strange = _UNUSABLE.search(value)
        if strange is None:
            return value
        value = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), value)
        strange = _UNUSABLE.search(value)
        if strange is not None:
            self._refuse(f"U+{ord(strange.group()):04X} cannot be part of a text: take it out", event)
        return value

    def _start(self, event: Any, mapping: bool) -> None:
        if event.tag is not None:
            self._check_tag(event)
        if len(self._open) >= DEEPEST:
            self._refuse(f"is nested too deep: at most {DEEPEST} levels", event)
        line = event.start_mark.line + 1
        self._count(NODE, line)
        self._open.append(Mapping(line, self._name) if mapping else Sequence(line))
        self._named.append(event.anchor)

    def _end(self) -> None:
        node = self._open.pop()
        if isinstance(node, Mapping):
            node.close()
        self._add(node, self._named.pop())

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self._named
            self._refuse(
                f"*{event.anchor} stands inside of what it repeats, without end"
                if inside
                else f"there is no &{event.anchor} before *{event.anchor} (a text that starts with * needs quotes)",
                event,
            )
        self._count(node.size, event.start_mark.line + 1)
        return node

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            parent = self._open[-1]
            parent.size += node.size
            parent.add(node)
        else:
            self._root = node

    def _count(self, size: int, line: int) -> None:
        self._whole += size
        if self._whole > WHOLE:
            raise ScenarioError(
                self._name, f"grows too large here: at most {WHOLE // 1_000_000} MB, with its aliases (*)", line=line
            )

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _KNOWN_TAGS:
            tag = event.tag.replace(_TAG, "!!")
            self._refuse(f"the tag {_shown(tag)} is not allowed: only texts, numbers, lists and mappings", event)

    def _refuse(self, message: str, event: Any) -> NoReturn:
        raise ScenarioError(self._name, message, line=event.start_mark.line + 1)
