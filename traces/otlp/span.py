"""A span of OpenTelemetry's as plain values, without protobuf."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Kind = Literal["internal", "server", "client", "producer", "consumer"]


class SpanEvent(Struct, frozen=True):
    """Something that happened at a moment of a span; `time` is Unix time in nanoseconds."""

    name: str
    time: int
    attributes: dict[str, Any] = {}


class Span(Struct, frozen=True):
    """`start` and `end` are Unix time in nanoseconds; ids are hex. `error` is the reason where it failed, else None.
    `scope` is the instrumentation that made it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    start: int
    end: int
    attributes: dict[str, Any]
    events: tuple[SpanEvent, ...] = ()
    error: str | None = None
    resource: dict[str, Any] = {}
    scope: str = ""
