"""What servers send in answer to a chat completion, brought into the one form that the protocol has.

`whole` is for a reply in one piece, `Deltas` for one that comes piece by piece. Both pass on what is well-formed as it
is, read what can be read, and raise Odd, which names what came instead, for the rest.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from traces import bounds, strict
from traces.strict import writable

_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_REASONING = ("reasoning_content", "reasoning", "thinking")


class Odd(Exception):
    """The reply is not a chat completion, or says that the call failed; the message says what it is. `status` is the
    HTTP status that it stands for, `words` the server's own."""

    def __init__(self, what: str, *, status: int = 200, words: str = "") -> None:
        self.what, self.status, self.words = what, status, words
        super().__init__(what)


class _Function(Struct):
    name: str
    arguments: str


class _Call(Struct):
    id: str
    function: _Function
    type: Literal["function"]


class _Message(Struct):
    role: Literal["assistant"]
    content: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: str | None = None
    refusal: None = None
    function_call: None = None
    reasoning: None = None
    thinking: None = None


class _Choice(Struct):
    message: _Message
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]


class _Details(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _Details | None = None


class _Completion(Struct):
    id: str
    choices: list[_Choice]
    usage: _Usage | None = None
    error: None = None


_WELL_FORMED = msgspec.json.Decoder(_Completion)


def whole(body: bytes, content_type: str = "application/json") -> bytes:
    """A chat completion as the protocol has it, from the body of a reply. Raises Odd."""
    try:
        seen = _WELL_FORMED.decode(body)
        if len(seen.choices) == 1 and b"\\u0000" not in body and _plain(seen):
            return body
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    return json.dumps(_completion(body, content_type), ensure_ascii=True).encode()


def _plain(seen: _Completion) -> bool:
    """Whether the figures are in range and the calls told apart by their ids."""
    calls = seen.choices[0].message.tool_calls or ()
    figures = (seen.usage.prompt_tokens, seen.usage.completion_tokens) if seen.usage else ()
    ids = {call.id for call in calls if call.id}
    return len(ids) == len(calls) and all(strict.count(figure) is not None for figure in figures)


def _completion(body: bytes, content_type: str) -> dict[str, Any]:
    value = _value(body, content_type)
    check_error(value)
    choices = value.get("choices")
    if isinstance(choices, dict):
        choices = [choices]
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Odd(_without_choices(value))
    found = {**_head(value), "object": "chat.completion", "choices": [_choice(choices[0])]}
    used = usage(value.get("usage"))
    return found if used is None else {**found, "usage": used}


def _head(value: dict[str, Any]) -> dict[str, Any]:
    created = strict.count(value.get("created"))
    return {"id": text(value.get("id")) or "none", "created": created or 0, "model": text(value.get("model"))}


def _value(body: bytes, content_type: str) -> dict[str, Any]:
    start = body[:200].lstrip().lower()
    if not start:
        raise Odd("an empty reply")
    if start.startswith((b"data:", b"event:", b": ")):
        return _assembled(body)
    if start.startswith(b"<") or "html" in content_type:
        raise Odd(f"a web page{title(body)} instead of a chat completion")
    value = _json(body)
    if not isinstance(value, dict):
        raise Odd(f"JSON that is not a chat completion: {_start(body)}")
    return value


def _json(body: bytes) -> Any:
    """The value; bytes that are not UTF-8, lone surrogates and figures out of range become what can be kept."""
    if len(body) > strict.LARGEST:
        raise Odd(f"a reply of {len(body):,} bytes; at most {strict.LARGEST:,} are read")
    decoded = body.decode("utf-8-sig", "replace")
    try:
        bounds.check_depth(decoded)
    except bounds.Malformed as error:
        raise Odd(f"JSON that is not read: {error}") from None
    try:
        return _kept(json.loads(decoded, parse_int=_whole_number))
    except (ValueError, RecursionError):
        pass
    first = decoded.partition("\n")[0]
    try:
        return _kept(json.loads(first, parse_int=_whole_number))
    except (ValueError, RecursionError):
        raise Odd(f"what is not JSON: {_start(body)}") from None


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


def _kept(value: Any) -> Any:
    """The value with None for numbers that are not finite. Its depth is known to be bounded."""
    if isinstance(value, dict):
        return {name: _kept(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return None if isinstance(value, float) and value - value != 0 else value


def _without_choices(value: dict[str, Any]) -> str:
    for name in ("message", "detail", "output", "response"):
        if isinstance(value.get(name), str) and value[name].strip():
            return f"a reply without choices; it says: {writable(value[name])[:200]}"
    return "a reply without choices: there is no message in it"


def check_error(value: dict[str, Any]) -> None:
    """Raises Odd where the JSON of a reply with status 200 says that the call failed."""
    error = value.get("error")
    if not error and value.get("object") != "error":
        return
    inner = error if isinstance(error, dict) else value if not error else {"message": error}
    words = text(inner.get("message")) or json.dumps(inner)[:300]
    code = inner.get("code") or inner.get("status") or inner.get("status_code")
    status = strict.count(int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code, 599)
    raise Odd(f"an error: {words[:300]}", status=status if status and status >= 400 else 500, words=words)


def usage(value: Any) -> dict[str, Any] | None:
    """The server's count of tokens; None where there is none, or none that can be true."""
    if not isinstance(value, dict):
        return None
    counts = {name: _count(value.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    if None in counts.values():
        return None
    details = value.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    found: dict[str, Any] = {**counts, "total_tokens": sum(filter(None, counts.values()))}
    return found if cached is None else {**found, "prompt_tokens_details": {"cached_tokens": cached}}


def _count(value: Any) -> int | None:
    return strict.count(int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value, re.ASCII) else value)


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message", choice.get("delta"))
    if message is None and "text" in choice:
        message = {"content": choice["text"]}
    if isinstance(message, str):
        message = {"content": message}
    if not isinstance(message, dict):
        raise Odd("a choice without a message in it")
    found = _message(message)
    return {"index": 0, "message": found, "finish_reason": _finish(choice.get("finish_reason"), found)}


def _finish(reason: Any, message: dict[str, Any]) -> str:
    if reason in ("length", "content_filter"):
        return str(reason)
    return "tool_calls" if message.get("tool_calls") else "stop"


def _message(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant", "content": content(message.get("content"))}
    reasoning = reasoning_in(message)
    if reasoning:
        found["reasoning_content"] = reasoning
    if text(message.get("refusal")):
        found["refusal"] = text(message["refusal"])
    calls = _calls(message)
    if calls:
        found["tool_calls"] = calls
    return found


def reasoning_in(message: dict[str, Any]) -> str:
    """What the model thought before it replied, under the names that servers have for it."""
    parts = message.get("content")
    within = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    spoken = [text(message.get(name)) for name in _REASONING]
    spoken += [_part(part.get("thinking")) for part in within if part.get("type") in ("thinking", "reasoning")]
    return next(filter(None, spoken), "")


def content(value: Any) -> str:
    """The text of a message's content: a text, or parts of which some are texts."""
    if isinstance(value, list):
        return "".join(map(_part, value))
    return _part(value) if isinstance(value, dict) else text(value)


def _part(part: Any) -> str:
    if isinstance(part, list):
        return "".join(map(_part, part))
    if isinstance(part, dict):
        within = part.get("text")
        return text(within.get("value") if isinstance(within, dict) else within)
    return text(part)


def text(value: Any) -> str:
    """A text that can be written; "" for what is not one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return writable(str(value))


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls:
        old = message.get("function_call")
        calls = [{"function": old}] if isinstance(old, dict) else []
    found = [_call(call) for call in calls if isinstance(call, dict)]
    taken: set[str] = set()
    for number, call in enumerate(found):
        if not call["id"] or call["id"] in taken:
            call["id"] = f"{call['id'] or 'call'}_{number}"
        taken.add(call["id"])
    return found


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    named = {"name": text(inner.get("name")), "arguments": _arguments(inner.get("arguments", inner.get("parameters")))}
    return {"id": text(call.get("id")), "type": "function", "function": named}


def _arguments(value: Any) -> str:
    """Arguments as the JSON text that the protocol has, whatever is wrong with it: whoever makes the call reads it."""
    if value is None or value == "":
        return "{}"
    return writable(value) if isinstance(value, str) else json.dumps(value)


def _assembled(body: bytes) -> dict[str, Any]:
    """A stream that came where none was asked for, as one reply."""
    deltas = Deltas()
    chunks: list[dict[str, Any]] = []
    for line in body.splitlines():
        chunks += deltas.chunks(line)
    return joined(chunks)


def joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the chunks of a stream are pieces of. Raises Odd where there is none."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: dict[int, dict[str, Any]] = {}
    finish, used = None, None
    for chunk in chunks:
        used = chunk.get("usage") or used
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            for name in message:
                message[name] += choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls", ()):
                _grown(calls, call)
    if not chunks:
        raise Odd("an empty stream")
    message["tool_calls"] = list(calls.values())
    return {"id": "stream", "choices": [{"message": message, "finish_reason": finish}], "usage": used}


def _grown(calls: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    call = calls.setdefault(piece["index"], {"id": "", "function": {"name": "", "arguments": ""}})
    call["id"] = piece.get("id") or call["id"]
    call["function"]["name"] += piece["function"].get("name") or ""
    call["function"]["arguments"] += piece["function"].get("arguments") or ""


class Deltas:
    """The pieces of one stream. A call that comes under an index that another call has gets one of its own."""

    def __init__(self) -> None:
        self.finished = False
        self._index: dict[Any, int] = {}
        self._said: list[str] = []  # the ids that came, and those that the calls have
        self._ids: list[str] = []

    def chunks(self, line: bytes) -> list[dict[str, Any]]:
        """The chunk in a line of the stream, if there is one. Raises Odd."""
        if not line.startswith(b"data:"):
            if line[:1] in (b"{", b"<"):
                raise Odd(f"what is not an event of a stream: {_start(line)}")
            return []
        data = line[5:].strip()
        if not data or data == b"[DONE]":
            return []
        value = _json(data)
        if not isinstance(value, dict):
            raise Odd(f"an event that is not a piece of a chat completion: {_start(data)}")
        check_error(value)
        return [self._chunk(value)]

    def end(self) -> dict[str, Any]:
        """A last chunk, for a stream that ends without saying how."""
        reason = "tool_calls" if self._ids else "stop"
        choices = [{"index": 0, "delta": {"content": ""}, "finish_reason": reason}]
        return {"id": "none", "created": 0, "model": "", "object": "chat.completion.chunk", "choices": choices}

    def _chunk(self, value: dict[str, Any]) -> dict[str, Any]:
        choices = value.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
        head = {**_head(value), "object": "chat.completion.chunk"}
        used = usage(value.get("usage"))
        found = {**head, "choices": [self._choice(first)] if first else []}
        return found if used is None else {**found, "usage": used}

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        delta = choice.get("delta", choice.get("message"))
        delta = delta if isinstance(delta, dict) else {"content": choice.get("text")}
        found: dict[str, Any] = {"role": "assistant", "content": content(delta.get("content"))}
        said = {"reasoning_content": reasoning_in(delta), "refusal": text(delta.get("refusal"))}
        found |= {name: piece for name, piece in said.items() if piece}
        calls = [self._call(number, call) for number, call in enumerate(self._pieces(delta))]
        if calls:
            found["tool_calls"] = calls
        reason = choice.get("finish_reason")
        if reason:
            self.finished = True
            reason = reason if reason in ("length", "content_filter") else "tool_calls" if self._ids else "stop"
        return {"index": 0, "delta": found, "finish_reason": reason or None}

    def _pieces(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        calls = delta.get("tool_calls")
        calls = [calls] if isinstance(calls, dict) else calls if isinstance(calls, list) else []
        if not calls and isinstance(delta.get("function_call"), dict):
            calls = [{"index": "old", "function": delta["function_call"]}]
        return [call for call in calls if isinstance(call, dict)]

    def _call(self, number: int, piece: dict[str, Any]) -> dict[str, Any]:
        function = piece.get("function")
        inner = function if isinstance(function, dict) else {}
        arguments = inner.get("arguments")
        at = self._place(piece.get("index"), number, text(piece.get("id")), bool(inner.get("name")))
        written = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
        named: dict[str, Any] = {"arguments": writable(written)}
        if inner.get("name"):
            named["name"] = text(inner["name"])
        return {"index": at, "id": self._ids[at], "type": "function", "function": named}

    def _place(self, index: Any, number: int, id_: str, named: bool) -> int:
        key = index if isinstance(index, int | str) else f"at {number}"
        at = self._index.get(key)
        if at is None or (named and (id_ != self._said[at] if id_ else index is None)):
            at = self._index[key] = len(self._ids)
            self._said.append(id_)
            self._ids.append(id_ if id_ and id_ not in self._ids else f"{id_ or 'call'}_{at}")
        return at


def as_stream(completion: dict[str, Any]) -> dict[str, Any]:
    """A completion as the one chunk of a stream: where one was asked for, and the server does not stream."""
    choice = completion["choices"][0]
    delta = dict(choice["message"])
    if "tool_calls" in delta:
        delta["tool_calls"] = [{**call, "index": number} for number, call in enumerate(delta["tool_calls"])]
    choices = [{"index": 0, "delta": delta, "finish_reason": choice["finish_reason"]}]
    return {**completion, "object": "chat.completion.chunk", "choices": choices}


def title(body: bytes) -> str:
    found = _TITLE.search(body[:20_000].decode("utf-8", "replace"))
    title = " ".join(_TAG.sub("", found[2]).split()) if found else ""
    return f" ({title[:80]})" if title else ""


def _start(body: bytes) -> str:
    return writable(" ".join(body[:400].decode("utf-8", "replace").split()))[:120]
