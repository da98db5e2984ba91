"""Mutated OTLP files, brought in as runs: JSON in one piece or a line each, and protobuf, plain or gzipped."""

from __future__ import annotations

import atexit
import base64
import gzip
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fuzzing import mutating
from traces import recorder
from traces.errors import HeadcountError
from traces.otlp import reading
from traces.otlp.runs import runs


def prepare() -> Callable[[random.Random], str]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-otlp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = folder / "traces.json"
    protobuf = _protobuf()

    def attempt(draw: random.Random) -> str:
        place.write_bytes(_file(draw, protobuf))
        try:
            found = runs(reading.read(place), "fuzzed")
            for number, foreign in enumerate(found):
                for record in foreign.records(number, 0):
                    recorder.readable(record)
        except HeadcountError as error:
            if isinstance(error, recorder.Unwritable):
                raise
            return "refused"
        return "read" if found else "empty"

    return attempt


def _file(draw: random.Random, protobuf: bytes) -> bytes:
    kind = draw.random()
    if kind < 0.25:
        content = mutating.damaged(protobuf, draw)
    else:
        value: Any = _request(draw)
        for _ in range(draw.randint(0, 2)):
            value = mutating.changed(value, draw)
        content = json.dumps(value).encode("utf-8", "surrogatepass")
        if kind < 0.5:
            content = mutating.damaged(content, draw)
        elif kind < 0.6:
            content = b"\n".join([json.dumps(_request()).encode(), content])
    return mutating.damaged(gzip.compress(content), draw) if draw.random() < 0.1 else content


def _request(draw: random.Random | None = None) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {"attributes": _attributes({"service.name": "crew"})}, "scopeSpans": [
        {"scope": {"name": "openinference.instrumentation.crewai"}, "spans": _spans(draw)}]}]}  # fmt: skip


def _spans(draw: random.Random | None) -> list[dict[str, Any]]:
    said = [{"role": "user", "parts": [{"type": "text", "content": "How much?"}]}]
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query": "fee"}'}}
    model = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3, "gen_ai.input.messages": json.dumps(said), "llm.cost.total": 0.01,
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "7.50",
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "tool_calls": [call]}]),
    }  # fmt: skip
    tool = {
        "openinference.span.kind": "RETRIEVER", "tool.parameters": '{"query": "fee"}', "input.value": "fee",
        "retrieval.documents.0.document.id": "d", "retrieval.documents.0.document.score": 0.5,
    }  # fmt: skip
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "output.value": "7.50"}
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": "1700000000000000002", "attributes": _attributes(
        {"gen_ai.evaluation.name": "ok", "gen_ai.evaluation.score.label": "pass"})}  # fmt: skip
    every: list[dict[str, Any]] = [agent, model, tool, model]
    if draw is not None:
        every = [_odd(known, draw) for known in every]
    return [
        {
            "traceId": "0" * 31 + "1", "spanId": f"{number:016x}",
            "parentSpanId": f"{number - 1:016x}" if number > 1 else "",
            "name": "step", "kind": 3, "startTimeUnixNano": f"17000000000000000{number:02}",
            "endTimeUnixNano": f"17000000010000000{number:02}", "attributes": _attributes(known), "events": [event],
            "status": {"code": 0},
        }
        for number, known in enumerate(every, 1)
    ]  # fmt: skip


def _odd(known: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The attributes of a span with some of them changed, within JSON texts too."""
    name = draw.choice(list(known))
    if isinstance(known[name], str) and known[name][:1] in "[{":
        return {**known, name: json.dumps(mutating.changed(json.loads(known[name]), draw))}
    found = mutating.changed(known, draw)
    return found if isinstance(found, dict) else known


def _attributes(known: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in known.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(one) for one in value]}}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
    return {"stringValue": value}


def _protobuf() -> bytes:
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    data = json.loads(json.dumps(_request()))
    for span in data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
            span[name] = base64.b64encode(bytes.fromhex(span[name] or "00" * size)).decode()
    return bytes(ParseDict(data, TracesData()).SerializeToString())
