"""Forms as servers take them: the rungs of a ladder, from a JSON schema that is enforced to one in the prompt."""

from __future__ import annotations

import copy
import json
from typing import Any, Literal

Rung = Literal["strict", "simple", "json", "prompt"]
RUNGS: tuple[Rung, ...] = ("strict", "simple", "json", "prompt")
"""The schema as it is; a simpler one; any JSON, with the schema in the prompt; the prompt alone."""

_LIMITS = {
    "string": ("minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"),
    "array": ("minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "object": ("minProperties", "maxProperties", "patternProperties", "propertyNames", "unevaluatedProperties"),
    "any": ("dependentRequired", "dependentSchemas", "if", "then", "else", "not", "unevaluatedItems"),
    "words": ("$schema", "$id", "$comment", "title", "default", "examples", "readOnly", "writeOnly", "deprecated"),
    "choices": ("$defs", "definitions", "discriminator"),
}
_DROPPED = frozenset(name for names in _LIMITS.values() for name in names)
_DEEPEST = 12


def response_format(schema: dict[str, Any], rung: Rung) -> dict[str, Any] | None:
    """The call's `response_format` for a form; None where it is asked for in the prompt alone."""
    if rung == "prompt":
        return None
    if rung == "json":
        return {"type": "json_object"}
    name = "".join(c if c.isalnum() else "_" for c in str(schema.get("title", "Reply")))
    sent = simpler(schema) if rung == "simple" else copy.deepcopy(schema)
    return {"type": "json_schema", "json_schema": {"name": name, "schema": sent, "strict": is_closed(sent)}}


def in_prompt(schema: dict[str, Any]) -> str:
    """The form in words, where the server does not enforce it."""
    return (
        "Reply with one JSON value and nothing else: no prose, no code fence. It must obey this JSON schema:\n"
        + json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    )


def simpler(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what many servers cannot do left out: limits and patterns, references (written out), choices
    between objects (one object with the members of all). What it allows is checked in the reply as before."""
    found = _simple(schema, schema.get("$defs") or schema.get("definitions") or {}, 0)
    return {**found, "title": schema["title"]} if "title" in schema else found


def simpler_tool(spec: dict[str, Any]) -> dict[str, Any]:
    """A tool's spec with simpler parameters."""
    function = spec["function"]
    parameters = simpler(function.get("parameters") or {"type": "object", "properties": {}})
    return {**spec, "function": {**function, "parameters": parameters}}


def is_closed(schema: Any) -> bool:
    """Whether each object lists all of its members as required and takes no others: OpenAI's rule for `strict`."""
    if isinstance(schema, list):
        return all(is_closed(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        members = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or members != set(schema.get("required", ())):
            return False
    return all(is_closed(part) for part in schema.values())


def _simple(schema: Any, definitions: dict[str, Any], level: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or level > _DEEPEST:
        return {}
    if "$ref" in schema:
        named = definitions.get(str(schema["$ref"]).rpartition("/")[2])
        rest = {name: part for name, part in schema.items() if name != "$ref"}
        return _simple({**(named or {}), **rest}, definitions, level + 1)
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return _joined([_simple(choice, definitions, level + 1) for choice in choices], schema)
    return {name: _part(name, part, definitions, level) for name, part in schema.items() if name not in _DROPPED}


def _part(name: str, part: Any, definitions: dict[str, Any], level: int) -> Any:
    if name == "properties" and isinstance(part, dict):
        return {member: _simple(inner, definitions, level + 1) for member, inner in part.items()}
    if name == "items" or (name == "additionalProperties" and isinstance(part, dict)):
        return _simple(part, definitions, level + 1)
    if name == "const":
        return part
    if name == "type" and isinstance(part, list):
        return next((kind for kind in part if kind != "null"), "string")
    return copy.deepcopy(part)


def _joined(choices: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    """One schema that allows what each of the choices does."""
    kinds = [choice for choice in choices if choice.get("type") != "null"]
    described = {"description": schema["description"]} if "description" in schema else {}
    if len(kinds) == 1:
        return {**kinds[0], **described}
    if not kinds or not all(choice.get("properties") is not None for choice in kinds):
        return described
    members: dict[str, Any] = {}
    for choice in kinds:
        for name, part in choice["properties"].items():
            members[name] = _either(members[name], part) if name in members else part
    required = [name for name in members if all(name in choice.get("required", ()) for choice in kinds)]
    return {"type": "object", "properties": members, "required": required, **described}


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    if "enum" in one and "enum" in other:
        return {**one, "enum": [*one["enum"], *(value for value in other["enum"] if value not in one["enum"])]}
    return one if one == other else {name: one[name] for name in ("type",) if one.get(name) == other.get(name)}
