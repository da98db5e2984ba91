"""Files that users write: YAML (and JSON, which is YAML too) checked by a pydantic model, with errors that name the
file, line and field."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from tasks import wanted
from tasks.wanted import Late, Want
from traces import paths, yamltree
from traces.errors import ScenarioError, reason
from traces.yamltree import Node

M = TypeVar("M", bound=BaseModel)
Loc = Sequence[str | int]
Problem = tuple[Loc, str]
"""A place in what a model reads, and what is wrong there."""


def load(path: Path, model: type[M], **defaults: Any) -> M:
    """The file's content as a `model`, which is frozen: read once for as long as the file stays as it is. `defaults`
    fill fields that the file leaves out.

    Raises ScenarioError for a missing file, broken YAML, and fields that are wrong: the first, with the rest as `more`.
    """
    return _load(path, stamp(path), model, tuple(defaults.items()))  # type: ignore[return-value]


def stamp(path: Path) -> tuple[int, int]:
    """What tells that a file has changed. Raises ScenarioError where it cannot be read."""
    try:
        return paths.stamp(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error


@lru_cache(maxsize=256)
def _load(path: Path, stamp: tuple[int, int], model: type[BaseModel], defaults: tuple[tuple[str, Any], ...]) -> object:
    return read(path, model, {}, dict(defaults))


def read(path: Path, model: type[M], late: Late, defaults: Mapping[str, Any]) -> M:
    """The same, read at every call; `late` says of some fields what they take (tasks.wanted)."""
    return parsed(yamltree.read(path), str(path), model, late, defaults)


def parsed(root: Node | None, name: str, model: type[M], late: Late, defaults: Mapping[str, Any]) -> M:
    """A tree as a `model`; errors call it `name`."""
    if not isinstance(root, yamltree.Mapping):
        found = "it is empty" if root is None else "it is a list" if isinstance(root, yamltree.Sequence) else "a text"
        raise ScenarioError(name, f"should be a mapping of fields to values, but {found}", line=1)
    data = wanted.value(root, wanted.of(model), late, name)
    try:
        return model.model_validate({**defaults, **data})
    except ValidationError as error:
        raise ScenarioError.first_of([*_errors(name, root, model, error)]) from error


def found(problems: Iterable[Problem]) -> None:
    """For a model's own validator: raises, where there are any, all of these problems of its parts at once."""
    told = [(list(loc), message) for loc, message in problems]
    if told:
        raise PydanticCustomError("problems", "several parts are wrong", {"problems": told})


def _errors(name: str, root: Node, model: type[BaseModel], error: ValidationError) -> Iterator[ScenarioError]:
    told = error.errors(include_url=False)
    for details in told:
        if details["type"] == "too_short" and any(_inside(other["loc"], details["loc"]) for other in told):
            continue  # its parts are there, and are wrong themselves
        loc = [part for part in details["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
        inner = details.get("ctx", {}).get("problems") if details["type"] == "problems" else None
        problems = inner or [([], _message(details, loc, model))]
        for below, message in problems:
            yield error_in(root, name, [*loc, *below], message)


def _inside(loc: tuple[int | str, ...], whole: tuple[int | str, ...]) -> bool:
    return len(loc) > len(whole) and loc[: len(whole)] == whole


def _message(details: Any, loc: Loc, model: type[BaseModel]) -> str:
    if details["type"] == "extra_forbidden":
        return f"there is no such field here{_meant(str(loc[-1]), _at(model, loc[:-1]).fields)}"
    message = str(details["msg"]).removeprefix("Value error, ")
    got = details.get("input")
    if details["type"] == "missing" or not isinstance(got, str | int | float | bool):
        return message
    shown = repr(got)
    return f"{message}, got {shown if len(shown) <= 100 else shown[:100] + '...'}"


def _at(model: type[BaseModel], loc: Loc) -> Want:
    """What stands at a place of the model; pydantic's own names for branches of a union are no parts of it."""
    want = wanted.of(model)
    for part in loc:
        known = isinstance(part, int) or part in want.fields or want.others is not None
        want = want.at(part) if known else want
    return want


def _meant(given: str, known: Iterable[str]) -> str:
    names = list(known)
    close = nearest(given, names)
    return close or (f"; there are {', '.join(names)}" if names else "")


def nearest(given: str, known: Iterable[str]) -> str:
    """`; did you mean 'budget'?`, or "" where no known name is near."""
    close = difflib.get_close_matches(given[:100], list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def error_at(path: Path, loc: Loc, message: str) -> ScenarioError:
    """An error about one field of a file that was read before."""
    return error_in(yamltree.read(path), str(path), loc, message)


def place_of(path: Path) -> Callable[[Loc, str], ScenarioError]:
    """Makes errors about fields of one file, which is read once for all of them."""
    root: list[Node | None] = []

    def error(loc: Loc, message: str) -> ScenarioError:
        if not root:
            root.append(yamltree.read(path))
        return error_in(root[0], str(path), loc, message)

    return error


def error_in(root: Node | None, name: str, loc: Loc, message: str) -> ScenarioError:
    """An error about one field of a tree."""
    return ScenarioError(name, message, line=line_of(root, loc), field=".".join(map(str, loc)))


def line_of(node: Node | None, loc: Loc) -> int:
    """The line (from 1) of the deepest part of `loc` that the document has."""
    line = node.line if node is not None else 1
    for part in loc:
        if isinstance(node, yamltree.Mapping):
            entry = node.entries.get(str(part))
            if entry is None:
                continue
            line, node = entry
        elif isinstance(node, yamltree.Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
    return line
