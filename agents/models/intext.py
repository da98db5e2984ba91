"""Reasoning and tool calls that a model wrote into its text, where its server did not take them out: the published
forms of Hermes and Qwen, Mistral, Llama, DeepSeek, Phi, Granite and Functionary.

Calls are taken only from the end of a text, and only whole: a call that is cut off or not valid JSON, or names a tool
that was not offered, is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any

from msgspec import Struct

from traces import bounds, strict
from traces.kernel import ToolCall

_OPEN = (
    r"<(think|thinking|reasoning|thought|seed:think)>|\[THINK\]|<\|START_THINKING\|>|<\|channel\|>analysis<\|message\|>"
)
_CLOSE = r"</(think|thinking|reasoning|thought|seed:think)>|\[/THINK\]|<\|END_THINKING\|>|<\|end\|>"
_THOUGHT = re.compile(rf"^\s*(?:{_OPEN})(?P<thought>.*?)(?:{_CLOSE})", re.DOTALL)
_UNCLOSED = re.compile(rf"^\s*(?:{_OPEN})(?P<thought>.*)\Z", re.DOTALL)
_UNOPENED = re.compile(rf"^(?P<thought>[^<]*?)(?:{_CLOSE})", re.DOTALL)
_MARKS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<function=", "<function_call>", "<tools>", "<|tool_call|>",
          "functools[", "<functioncall>", "<｜tool▁calls▁begin｜>", "<|tool_calls_section_begin|>")  # fmt: skip
_TAGGED = re.compile(
    r"<(tool_call|tools|function_call|functioncall)>\s*(.*?)\s*</\1>\s*|<\|tool_call\|>\s*(.*?)\s*<\|/tool_call\|>\s*",
    re.DOTALL,
)
_FUNCTION = re.compile(r"<function=([\w.-]+)>\s*(.*?)\s*</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_LISTED = re.compile(r"(?:\[TOOL_CALLS\]|functools|<\|tool_call\|>)\s*(\[.*\])\s*\Z", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(\{.*?\})\s*(?=\[TOOL_CALLS\]|\Z)", re.DOTALL)
_PYTHON = re.compile(r"<\|python_tag\|>\s*(.*?)\s*(?:<\|eom_id\|>|<\|eot_id\|>)?\s*\Z", re.DOTALL)
_LONGEST = 200_000


class Within(Struct, frozen=True):
    """What is in a text: its reasoning, what it says besides, and the calls at its end."""

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()


def read(text: str, tools: Collection[str] = ()) -> Within:
    """The parts of a reply's text; calls only of the `tools` that were offered."""
    said, reasoning = _parted(text) if "<" in text or "[" in text else (text, "")
    if not tools or len(said) > _LONGEST or not any(mark in said for mark in _MARKS):
        return Within(said, reasoning)
    rest, calls = _called(said)
    if not calls or rest is None or not all(name in tools for name, _ in calls):
        return Within(said, reasoning)
    made = tuple(ToolCall(f"text-{number}", name, arguments) for number, (name, arguments) in enumerate(calls, 1))
    return Within(rest, reasoning, made)


def _parted(text: str) -> tuple[str, str]:
    """What is said and what was thought before: closed, cut off while thinking, or with an opening mark that the
    prompt had already set."""
    found = _THOUGHT.match(text) or _UNCLOSED.match(text)
    if found is None and "</" in text:
        found = _UNOPENED.match(text)
    if found is None:
        return text, ""
    return text[found.end() :].lstrip(), found["thought"].strip()


def has_call(text: str) -> bool:
    """Whether a call is written at the start of one of the text's lines."""
    return ("<" in text or "[" in text) and any(line.lstrip().startswith(_MARKS) for line in text.splitlines())


def _called(text: str) -> tuple[str | None, list[tuple[str, str]]]:
    """What is said before the calls (None where something follows or stands between them), and the calls."""
    for pattern in (_TAGGED, _FUNCTION, _MISTRAL):
        found = list(pattern.finditer(text))
        if found:
            calls = [call for match in found for call in _calls_of(pattern, match)]
            whole = calls if all(call is not None for call in calls) else []
            return _before(text, found), [call for call in whole if call is not None]
    for pattern in (_LISTED, _PYTHON):
        last = pattern.search(text)
        if last:
            listed = _listed(last[1])
            whole = listed if all(call is not None for call in listed) else []
            return text[: last.start()].strip(), [call for call in whole if call is not None]
    return None, []


def _before(text: str, found: list[re.Match[str]]) -> str | None:
    together = all(one.end() == other.start() for one, other in pairwise(found))
    if not together or text[found[-1].end() :].strip() or "```" in text[: found[0].start()]:
        return None
    return text[: found[0].start()].strip()


def _calls_of(pattern: re.Pattern[str], match: re.Match[str]) -> list[tuple[str, str] | None]:
    if pattern is _MISTRAL:
        return [(match[1], match[2])] if _is_object(match[2]) else [None]
    if pattern is _FUNCTION:
        return [_of_function(match[1], match[2])]
    inner = match[2] if match[2] is not None else match[3]
    function = _FUNCTION.fullmatch(inner)
    return [_of_function(function[1], function[2])] if function else _listed(inner)


def _of_function(name: str, body: str) -> tuple[str, str] | None:
    """Llama's `<function=NAME>{...}`, or Qwen-Coder's with a `<parameter=NAME>` each, whose values are JSON or text."""
    if body.startswith("{"):
        return (name, body) if _is_object(body) else None
    found = _PARAMETER.findall(body)
    if _PARAMETER.sub("", body).strip():
        return None
    return name, json.dumps({key: _value(text) for key, text in found})


def _value(text: str) -> Any:
    try:
        return strict.loads(text)
    except bounds.Malformed:
        return text


def _is_object(text: str) -> bool:
    return isinstance(_json(text), dict)


def _json(text: str) -> Any:
    try:
        return strict.loads(text)
    except bounds.Malformed:
        return None


def _listed(text: str) -> list[tuple[str, str] | None]:
    """One call as an object, or several in a list, or one after the other behind semicolons."""
    value = _json(text)
    if value is None and ";" in text:
        value = [_json(part) for part in text.split(";") if part.strip()]
    return [_one(part) for part in (value if isinstance(value, list) else [value])] or [None]


def _one(value: Any) -> tuple[str, str] | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        return (value["name"], arguments) if _is_object(arguments) else None
    return (value["name"], json.dumps(arguments)) if isinstance(arguments, dict) else None
