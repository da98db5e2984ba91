"""Replies that come piece by piece: what servers stream, in the form that the protocol has."""

from __future__ import annotations

from typing import Any

from agents.models.parts import (
    Odd,
    arguments,
    check_error,
    content,
    head,
    is_object,
    json_of,
    reasoning_in,
    start,
    text,
    usage,
    without_choices,
)


def assembled(body: bytes) -> dict[str, Any]:
    """A stream that came where none was asked for, as one reply."""
    deltas = Deltas()
    chunks: list[dict[str, Any]] = []
    for line in body.splitlines():
        chunks += deltas.chunks(line)
    deltas.check()
    return joined(chunks)


def joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the chunks of a stream are pieces of."""
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
        self._begun = False
        self._instead = "an empty stream"
        self._index: dict[Any, int] = {}
        self._said: list[str] = []  # the ids that came, and those that the calls have
        self._ids: list[str] = []
        self._names: list[str] = []
        self._arguments: list[str] = []

    def chunks(self, line: bytes) -> list[dict[str, Any]]:
        """The chunk in a line of the stream, if there is one. Raises Odd."""
        if not line.startswith(b"data:"):
            if line[:1] in (b"{", b"<"):
                raise Odd(f"what is not an event of a stream: {start(line)}")
            return []
        data = line[5:].strip()
        if not data or data == b"[DONE]":
            return []
        value = json_of(data)
        if not isinstance(value, dict):
            raise Odd(f"an event that is not a piece of a chat completion: {start(data)}")
        check_error(value)
        return [self._chunk(value)]

    def end(self) -> dict[str, Any]:
        """A last chunk, for a stream that ends without saying how. Raises Odd for one that has said nothing."""
        self.check()
        reason = "tool_calls" if self._ids else "stop"
        choices = [{"index": 0, "delta": {"content": ""}, "finish_reason": reason}]
        return {"id": "none", "created": 0, "model": "", "object": "chat.completion.chunk", "choices": choices}

    def check(self) -> None:
        """Raises Odd where nothing in the stream was a piece of a reply."""
        if not self._begun:
            raise Odd(self._instead)

    def _chunk(self, value: dict[str, Any]) -> dict[str, Any]:
        choices = value.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
        used = usage(value.get("usage"))
        choices = [self._choice(first)] if first else []
        self._begun = self._begun or bool(choices)
        if not choices and used is None:
            self._instead = without_choices(value)
        found = {**head(value), "object": "chat.completion.chunk", "choices": choices}
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
        inner = function if isinstance(function, dict) else piece
        name, written = text(inner.get("name")), arguments(inner.get("arguments"))
        at = self._place(piece.get("index"), number, text(piece.get("id")), name, bool(written))
        named: dict[str, Any] = {"arguments": written}
        if name and name != self._names[at]:  # some servers repeat it with every piece
            self._names[at] = named["name"] = name
        self._arguments[at] += written
        return {"index": at, "id": self._ids[at], "type": "function", "function": named}

    def _place(self, index: Any, number: int, id_: str, name: str, starts: bool) -> int:
        key = index if isinstance(index, int | str) else f"at {number}"
        at = self._index.get(key)
        if at is None or (name and self._is_another(at, id_, name, starts)):
            at = self._index[key] = len(self._ids)
            self._said.append(id_)
            self._ids.append(id_ if id_ and id_ not in self._ids else f"{id_ or 'call'}_{at}")
            self._names.append("")
            self._arguments.append("")
        return at

    def _is_another(self, at: int, id_: str, name: str, starts: bool) -> bool:
        """Whether a piece with a name begins another call than the one that has its index."""
        if id_:
            return id_ != self._said[at]
        return name != self._names[at] or (starts and is_object(self._arguments[at]))


def as_stream(completion: dict[str, Any]) -> dict[str, Any]:
    """A completion as the one chunk of a stream: where one was asked for, and the server does not stream."""
    choice = completion["choices"][0]
    delta = dict(choice["message"])
    if "tool_calls" in delta:
        delta["tool_calls"] = [{**call, "index": number} for number, call in enumerate(delta["tool_calls"])]
    choices = [{"index": 0, "delta": delta, "finish_reason": choice["finish_reason"]}]
    return {**completion, "object": "chat.completion.chunk", "choices": choices}
