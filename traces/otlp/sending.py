"""Sending spans to a collector over OTLP/HTTP, as the protocol prescribes (OTLP specification 1.x, "OTLP/HTTP").

429, 502, 503, 504 and lost connections are tried again, after what Retry-After says or growing pauses; any other error
is not. What a collector rejects of a request that it took (partial success) is counted and never sent again.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from traces.errors import HeadcountError, InputError

if TYPE_CHECKING:
    import httpx
    import tenacity

ATTEMPTS = 6
LONGEST_WAIT_S = 30.0
AGAIN = (429, 502, 503, 504)
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")


class NotSent(HeadcountError):
    """A collector that does not take what is sent."""


class Sent(Struct):
    """How many spans a collector took, and how many it rejected, with its last reason."""

    spans: int = 0
    rejected: int = 0
    message: str = ""


class _Again(Exception):
    """A failure that may pass: why, and how long the collector wants to be left alone."""

    def __init__(self, why: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(why)


def address(endpoint: str) -> str:
    """Where traces go: `http://localhost:4318` → `http://localhost:4318/v1/traces`. Raises InputError for none."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{endpoint!r} is no collector's address: give one such as http://localhost:4318")
    return endpoint if parts.path.rstrip("/").endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"


def send(requests: Iterable[tuple[Any, int]], endpoint: str, pause_s: float = 1.0) -> Sent:
    """Send requests, one after the other; `pause_s` is the first pause after a failure. Headers for the collector are
    those of OTEL_EXPORTER_OTLP_HEADERS. Raises NotSent where one does not get through."""
    import httpx

    url = address(endpoint)
    sent = Sent()
    with httpx.Client(timeout=30, headers=_headers(), follow_redirects=False) as client:
        for request, spans in requests:
            _take(_sent(client, url, request.SerializeToString(), pause_s), spans, sent)
    return sent


def _sent(client: httpx.Client, url: str, body: bytes, pause_s: float) -> bytes:
    import tenacity

    packed = gzip.compress(body, 5)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_Again),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_pause(pause_s),
        reraise=True,
    )
    try:
        return retrying(_post, client, url, packed)
    except _Again as error:
        raise NotSent(f"{url}: {error} (tried {ATTEMPTS} times)") from None


def _pause(first: float) -> Any:
    import tenacity

    growing = tenacity.wait_random_exponential(multiplier=first, max=LONGEST_WAIT_S)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        after = error.after if isinstance(error, _Again) else None
        return growing(state) if after is None else min(after, LONGEST_WAIT_S)

    return pause


def _post(client: httpx.Client, url: str, body: bytes) -> bytes:
    import httpx

    try:
        reply = client.post(
            url, content=body, headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        )
    except httpx.TransportError as error:
        raise _Again(
            f"no connection, or it was cut: {error or type(error).__name__}. Does a collector run there?"
        ) from None
    if reply.status_code in AGAIN:
        raise _Again(f"it answers {reply.status_code}", _after(reply.headers.get("Retry-After")))
    if not reply.is_success:
        raise NotSent(f"{url}: it refuses the traces ({reply.status_code}): {_reason(reply)}")
    return reply.content


def _after(value: str | None) -> float | None:
    """Retry-After in seconds: a number, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        import time

        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _reason(reply: httpx.Response) -> str:
    """The words of an error's body: a google.rpc.Status in protobuf, or text."""
    if "protobuf" in reply.headers.get("Content-Type", ""):
        from google.rpc.status_pb2 import Status

        try:
            return str(Status.FromString(reply.content).message)
        except Exception:  # whatever a parser of bytes from elsewhere raises
            return "no reason that can be read"
    return " ".join(reply.text.split())[:200]


def _take(body: bytes, spans: int, sent: Sent) -> None:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        sent.spans += spans  # some collectors answer in JSON, or with nothing: a 200 means that it was taken
        return
    sent.spans += spans - partial.rejected_spans
    sent.rejected += partial.rejected_spans
    sent.message = partial.error_message or sent.message


def _headers() -> dict[str, str]:
    """`name=value,name=value` as OpenTelemetry's own exporters read it."""
    given = next((os.environ[name] for name in HEADERS if os.environ.get(name)), "")
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
