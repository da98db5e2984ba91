"""Reading OTLP from files: JSON (one object, or one a line, as the collector's file exporter writes them) and protobuf,
uncompressed or gzipped; or a folder of such files."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from traces import bounds
from traces.errors import InputError
from traces.otlp.span import Kind, Span, SpanEvent

ENDINGS = (".json", ".jsonl", ".ndjson", ".pb", ".binpb", ".otlp")
_KINDS: tuple[Kind, ...] = ("internal", "internal", "server", "client", "producer", "consumer")
FILE, JSON, PROTOBUF = 1 << 30, 64 << 20, 32 << 20
"""Bytes: of a file, of one JSON object in it, and of one in protobuf, which unpacks to many times its size."""


def files(place: Path) -> list[Path]:
    """The files at a place: itself, or those in a folder by name. Raises InputError where there is none."""
    if not place.is_dir():
        return [place]
    found = sorted(path for path in place.rglob("*") if path.is_file() and _ending(path) in ENDINGS)
    if not found:
        raise InputError(f"{place}: no traces in this folder: files end in {', '.join(ENDINGS)} (or these with .gz)")
    return found


def read(path: Path, content: bytes | None = None) -> list[Span]:
    """Every span in a file; `content` instead of what is in it now. Raises InputError, with the line where there is
    one, for what is no OTLP."""
    content = bounds.read(path, FILE) if content is None else content
    try:
        content = bounds.gunzip(content) if content[:2] == b"\x1f\x8b" else content
    except bounds.Malformed as error:
        raise InputError(f"{path}: {error}") from None
    if content.lstrip()[:1] in (b"{", b"["):
        return list(_of_json(path, content))
    return _of_protobuf(path, content)


def _ending(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


# --- JSON ---------------------------------------------------------------------------------------------------------


def _of_json(path: Path, content: bytes) -> Iterator[Span]:
    try:
        whole = bounds.decode(content, size=JSON)
    except bounds.Malformed as error:
        if b"\n" not in content.strip():
            raise InputError(f"{path}: {error}") from None
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield from _of_line(f"{path}:{number}", line)
        return
    for request in whole if isinstance(whole, list) else [whole]:
        yield from _spans(str(path), request)


def _of_line(place: str, line: bytes) -> Iterator[Span]:
    try:
        request = bounds.decode(line, size=JSON)
    except bounds.Malformed as error:
        raise InputError(f"{place}: {error}") from None
    yield from _spans(place, request)


def _spans(place: str, request: Any) -> Iterator[Span]:
    if not isinstance(request, dict) or not isinstance(request.get("resourceSpans"), list):
        raise InputError(f"{place}: is no OTLP trace: there is no list `resourceSpans`")
    try:
        for resource in request["resourceSpans"]:
            attributes = _attributes(resource.get("resource", {}).get("attributes", []))
            for scope in resource.get("scopeSpans", []):
                name = str(scope.get("scope", {}).get("name", ""))
                for span in scope.get("spans", []):
                    yield _span(span, attributes, name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{place}: a span is not as OTLP has it: {type(error).__name__}: {error}") from None


def _span(data: dict[str, Any], resource: dict[str, Any], scope: str) -> Span:
    status = data.get("status") or {}
    failed = status.get("code") in (2, "STATUS_CODE_ERROR")
    kind = data.get("kind", 0)
    return Span(
        _id(data["traceId"], 16),
        _id(data["spanId"], 8),
        _id(data.get("parentSpanId") or "", 8),
        str(data.get("name", "")),
        _KINDS[kind] if isinstance(kind, int) and 0 <= kind < len(_KINDS) else "internal",
        _time(data["startTimeUnixNano"]),
        _time(data["endTimeUnixNano"]),
        _attributes(data.get("attributes", [])),
        tuple(
            SpanEvent(str(e.get("name", "")), _time(e.get("timeUnixNano", 0)), _attributes(e.get("attributes", [])))
            for e in data.get("events", [])
        ),
        str(status.get("message") or "it failed") if failed else None,
        resource,
        scope,
    )


def _id(text: str, size: int) -> str:
    """An id in hex, as OTLP has it, or in base64, as protobuf's own JSON does."""
    if not text:
        return ""
    if len(text) == 2 * size:
        return bytes.fromhex(text).hex()
    found = base64.b64decode(text, validate=True)
    if len(found) != size:
        raise ValueError(f"{text!r} is no id of {size} bytes")
    return found.hex()


def _time(value: Any) -> int:
    """Nanoseconds of Unix time, as a number or, as OTLP has it, as a text of digits."""
    return _in_range(_whole(value), 0)


def _whole(value: Any) -> int:
    if isinstance(value, str) and len(value) <= 20:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"a whole number was expected, not {str(value)[:40]!r}")
    return value


def _in_range(number: int, least: int = -bounds.INTEGER) -> int:
    if not least <= number <= bounds.INTEGER:
        raise ValueError(f"{number} is out of range")
    return number


def _attributes(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(pair["key"]): _value(pair.get("value") or {}) for pair in pairs}


def _value(value: dict[str, Any]) -> Any:
    for kind, content in value.items():
        match kind:
            case "intValue":
                return _in_range(_whole(content))
            case "arrayValue":
                return [_value(one) for one in content.get("values", [])]
            case "kvlistValue":
                return {pair["key"]: _value(pair.get("value") or {}) for pair in content.get("values", [])}
            case _:
                return content
    return None


# --- protobuf -----------------------------------------------------------------------------------------------------


def _of_protobuf(path: Path, content: bytes) -> list[Span]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    if len(content) > PROTOBUF:
        raise InputError(
            f"{path}: more than {PROTOBUF:,} bytes of protobuf: split it, or export JSON, one object a line"
        )
    try:
        data = TracesData.FromString(content)
    except DecodeError:
        raise InputError(f"{path}: is neither OTLP in JSON nor in protobuf") from None
    found = [
        _of_message(span, _plain(resource.resource.attributes), scope.scope.name)
        for resource in data.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    if not found:
        raise InputError(f"{path}: is neither OTLP in JSON nor in protobuf, or holds no span")
    return found


def _of_message(span: Any, resource: dict[str, Any], scope: str) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        _KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "internal",
        min(span.start_time_unix_nano, bounds.INTEGER),
        min(span.end_time_unix_nano, bounds.INTEGER),
        _plain(span.attributes),
        tuple(SpanEvent(e.name, min(e.time_unix_nano, bounds.INTEGER), _plain(e.attributes)) for e in span.events),
        (span.status.message or "it failed") if span.status.code == 2 else None,
        resource,
        scope,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _plain_value(one.value) for one in attributes}


def _plain_value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _plain_value(one.value) for one in value.kvlist_value.values}
    found = getattr(value, kind) if kind else None
    return found if not isinstance(found, float) or bounds.is_number(found) else str(found)
