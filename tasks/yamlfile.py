"""Files that users write: YAML checked by a pydantic model, with errors that name the file, line and field."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from traces.errors import ScenarioError, reason

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M], **defaults: Any) -> M:
    """The file's content as a `model`, which is frozen: read once for as long as the file stays as it is. `defaults`
    fill fields that the file leaves out.

    Raises ScenarioError for a missing file, broken YAML, and the first field that is wrong.
    """
    try:
        seen = path.stat()
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error
    return _load(path, (seen.st_mtime_ns, seen.st_size), model, tuple(defaults.items()))  # type: ignore[return-value]


@lru_cache(maxsize=256)
def _load(path: Path, stamp: tuple[int, int], model: type[BaseModel], defaults: tuple[tuple[str, Any], ...]) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error
    root, data = _parse(path, text)
    if not isinstance(data, dict):
        raise ScenarioError(str(path), "should be a mapping of fields to values", line=1)
    try:
        return model.model_validate({**dict(defaults), **data})
    except ValidationError as error:
        raise _first_error(path, root, model, error) from error


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    """The document's root, which knows its lines, and its value. In C where PyYAML has it, which is ten times as fast;
    an error is said by the parser in Python, which knows its place better."""
    try:
        try:
            return _composed(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            return _composed(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(str(path), f"not valid YAML: {problem}", line=mark.line + 1 if mark else None) from error


def _composed(text: str, kind: Any) -> tuple[yaml.Node | None, Any]:
    loader = kind(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _first_error(path: Path, root: yaml.Node | None, model: type[BaseModel], error: ValidationError) -> ScenarioError:
    details = error.errors(include_url=False)
    first = details[0]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    loc = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    got = first.get("input")
    shown = f", got {got!r}" if isinstance(got, str | int | float | bool) and first["type"] != "missing" else ""
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message, shown = _no_such_field(loc, model), ""
    return ScenarioError(str(path), f"{message}{shown}{more}", line=line_of(root, loc), field=".".join(map(str, loc)))


def _no_such_field(loc: list[str | int], model: type[BaseModel]) -> str:
    known = list(model.model_fields) if len(loc) == 1 else []
    close = difflib.get_close_matches(str(loc[-1]), known, 1)
    right = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}" if known else ""
    return f"there is no such field here{right}"


def error_at(path: Path, loc: list[str | int], message: str) -> ScenarioError:
    """An error about one field of a file that was read before."""
    root, _ = _parse(path, path.read_text(encoding="utf-8"))
    return ScenarioError(str(path), message, line=line_of(root, loc), field=".".join(map(str, loc)))


def line_of(node: yaml.Node | None, loc: Sequence[Any]) -> int:
    """The line (from 1) of the deepest part of `loc` that the document has."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
