"""Pieces of what servers send in answer to a chat completion, in the one form that the protocol has."""

from __future__ import annotations

import json
import re
from typing import Any

from traces import bounds, strict
from traces.strict import writable

_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SAYING = ("message", "msg", "detail", "status_msg", "output", "response")
_REASONING = ("reasoning_content", "reasoning", "thinking")


class Odd(Exception):
    """The reply is not a chat completion, or says that the call failed; the message says what it is. `status` is the
    HTTP status that it stands for, `words` the server's own."""

    def __init__(self, what: str, *, status: int = 200, words: str = "") -> None:
        self.what, self.status, self.words = what, status, words
        super().__init__(what)


def json_of(body: bytes) -> Any:
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
        raise Odd(f"what is not JSON: {start(body)}") from None


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


def _kept(value: Any) -> Any:
    """The value with None for numbers that are not finite. Its depth is known to be bounded."""
    if isinstance(value, dict):
        return {name: _kept(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return None if isinstance(value, float) and value - value != 0 else value


def head(value: dict[str, Any]) -> dict[str, Any]:
    created = strict.count(value.get("created"))
    return {"id": text(value.get("id")) or "none", "created": created or 0, "model": text(value.get("model"))}


def without_choices(value: dict[str, Any]) -> str:
    """What a reply is called that has no message in it."""
    inner = [part for part in value.values() if isinstance(part, dict)]
    for place in (value, *inner):
        said = next(
            (text(place[name]) for name in _SAYING if isinstance(place.get(name), str) and place[name].strip()), ""
        )
        if said:
            return f"a reply without choices; it says: {said[:200]}"
    return "a reply without choices: there is no message in it"


def check_error(value: dict[str, Any]) -> None:
    """Raises Odd where the JSON of a reply with status 200 says that the call failed."""
    error = value.get("error")
    if not _says(error) and value.get("object") != "error" and value.get("type") != "error":
        return
    inner = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else value
    words = text(inner.get("message")) or json.dumps(inner)[:300]
    code = inner.get("code") or inner.get("status") or inner.get("status_code")
    status = strict.count(int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code, 599)
    raise Odd(f"an error: {words[:300]}", status=status if status and status >= 400 else 500, words=words)


def _says(error: Any) -> bool:
    """Some gateways send the error object with every reply, empty where there is none."""
    return any(map(_says, error.values())) if isinstance(error, dict) else bool(error)


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
    if isinstance(value, dict):
        return _part(value) if "text" in value else json.dumps(value)  # a form that was not written as text
    return text(value)


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


def arguments(value: Any) -> str:
    """Arguments as the JSON text that the protocol has, whatever is wrong with it: whoever makes the call reads it. One
    that is nested so deeply that nobody could is cut off: it stays what cannot be read."""
    if value is None:
        return ""
    written = writable(value) if isinstance(value, str) else json.dumps(value)
    return written if bounds.is_shallow(written) else f"{written[: bounds.DEPTH]}..."


def is_object(arguments: str) -> bool:
    try:
        return isinstance(strict.loads(arguments), dict)
    except bounds.Malformed:
        return False


def title(body: bytes) -> str:
    found = _TITLE.search(body[:20_000].decode("utf-8", "replace"))
    title = " ".join(_TAG.sub("", found[2]).split()) if found else ""
    return f" ({title[:80]})" if title else ""


def start(body: bytes) -> str:
    return writable(" ".join(body[:400].decode("utf-8", "replace").split()))[:120]
