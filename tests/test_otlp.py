"""Runs as OpenTelemetry traces: valid to the protocol's own parser, a tree, with the conventions' names, sent as OTLP
prescribes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from experiments.exchange import telemetry
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from headcount import main
from tests.collector import Collector, values, wrong_with
from traces.kernel import NANO
from traces.otlp import protobuf, sending
from traces.otlp.sending import NotSent
from traces.otlp.span import Span
from traces.store import Store


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two teams on two cases."""
    home = tmp_path_factory.mktemp("otlp") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(home))
        conduct(prepare(Plan("billing_support", ("solo", "market"), cases=2, trials=1, workers=1, on="here")))
    return home


@pytest.fixture(autouse=True)
def _there(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(base))


def _kind(span: Any) -> str:
    return str(values(span.attributes)["gen_ai.operation.name"])


def _check_tree(spans: list[Any]) -> None:
    """Each trace is one tree, and a child lies within its parent."""
    assert [wrong for span in spans for wrong in wrong_with(span)] == []
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    assert len(by_id) == len(spans)
    above = {"invoke_agent": "invoke_workflow", "chat": "invoke_agent", "execute_tool": "invoke_agent"}
    for span in spans:
        if not span.parent_span_id:
            assert _kind(span) == "invoke_workflow"
            continue
        parent = by_id[span.trace_id, span.parent_span_id]
        assert _kind(parent) == above[_kind(span)]
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
        assert all(parent.start_time_unix_nano <= e.time_unix_nano <= parent.end_time_unix_nano for e in parent.events)
    assert len({span.trace_id for span in spans}) == sum(not span.parent_span_id for span in spans)


def test_a_collector_takes_every_run_as_a_tree_of_spans(capsys: pytest.CaptureFixture[str]) -> None:
    with Collector() as collector, pytest.raises(SystemExit) as ended:
        main(["export", "latest", collector.url, "--to", "otlp"])
    assert ended.value.code in (0, None)
    assert collector.wrong == []
    _check_tree(collector.spans)
    (experiment,) = Store().experiments()
    rows = Store().runs(experiment.id)
    roots = {
        values(s.attributes)["headcount.run"]: values(s.attributes) for s in collector.spans if not s.parent_span_id
    }
    assert roots.keys() == {row.run for row in rows}
    for row in rows:
        root = roots[row.run]
        assert (root["gen_ai.workflow.name"], root["headcount.success"]) == (row.team, row.success)
        assert (root["headcount.clock"], root["headcount.simulated"]) == ("virtual", True)
    assert {resource["service.name"] for resource in collector.resources} == {"headcount"}
    calls = [values(span.attributes) for span in collector.spans if _kind(span) == "chat"]
    (sums,) = Store().sql("SELECT count(*) AS n, sum(input_tokens) AS i, sum(output_tokens) AS o FROM calls")
    assert len(calls) == sums["n"]
    assert sum(call["gen_ai.usage.input_tokens"] for call in calls) == sums["i"]
    assert sum(call["gen_ai.usage.output_tokens"] for call in calls) == sums["o"]
    assert {call["gen_ai.request.model"] for call in calls} == {"sim:medium"}
    tools = [span for span in collector.spans if _kind(span) == "execute_tool"]
    assert len(tools) == Store().sql("SELECT count(*) AS n FROM tools")[0]["n"]
    assert f"{len(collector.spans):,} spans taken" in capsys.readouterr().out


def test_times_are_those_of_the_run_s_clock() -> None:
    (experiment,) = Store().experiments()
    with Collector() as collector:
        telemetry.send(experiment.id, collector.url)
    chats = {
        (values(s.attributes)["headcount.step"], s.trace_id): s.end_time_unix_nano - s.start_time_unix_nano
        for s in collector.spans
        if _kind(s) == "chat"
    }
    rows = Store().sql("SELECT seq, latency_s FROM calls")
    assert sorted((step, round(took / 1e3)) for (step, _), took in chats.items()) == sorted(
        (row["seq"], round(row["latency_s"] * 1e6)) for row in rows
    )
    (long,) = Store().sql("SELECT max(latency_s) AS s FROM runs")
    roots = [s for s in collector.spans if not s.parent_span_id]
    assert max(s.end_time_unix_nano - s.start_time_unix_nano for s in roots) >= long["s"] * NANO - 1000


