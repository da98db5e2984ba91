"""Spans as OTLP's protobuf messages and as its JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from traces.otlp.span import Span

SPANS, BYTES = 512, 2 << 20  # of one request, about


def requests(spans: Iterable[Span], version: str) -> Iterator[tuple[Any, int]]:
    """ExportTraceServiceRequests of a size that collectors take, each with the number of its spans."""
    group: list[Any] = []
    resource: dict[str, Any] = {}
    size = 0
    for span in spans:
        message = _span(span)
        if group and (len(group) >= SPANS or size > BYTES or span.resource != resource):
            yield _request(group, resource, version), len(group)
            group, size = [], 0
        resource = span.resource
        group.append(message)
        size += message.ByteSize()
    if group:
        yield _request(group, resource, version), len(group)


def as_json(request: Any) -> str:
    """OTLP's JSON: like protobuf's, but ids are hex and enumerations are numbers. One line."""
    from google.protobuf import json_format

    data = json_format.MessageToDict(request, use_integers_for_enums=True)
    for resource in data.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(data, ensure_ascii=False)


def _request(spans: list[Any], resource: dict[str, Any], version: str) -> Any:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

    scope = ScopeSpans(scope=InstrumentationScope(name="headcount", version=version), spans=spans)
    attributes = _attributes({**resource, "service.version": version})
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=Resource(attributes=attributes), scope_spans=[scope])]
    )


def _span(span: Span) -> Any:
    from opentelemetry.proto.trace.v1 import trace_pb2 as pb

    status = pb.Status()
    if span.error is not None:
        status = pb.Status(code=pb.Status.STATUS_CODE_ERROR, message=span.error)
    return pb.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=pb.Span.SpanKind.Value(f"SPAN_KIND_{span.kind.upper()}"),
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=_attributes(span.attributes),
        events=[
            pb.Span.Event(time_unix_nano=event.time, name=event.name, attributes=_attributes(event.attributes))
            for event in span.events
        ],
        status=status,
    )


def _attributes(values: dict[str, Any]) -> list[Any]:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: Any) -> Any:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    return AnyValue(string_value=str(value))
