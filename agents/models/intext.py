"""Reasoning and tool calls that a model wrote into its text, where its server did not take them out: the published
forms of Hermes and Qwen, Mistral, Llama, DeepSeek, Kimi, GLM, MiniMax, gpt-oss, Phi, Granite and Functionary.

Calls are taken only from the end of a text, and only whole: a call that is cut off or not valid JSON, or names a tool
that was not offered, is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from msgspec import Struct

from traces import bounds, strict
from traces.kernel import ToolCall

Tools = Mapping[str, Mapping[str, Any]]
"""The properties of each tool's parameters, by the tool's name."""
_Call = tuple[str, str]  # name, arguments

_OPEN = (
    r"<(think|thinking|reasoning|thought|seed:think)>|\[THINK\]|<\|START_THINKING\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>analysis<\|message\|>"
)
_CLOSE = r"</(think|thinking|reasoning|thought|seed:think)>|\[/THINK\]|<\|END_THINKING\|>|<\|end\|>"
_THOUGHT = re.compile(rf"^\s*(?:{_OPEN})(?P<thought>.*?)(?:{_CLOSE})", re.DOTALL)
_UNCLOSED = re.compile(rf"^\s*(?:{_OPEN})(?P<thought>.*)\Z", re.DOTALL)
_UNOPENED = re.compile(r"^(?P<thought>(?:(?!<think).)*?)(?:</think>|\[/THINK\])", re.DOTALL)
_FINAL = re.compile(r"^(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>")
_MARKS = (
    "<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<function=", "<function_call>", "<tools>", "<|tool_call|>",
    "functools[", "<functioncall>", "<｜tool▁call", "<|tool_call_begin|>", "<|tool_calls_section_begin|>",
    "<invoke name=", "<minimax:tool_call>", "<function_calls>", "<｜DSML｜", "<|channel|>commentary to=",
    "<|start|>assistant<|channel|>commentary",
)  # fmt: skip
_AROUND = re.compile(
    r"<\|tool_calls_section_(?:begin|end)\|>|<｜tool▁calls▁(?:begin|end)｜>|</?minimax:tool_call>|</?function_calls>"
    r"|</?｜DSML｜(?:function_calls|tool_calls)>|<\|start\|>assistant(?=<\|channel\|>commentary)"
)
_TAGGED = re.compile(
    r"<(tool_call|tools|function_call|functioncall)>(.*?)</\1>\s*|<\|tool_call\|>(.*?)<\|/tool_call\|>\s*", re.DOTALL
)
_FUNCTION = re.compile(r"<function=([\w.-]+)>(.*?)</function>\s*", re.DOTALL)
_INVOKE = re.compile(r'<(?:｜DSML｜)?invoke name="([\w.-]+)">(.*?)</(?:｜DSML｜)?invoke>\s*', re.DOTALL)
_PARAMETER = re.compile(
    r'<(?:｜DSML｜)?parameter(?:=([\w.-]+)| name="([\w.-]+)"[^>]*)>\n?(.*?)\n?</(?:｜DSML｜)?parameter>', re.DOTALL
)
_GLM = re.compile(
    r"\s*([\w.-]+)\s*((?:<arg_key>[^<]*</arg_key>\s*<arg_value>(?:(?!</?arg_).)*</arg_value>\s*)*)", re.DOTALL
)
_GLM_ARGUMENT = re.compile(r"<arg_key>([^<]*)</arg_key>\s*<arg_value>\n?((?:(?!</?arg_).)*?)\n?</arg_value>", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(\{.*?\})\s*(?=\[TOOL_CALLS\]|\Z)", re.DOTALL)
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*(?:functions\.)?([\w.-]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*(\{.*?\})\s*"
    r"<\|tool_call_end\|>\s*",
    re.DOTALL,
)
_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?([\w.-]+)(?:<｜tool▁sep｜>|\n)\s*(?:```json)?\s*(\{.*?\})\s*(?:```)?\s*"
    r"<｜tool▁call▁end｜>\s*",
    re.DOTALL,
)
_HARMONY = re.compile(
    r"<\|channel\|>commentary to=(?:functions\.)?([\w.-]+)\s*(?:<\|constrain\|>json|json)?\s*<\|message\|>\s*"
    r"(\{.*?\})\s*(?:<\|call\|>|<\|end\|>|\Z)\s*",
    re.DOTALL,
)
_LISTED = re.compile(r"(?:\[TOOL_CALLS\]|functools|<\|tool_call\|>)\s*(\[.*\])\s*\Z", re.DOTALL)
_PYTHON = re.compile(r"<\|python_tag\|>(.*?)(?:<\|eom_id\|>|<\|eot_id\|>|\Z)", re.DOTALL)
_BARE = re.compile(r"\A\s*(?:```(?:json)?\s*(\{.*\})\s*```|(\{.*\}))\s*\Z", re.DOTALL)
_OF_A_CALL = {"name", "arguments", "parameters", "type", "id", "function"}
_LONGEST = 200_000
_MOST = 64
"""Marks of one kind in a text in which calls are looked for: a model that repeats one without end makes none."""


class Within(Struct, frozen=True):
    """What is in a text: its reasoning, what it says besides, and the calls at its end."""

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()


def read(text: str, tools: Tools | None = None) -> Within:
    """The parts of a reply's text; calls only of the `tools` that were offered."""
    said, reasoning = _parted(text) if "<" in text or "[" in text else (text, "")
    if not tools or len(said) > _LONGEST or not _may_call(said):
        return Within(said, reasoning)
    rest, calls = _called(said, tools)
    if not calls or rest is None or not all(name in tools for name, _ in calls):
        return Within(said, reasoning)
    made = tuple(ToolCall(f"text-{number}", name, arguments) for number, (name, arguments) in enumerate(calls, 1))
    return Within(rest, reasoning, made)