def test_what_was_said_goes_out_only_when_asked_for() -> None:
    (experiment,) = Store().experiments()
    with Collector() as quiet, Collector() as open_:
        telemetry.send(experiment.id, quiet.url)
        telemetry.send(experiment.id, open_.url, content=True, hide=("credit",))
    names = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    assert not names & {name for span in quiet.spans for name in values(span.attributes)}
    (request,) = Store().sql("SELECT body->>'$.request' AS text FROM events WHERE type = 'run_started' LIMIT 1")
    assert request["text"].split("\n")[1] not in str(quiet.spans)
    found = {name for span in open_.spans for name in values(span.attributes)}
    assert names <= found
    chat = next(span for span in open_.spans if _kind(span) == "chat")
    prompt = json.loads(values(chat.attributes)["gen_ai.input.messages"])
    assert [one["role"] for one in prompt[:2]] == ["system", "user"]
    assert all(part["type"] in ("text", "tool_call", "tool_call_response") for one in prompt for part in one["parts"])
    assert " credit " not in str(open_.spans).lower()
    _check_tree(open_.spans)


def test_the_file_is_otlp_s_json(tmp_path: Path) -> None:
    target = tmp_path / "traces.jsonl"
    (experiment,) = Store().experiments()
    count = telemetry.write(experiment.id, target, content=True)
    spans = []
    for line in target.read_text().splitlines():
        data = json.loads(line)
        for resource in data["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    assert len(span["traceId"]) == 32
                    for name in ("traceId", "spanId", "parentSpanId"):  # protobuf's own parser wants base64
                        if name in span:
                            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        parsed = json_format.ParseDict(data, TracesData())
        spans += [s for resource in parsed.resource_spans for scope in resource.scope_spans for s in scope.spans]
    assert len(spans) == count
    _check_tree(spans)
    again = tmp_path / "again.jsonl"
    telemetry.write(experiment.id, again, content=True)
    assert again.read_text() == target.read_text()


def _request() -> list[tuple[Any, int]]:
    span = Span(
        "a" * 32, "b" * 16, "", "chat m", "client", 1, 2, {"x": ["a"]}, error="no", resource={"service.name": "t"}
    )
    return list(protobuf.requests([span, span], "1"))


@pytest.mark.parametrize("script", [[429], [502, 503, 504], [(503, {"Retry-After": "0"}), 200]])
def test_what_may_pass_is_tried_again(script: list[Any]) -> None:
    with Collector(script) as collector:
        sent = sending.send(_request(), collector.url, pause_s=0.001)
    assert (sent.spans, sent.rejected) == (2, 0)
    assert collector.requests == len([step for step in script if step != 200]) + 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_what_cannot_pass_is_not_tried_again(status: int) -> None:
    with Collector([status]) as collector, pytest.raises(NotSent, match=str(status)):
        sending.send(_request(), collector.url, pause_s=0.001)
    assert collector.requests == 1


def test_a_collector_that_stays_away_is_given_up() -> None:
    with Collector([503] * 50) as collector, pytest.raises(NotSent, match=r"503 \(tried 6 times"):
        sending.send(_request(), collector.url, pause_s=0.001)
    assert collector.requests == sending.ATTEMPTS
    with pytest.raises(NotSent, match="Does a collector run there"):
        sending.send(_request(), collector.url, pause_s=0.001)


def test_retry_after_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waited.append))  # other threads sleep as ever
    with Collector([(429, {"Retry-After": "7"}), (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]) as collector:
        sending.send(_request(), collector.url, pause_s=0.001)
    assert waited == [7.0, 0.0]


def test_a_partial_success_is_told_and_not_sent_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ours%20too,authorization=Basic%20abc")
    with Collector([(3, "too old")]) as collector, pytest.raises(SystemExit) as ended:
        main(["export", "latest", f"{collector.url}/v1/traces", "--to", "otlp"])
    assert ended.value.code == 1
    assert "3 rejected (too old)" in capsys.readouterr().out
    assert collector.headers["x-team"] == "ours too"
    assert collector.headers["authorization"] == "Basic abc"


def test_large_experiments_go_in_several_requests() -> None:
    spans = [Span("a" * 32, f"{n + 1:016x}", "", "x", "internal", 1, 2, {}) for n in range(1200)]
    with Collector() as collector:
        sent = sending.send(protobuf.requests(iter(spans), "1"), collector.url)
    assert (sent.spans, collector.requests) == (1200, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "otlp"], "TARGET is a collector's address"),
        (["here", "--to", "otlp"], "is no collector's address"),
        (["x", "--to", "jaeger"], "none of file, otlp, otlp-json"),
        (["/no/such/folder/x.jsonl", "--to", "otlp-json"], "cannot be written"),
    ],
)
def test_bad_input_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "latest", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
