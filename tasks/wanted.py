"""What a place in a file takes: a scalar becomes a number, a yes or no, or nothing only where one is wanted, and stays
the text that was written everywhere else.

Where anything may stand (arguments of a tool that says nothing of them, a model's `extra`), a scalar without quotes is
a number, true, false or null only where it is written as Python or JSON writes it: 7.5 is a number; 7.50, 007, 1e3,
12:30, 2026-01-01 and yes are texts.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Struct, structs
from pydantic import BaseModel

from traces import yamltree
from traces.errors import ScenarioError
from traces.yamltree import Node, Scalar

NOTHING = frozenset(("", "~", "null", "Null", "NULL"))
YES, NO = frozenset(("true", "yes", "on")), frozenset(("false", "no", "off"))
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OTHER_BASE = re.compile(r"0x[0-9a-fA-F]{1,32}|0o[0-7]{1,32}")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST = 64  # characters of a number


class Want(Struct, frozen=True):
    """What a place takes. Of scalars: `text`, `number`, `boolean`, `nothing` (null). `item`: what a list holds;
    `items`: what each place of a list of a fixed length holds. `fields`: what the known keys of a mapping hold,
    `others` the rest; `model` is the class that reads the mapping."""

    text: bool = False
    number: bool = False
    boolean: bool = False
    nothing: bool = False
    item: Want | None = None
    items: tuple[Want, ...] = ()
    fields: Mapping[str, Want] = {}
    others: Want | None = None
    model: type[BaseModel] | None = None

    def at(self, part: str | int) -> Want:
        """What stands at a key, or in a place of a list."""
        if isinstance(part, int):
            return self.items[part] if part < len(self.items) else self.item or ANYTHING
        return self.fields.get(part) or self.others or ANYTHING


ANYTHING = Want(text=True, number=True, boolean=True, nothing=True)
_SCALARS: dict[Any, Want] = {
    str: Want(text=True),
    int: Want(number=True),
    float: Want(number=True),
    bool: Want(boolean=True),
    type(None): Want(nothing=True),
}
Late = Mapping[type[BaseModel], Callable[[yamltree.Mapping], Mapping[str, Want]]]
"""For models whose fields take what other fields name: a model → the mapping in the file → what its fields take."""


def value(node: Node | None, want: Want, late: Late, name: str) -> Any:
    """What the tree says, as `want` takes it. Raises ScenarioError for a number that is not finite or is too large."""
    if isinstance(node, Scalar):
        return _scalar(node, want, name)
    if isinstance(node, yamltree.Sequence):
        return [value(item, want.at(place), late, name) for place, item in enumerate(node.items)]
    if node is None:
        return None
    if want.model is not None and want.model in late:
        want = structs.replace(want, fields={**want.fields, **late[want.model](node)})
    return {key: value(item, want.at(key), late, name) for key, (_, item) in node.entries.items()}


def _scalar(node: Scalar, want: Want, name: str) -> Any:
    written = node.value
    if not node.plain:
        return written
    if written in NOTHING and (want.nothing or not written or not _takes_scalars(want)):
        return None
    if want.number:
        return _number(node, want, name)
    if want.boolean and not want.text:
        return _boolean(written)
    return _exactly(written) if want.boolean else written


def _takes_scalars(want: Want) -> bool:
    return want.text or want.number or want.boolean


def _boolean(written: str) -> bool | str:
    low = written.lower()
    return True if low in YES else False if low in NO else written


def _exactly(written: str) -> bool | str:
    return True if written == "true" else False if written == "false" else written


def _number(node: Scalar, want: Want, name: str) -> Any:
    """A number where it is one; beside texts, only where it is written as a number is printed."""
    written = node.value
    if _INFINITE.fullmatch(written):
        raise ScenarioError(name, f"{written} is not a finite number; a text needs quotes around it", line=node.line)
    if want.boolean and (found := _exactly(written) if want.text else _boolean(written)) is not written:
        return found
    number = _parsed(written)
    if want.text:
        return number if number is not None and str(number) == written and _in_range(number) else written
    if number is not None and not _in_range(number):
        shown = written if len(written) < 40 else f"{written[:40]}..."
        raise ScenarioError(name, f"{shown} is too large for a number", line=node.line)
    return written if number is None else number


def _parsed(written: str) -> int | float | None:
    if len(written) > _LONGEST:
        return float("inf") if _NUMBER.fullmatch(written) else None
    if _OTHER_BASE.fullmatch(written):
        return int(written, 0)
    if not _NUMBER.fullmatch(written):
        return None
    return int(written) if written.lstrip("+-").isdigit() else float(written)


def _in_range(number: float) -> bool:
    return abs(number) < 2**63 if isinstance(number, int) else number not in (float("inf"), float("-inf"))


# --- from annotations ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def of(annotation: Any) -> Want:
    """What a place with this annotation takes: scalars, lists, tuples, mappings, unions, pydantic models."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _of_model(annotation)
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return of(given[0])
    if origin in (Union, types.UnionType):
        return _any_of([of(one) for one in given])
    if origin is Literal:
        return _any_of([_SCALARS.get(type(one), ANYTHING) for one in given])
    if origin is tuple:
        return Want(item=of(given[0])) if given[-1] is ... else Want(items=tuple(map(of, given)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Want(others=of(given[1]))
    if isinstance(origin, type) and given:
        return Want(item=of(given[0]))
    if isinstance(annotation, type) and issubclass(annotation, str):
        return _SCALARS[str]
    return ANYTHING


def _of_model(model: type[BaseModel]) -> Want:
    annotations: dict[str, Any] = {name: field.annotation for name, field in model.model_fields.items()}
    fields = {name: of(annotation) for name, annotation in annotations.items()}
    return Want(fields=fields, model=model)


def _any_of(wants: list[Want]) -> Want:
    """What takes whatever one of them takes."""
    if any(want is ANYTHING for want in wants):
        return ANYTHING
    lists = [want for want in wants if want.item or want.items]
    maps = [want for want in wants if want.fields or want.others or want.model]
    first_list, first_map = (lists or [Want()])[0], (maps or [Want()])[0]
    return Want(
        text=any(want.text for want in wants),
        number=any(want.number for want in wants),
        boolean=any(want.boolean for want in wants),
        nothing=any(want.nothing for want in wants),
        item=first_list.item,
        items=first_list.items,
        fields=first_map.fields,
        others=first_map.others,
        model=first_map.model,
    )


# --- from JSON schemas --------------------------------------------------------------------------------------------

_OF_TYPE = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}
_DEEPEST = 20


def of_schema(schema: Any, root: Mapping[str, Any] | None = None, depth: int = 0) -> Want:
    """What a place takes that a JSON schema describes."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return ANYTHING
    root = schema if root is None else root
    if "$ref" in schema:
        return of_schema(_referred(str(schema["$ref"]), root), root, depth + 1)
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return _any_of([of_schema(one, root, depth + 1) for one in several])
    if "type" not in schema:
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        return _any_of([_SCALARS.get(type(one), ANYTHING) for one in values]) if values else ANYTHING
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return _any_of([_of_kind(kind, schema, root, depth) for kind in kinds])


def _of_kind(kind: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Want:
    if kind == "array":
        return Want(item=of_schema(schema.get("items"), root, depth + 1))
    if kind == "object":
        fields = {name: of_schema(one, root, depth + 1) for name, one in schema.get("properties", {}).items()}
        return Want(fields=fields, others=of_schema(schema.get("additionalProperties"), root, depth + 1))
    return _SCALARS[_OF_TYPE[kind]] if kind in _OF_TYPE else ANYTHING


def _referred(place: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in place.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