def has_call(text: str) -> bool:
    """Whether a call is written at the start of one of the text's lines."""
    return ("<" in text or "[" in text) and any(line.lstrip().startswith(_MARKS) for line in text.splitlines())


def _may_call(text: str) -> bool:
    counts = [text.count(mark) for mark in _MARKS]
    if max(counts) > _MOST or text.count("parameter") + text.count("<arg_") > 8 * _MOST:
        return False
    return any(counts) or text.lstrip()[:1] in ("{", "`")


def _parted(text: str) -> tuple[str, str]:
    """What is said and what was thought before: closed, cut off while thinking, or with an opening mark that the
    prompt had already set."""
    found = _THOUGHT.match(text) or _UNCLOSED.match(text)
    if found is None and ("</think>" in text or "[/THINK]" in text):
        found = _UNOPENED.match(text)
    said = text if found is None else text[found.end() :].lstrip()
    if _FINAL.match(said):
        said = _FINAL.sub("", said).strip().removesuffix("<|return|>").removesuffix("<|end|>").strip()
    return said, found["thought"].strip() if found else ""


def _called(text: str, tools: Tools) -> tuple[str | None, list[_Call]]:
    """What is said before the calls (None where something follows or stands between them), and the calls."""
    plain = _AROUND.sub("", text)
    for pattern, calls_of in _FORMS:
        found = list(pattern.finditer(plain))
        if found:
            return _before(plain, found), _all([call for match in found for call in calls_of(match, tools)])
    for pattern in (_LISTED, _PYTHON):
        last = pattern.search(plain)
        if last:
            return plain[: last.start()].strip(), _all(_listed(last[1].strip()))
    bare = _BARE.match(text)
    return ("", _all([_bare(bare[1] or bare[2])])) if bare else (None, [])


def _all(calls: list[_Call | None]) -> list[_Call]:
    """The calls, or none of them where one cannot be read."""
    whole = [call for call in calls if call is not None]
    return whole if len(whole) == len(calls) else []


def _before(text: str, found: list[re.Match[str]]) -> str | None:
    together = all(one.end() == other.start() for one, other in pairwise(found))
    if not together or text[found[-1].end() :].strip() or "```" in text[: found[0].start()]:
        return None
    return text[: found[0].start()].strip()


def _of_tagged(match: re.Match[str], tools: Tools) -> list[_Call | None]:
    inner = (match[2] if match[2] is not None else match[3]).strip()
    function = _FUNCTION.fullmatch(inner)
    if function:
        return _of_function(function, tools)
    glm = _GLM.fullmatch(inner)
    return [_spelt(glm[1], _GLM_ARGUMENT.findall(glm[2]), tools)] if glm else _listed(inner)


def _of_function(match: re.Match[str], tools: Tools) -> list[_Call | None]:
    """Llama's `<function=NAME>{...}`, or a `<parameter=NAME>` each, as Qwen-Coder, MiniMax and DeepSeek have it."""
    name, body = match[1], match[2].strip()
    if body.startswith("{"):
        return _of_pair(match, tools)
    if _PARAMETER.sub("", body).strip():
        return [None]
    return [_spelt(name, [(key or named, text) for key, named, text in _PARAMETER.findall(body)], tools)]


def _of_pair(match: re.Match[str], tools: Tools) -> list[_Call | None]:
    return [(match[1], match[2]) if isinstance(_json(match[2]), dict) else None]


def _spelt(name: str, arguments: list[tuple[str, str]], tools: Tools) -> _Call:
    """A call whose arguments are JSON or, where the tool takes a text, that text."""
    properties = tools.get(name, {})
    return name, json.dumps({key: _value(text, properties.get(key)) for key, text in arguments})


def _value(text: str, schema: Any) -> Any:
    if isinstance(schema, dict) and schema.get("type") == "string":
        return text
    value = _json(text)
    return text if value is None and text.strip() != "null" else value


def _json(text: str) -> Any:
    try:
        return strict.loads(text)
    except bounds.Malformed:
        return None


def _listed(text: str) -> list[_Call | None]:
    """One call as an object, or several in a list, or one after the other behind semicolons."""
    value = _json(text)
    if value is None and ";" in text:
        value = [_json(part) for part in text.split(";") if part.strip()]
    return [_one(part) for part in (value if isinstance(value, list) else [value])] or [None]


def _bare(text: str) -> _Call | None:
    """A text that is nothing but the JSON of a call."""
    value = _json(text)
    inner = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not set(value) <= _OF_A_CALL or not {"arguments", "parameters"} & set(inner):
        return None
    return _one(value)


def _one(value: Any) -> _Call | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        return (value["name"], arguments) if isinstance(_json(arguments), dict) else None
    return (value["name"], json.dumps(arguments)) if isinstance(arguments, dict) else None


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Tools], list[_Call | None]]], ...] = (
    (_TAGGED, _of_tagged),
    (_FUNCTION, _of_function),
    (_INVOKE, _of_function),
    (_MISTRAL, _of_pair),
    (_KIMI, _of_pair),
    (_DEEPSEEK, _of_pair),
    (_HARMONY, _of_pair),
)
