"""A stand-in for an OpenTelemetry collector: OTLP/HTTP on 127.0.0.1, parsed with the protocol's own messages, with
scripted answers. What is no valid trace is answered with 400 and kept in `wrong`."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

TAKE = 200


class Collector:
    """`script`: the answers to come, each a status, or (status, headers), or a partial success as (rejected spans,
    why); then everything is taken. `spans` were taken, `requests` counts what came, `headers` are of the last."""

    def __init__(self, script: Sequence[Any] = ()) -> None:
        self.script = list(script)
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.requests = 0
        self.wrong: list[str] = []
        self.headers: dict[str, str] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.requests += 1
        self.headers = headers
        step = self.script.pop(0) if self.script else TAKE
        if isinstance(step, tuple) and isinstance(step[1], str):
            return 200, {}, self._take(path, body, *step)
        status, more = step if isinstance(step, tuple) else (step, {})
        if status != TAKE:
            return status, more, b"as scripted"
        reply = self._take(path, body)
        return (400, {}, b"no valid trace") if self.wrong else (200, {}, reply)

    def _take(self, path: str, body: bytes, rejected: int = 0, why: str = "") -> bytes:
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        if path != "/v1/traces":
            self.wrong.append(f"the path {path}")
        for resource in request.resource_spans:
            self.resources.append(values(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans += scope.spans
                self.wrong += [wrong for span in scope.spans for wrong in wrong_with(span)]
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=why) if why else None
        return ExportTraceServiceResponse(partial_success=partial).SerializeToString()

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def wrong_with(span: Any) -> list[str]:
    """What a collector or backend refuses a span for."""
    found = []
    if len(span.trace_id) != 16 or not any(span.trace_id):
        found.append(f"{span.name}: trace id {span.trace_id!r}")
    if len(span.span_id) != 8 or not any(span.span_id):
        found.append(f"{span.name}: span id {span.span_id!r}")
    if len(span.parent_span_id) not in (0, 8) or span.parent_span_id == span.span_id:
        found.append(f"{span.name}: parent id {span.parent_span_id!r}")
    if not span.name or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano < 2**63:
        found.append(f"{span.name}: times {span.start_time_unix_nano} {span.end_time_unix_nano}")
    keys = [one.key for one in span.attributes]
    if (
        len(keys) != len(set(keys))
        or not all(keys)
        or not all(one.value.WhichOneof("value") for one in span.attributes)
    ):
        found.append(f"{span.name}: attributes {keys}")
    found += [f"{span.name}: {e.name} at {e.time_unix_nano}" for e in span.events if not (e.name and e.time_unix_nano)]
    return found


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values."""
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, reply = collector.answer(self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in {"Content-Type": "application/x-protobuf", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    return Handler
