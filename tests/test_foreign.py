"""Traces of other frameworks become runs: in the shapes that their conventions document, nothing made up.

Shapes: OpenTelemetry's GenAI conventions 1.41 (messages as JSON in attributes) and 1.36 (as span events); AutoGen's own
spans (autogen_core/_telemetry); OpenInference 0.1.46 as LangChain and CrewAI are instrumented with it; OpenLLMetry's
`traceloop.*` with indexed prompts, as LangChain and CrewAI are.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.exchange import foreign, telemetry
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests import cli
from traces import journal
from traces.errors import InputError
from traces.home import list_experiments
from traces.kernel import AgentCreated, Chat, Evaluated, Event, MessageSent, RunFinished, RunStarted, ToolExecuted
from traces.otlp.runs import runs
from traces.otlp.span import Span, SpanEvent
from traces.store import Store

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


def value(of_: Any) -> dict[str, Any]:
    match of_:
        case bool():
            return {"boolValue": of_}
        case int():
            return {"intValue": str(of_)}
        case float():
            return {"doubleValue": of_}
        case list():
            return {"arrayValue": {"values": [value(one) for one in of_]}}
    return {"stringValue": of_ if isinstance(of_, str) else json.dumps(of_)}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value(one)} for name, one in attributes.items()]


def span(number: int, parent: int | None, name: str, begin: float, end: float, **more: Any) -> dict[str, Any]:
    """`more`: attributes, events (name → attributes), error, trace (a number)."""
    events = [{"name": n, "timeUnixNano": str(START), "attributes": pairs(a)} for n, a in more.get("events", [])]
    made = {
        "traceId": f"{more.get('trace', 1):032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(START + round(begin * SECOND)),
        "endTimeUnixNano": str(START + round(end * SECOND)),
        "attributes": pairs(more.get("attributes", {})),
        "events": events,
        "status": {"code": 2, "message": more["error"]} if "error" in more else {},
    }
    return made if parent is None else {**made, "parentSpanId": f"{parent:016x}"}


def otlp(spans: list[dict[str, Any]], service: str = "", scope: str = "") -> dict[str, Any]:
    resource = {"attributes": pairs({"service.name": service} if service else {})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": spans}]}]}


def bring(tmp_path: Path, data: Any, name: str = "trace.json") -> tuple[foreign.Brought, list[Event]]:
    (tmp_path / name).write_text(json.dumps(data))
    found = foreign.bring_in(tmp_path / name)
    return found, [record.event for record in Store().events(found.id, 0)]


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- the conventions ------------------------------------------------------------------------------------------------

ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
CALLED = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"location": "Paris"}}
ANSWERED = {"type": "tool_call_response", "id": "call_1", "response": "rainy, 57°F"}


def genai() -> list[dict[str, Any]]:
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.system_instructions": [{"type": "text", "content": "You are a weather bot."}],
        "gen_ai.usage.input_tokens": 47,
        "gen_ai.usage.output_tokens": 17,
    }
    first = {
        **call,
        "gen_ai.input.messages": json.dumps(ASKED),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [CALLED], "finish_reason": "tool_call"}]),
        "gen_ai.system_instructions": json.dumps(call["gen_ai.system_instructions"]),
        "gen_ai.response.finish_reasons": ["tool_calls"],
    }
    history = [*ASKED, {"role": "assistant", "parts": [CALLED]}, {"role": "tool", "parts": [ANSWERED]}]
    reply = [{"role": "assistant", "parts": [{"type": "text", "content": "Rainy, 57°F."}], "finish_reason": "stop"}]
    second = {
        **first,
        "gen_ai.input.messages": json.dumps(history),
        "gen_ai.output.messages": json.dumps(reply),
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 97,
        "gen_ai.usage.cache_read.input_tokens": 40,
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"location": "Paris"}',
        "gen_ai.tool.call.result": "rainy, 57°F",
    }
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "weather",
        "gen_ai.input.messages": json.dumps(ASKED),
        "gen_ai.output.messages": json.dumps(reply),
    }
    return [
        span(1, None, "invoke_agent weather", 0, 5, attributes=agent),
        span(2, 1, "chat gpt-4o", 0.5, 1.5, attributes=first),
        span(3, 1, "execute_tool get_weather", 1.5, 2, attributes=tool),
        span(4, 1, "chat gpt-4o", 2, 4.5, attributes=second),
        span(5, 4, "POST", 2.1, 4.4, attributes={"http.request.method": "POST"}),
    ]


def test_genai_spans_become_a_run(tmp_path: Path) -> None:
    found, events = bring(tmp_path, otlp(genai(), "weather-service", "opentelemetry.instrumentation.openai_v2"))
    assert (found.runs, found.teams, found.calls) == (1, {"weather-service": 1}, 2)
    assert (found.unpriced, found.uncounted, found.silent, found.ungraded) == (2, 0, 0, 1)
    (started,) = of(RunStarted, events)
    assert started.request == "Weather in Paris?"
    assert (started.run.model, started.run.simulated, started.run.clock) == ("gpt-4o", False, "real")
    first, second = of(Chat, events)
    assert [(m.role, m.content) for m in first.added] == [
        ("system", "You are a weather bot."),
        ("user", "Weather in Paris?"),
    ]
    assert [(c.id, c.name, json.loads(c.arguments)) for c in first.tool_calls] == [
        ("call_1", "get_weather", {"location": "Paris"})
    ]
    assert (first.usage.latency_s, first.usage.cost_nano_usd, first.finish_reason) == (1.0, None, "tool_calls")
    assert (second.kept, [m.role for m in second.added], second.text) == (2, ["assistant", "tool"], "Rainy, 57°F.")
    assert (second.usage.input_tokens, second.usage.cached_tokens) == (97, 40)
    (tool,) = of(ToolExecuted, events)
    assert (tool.tool, tool.arguments, tool.result, tool.ok) == (
        "get_weather",
        {"location": "Paris"},
        "rainy, 57°F",
        True,
    )
    (ended,) = of(RunFinished, events)
    assert (ended.status, ended.answer, ended.latency_s) == ("completed", "Rainy, 57°F.", 5.0)
    assert [created.agent for created in of(AgentCreated, events)] == ["weather"]
    row = Store().run(found.id, 0)
    assert (row.success, row.tokens, row.cost_usd, row.calls) == (None, 178, None, 2)


def test_messages_in_events_as_the_conventions_had_them_before(tmp_path: Path) -> None:
    events = [
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": "Hello?"}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"role": "assistant", "content": "Hi."}'}),
    ]
    at = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4"}
    found, made = bring(tmp_path, otlp([span(1, None, "chat gpt-4", 0, 1, attributes=at, events=events)]))
    (chat,) = of(Chat, made)
    assert [(m.role, m.content) for m in chat.added] == [("system", "Be brief."), ("user", "Hello?")]
    assert chat.text == "Hi."
    assert (found.uncounted, found.unpriced) == (1, 1)


def test_autogen_with_a_model_instrumentation(tmp_path: Path) -> None:
    def agent(name: str) -> dict[str, Any]:
        return {"gen_ai.operation.name": "invoke_agent", "gen_ai.system": "autogen", "gen_ai.agent.name": name}

    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.system": "autogen", "gen_ai.tool.name": "lookup"}
    spans = [
        span(1, None, "invoke_agent team", 0, 9, attributes=agent("team")),
        span(2, 1, "invoke_agent writer", 1, 4, attributes=agent("writer")),
        span(3, 2, "chat gpt-4o-mini", 1, 3, attributes=call),
        span(4, 2, "execute_tool lookup", 3, 4, attributes=tool, error="no such key"),
        span(5, 1, "invoke_agent critic", 4, 8, attributes=agent("critic")),
        span(6, 5, "chat gpt-4o-mini", 5, 7, attributes=call),
    ]
    found, events = bring(tmp_path, otlp(spans, "unknown_service:python", "autogen-core"))
    assert found.teams == {"team": 1}
    assert of(RunStarted, events)[0].run.engine == "autogen-core"
    assert [chat.agent for chat in of(Chat, events)] == ["writer", "critic"]
    said = [(m.message.sender, m.message.to, m.message.kind) for m in of(MessageSent, events)]
    assert said[:2] == [("team", "writer", "call"), ("writer", "team", "result")]
    assert said[2:] == [("team", "critic", "call"), ("critic", "team", "result")]
    (lookup,) = of(ToolExecuted, events)
    assert (lookup.agent, lookup.ok, lookup.result) == ("writer", False, "no such key")
    assert found.silent == 2


def test_openinference_as_langchain_and_crewai_write_it(tmp_path: Path) -> None:
    model = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-mini",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "You plan.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": "Plan a trip.",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"q": "trains"}',
        "llm.token_count.prompt": 30,
        "llm.token_count.completion": 12,
        "llm.token_count.total": 42,
        "llm.cost.total": 0.00125,
    }
    documents = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "trains",
        "retrieval.documents.0.document.id": "d7",
        "retrieval.documents.0.document.content": "Trains leave at nine.",
        "retrieval.documents.0.document.score": 0.8,
    }
    tool = {
        "openinference.span.kind": "TOOL",
        "tool.name": "search",
        "input.value": '{"q": "trains"}',
        "output.value": "at nine",
    }
    crew = {"openinference.span.kind": "CHAIN", "input.value": "Plan a trip.", "output.value": "Take the train."}
    agent = {"openinference.span.kind": "AGENT", "graph.node.id": "Travel planner", "input.value": "Plan a trip."}
    spans = [
        span(1, None, "Crew_7.kickoff", 0, 10, attributes=crew),
        span(2, 1, "Travel planner._execute_core", 0, 9, attributes=agent),
        span(3, 2, "ChatOpenAI", 1, 3, attributes=model),
        span(4, 3, "ChatCompletion", 1.1, 2.9, attributes=model),
        span(5, 2, "search.run", 3, 5, attributes=tool),
        span(6, 5, "VectorStoreRetriever", 3.5, 4, attributes=documents),
    ]
    found, events = bring(tmp_path, otlp(spans, "trips", "openinference.instrumentation.crewai"))
    (chat,) = of(Chat, events)  # LangChain's span and the client's are one call
    assert chat.agent == "Travel planner"
    assert [m.content for m in chat.added] == ["You plan.", "Plan a trip."]
    assert (chat.tool_calls[0].name, chat.tool_calls[0].arguments) == ("search", '{"q": "trains"}')
    assert (chat.usage.tokens, chat.usage.cost_nano_usd) == (42, 1_250_000)
    search, retriever = sorted(of(ToolExecuted, events), key=lambda tool: tool.tool, reverse=True)
    assert (search.tool, search.arguments, search.result) == ("search", {"q": "trains"}, "at nine")
    assert retriever.result == "Trains leave at nine."
    (row,) = Store().sql("SELECT source, score, rank FROM retrievals")
    assert row == {"source": "d7", "score": 0.8, "rank": 1}
    started, ended = of(RunStarted, events)[0], of(RunFinished, events)[0]
    assert (started.request, started.run.engine, ended.answer) == ("Plan a trip.", "crewai", "Take the train.")
    assert found.unpriced == 0


def test_openllmetry_as_langchain_and_crewai_write_it(tmp_path: Path) -> None:
    call = {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-3.5-turbo",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "You are a helpful assistant",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "tell me a joke",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Why did the chicken?",
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.completion.0.tool_calls.0.id": "t1",
        "gen_ai.completion.0.tool_calls.0.name": "laugh",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        "gen_ai.usage.prompt_tokens": 24,
        "gen_ai.usage.completion_tokens": 11,
        "llm.usage.total_tokens": 35,
    }
    workflow = {"traceloop.span.kind": "workflow", "traceloop.entity.name": "jokes", "traceloop.workflow.name": "jokes"}
    agent = {"traceloop.span.kind": "agent", "traceloop.entity.name": "Comedian", "traceloop.workflow.name": "jokes"}
    tool = {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "laugh",
        "traceloop.entity.input": '{"volume": 11}',
        "traceloop.entity.output": "ha",
    }
    spans = [
        span(1, None, "jokes.workflow", 0, 6, attributes=workflow),
        span(2, 1, "Comedian.agent", 0, 5, attributes=agent),
        span(3, 2, "openai.chat", 0, 2, attributes=call),
        span(4, 2, "laugh.tool", 2, 3, attributes=tool),
    ]
    found, events = bring(tmp_path, otlp(spans, "svc", "opentelemetry.instrumentation.langchain"))
    assert found.teams == {"jokes": 1}
    (chat,) = of(Chat, events)
    assert (chat.agent, chat.model, chat.usage.tokens) == ("Comedian", "gpt-3.5-turbo", 35)
    assert (chat.text, chat.tool_calls[0].name) == ("Why did the chicken?", "laugh")
    (laugh,) = of(ToolExecuted, events)
    assert (laugh.tool, laugh.arguments, laugh.result) == ("laugh", {"volume": 11}, "ha")
    assert of(RunStarted, events)[0].request == "tell me a joke"


# --- what is not known ----------------------------------------------------------------------------------------------


def _services(tmp_path: Path) -> Path:
    """A folder of traces of two services that were asked the same two questions."""
    folder = tmp_path / "traces"
    folder.mkdir()
    for service, took in (("one-agent", 2.0), ("crew", 5.0)):
        requests = []
        for trace, question in enumerate(("What is due?", "Who owes?"), 1):
            at = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.input.messages": json.dumps([{"role": "user", "content": question}]),
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
            }
            number = trace + (10 if service == "crew" else 0)
            requests.append(otlp([span(1, None, "chat m", 0, took, attributes=at, trace=number)], service))
        text = "\n".join(map(json.dumps, requests))
        (folder / f"{service}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "notes.txt").write_text("not a trace")
    return folder


def test_teams_of_a_folder_are_compared_and_unknown_success_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _services(tmp_path)
    code, out, _ = cli.said(capsys, "import", folder)
    assert code == 0
    assert "4 runs" in out
    assert "whether 4 of 4 runs succeeded; the price of 4 of 4 model calls" in " ".join(out.split())
    code, out, _ = cli.said(capsys, "verdict", "latest", "--json")
    found = json.loads(out)
    assert code == 0
    assert "Success is unknown" in found["verdict"]
    assert {(t["team"], t["runs"], t["cases"], t["tokens"], t["cost_usd"], t["latency_s"]) for t in found["teams"]} == {
        ("one-agent", 2, 2, 15.0, None, 2.0),
        ("crew", 2, 2, 15.0, None, 5.0),
    }
    assert "unknown" in cli.said(capsys, "verdict", "latest")[1]
    pairs_ = Store().sql("SELECT case_id, count(DISTINCT team) AS teams FROM runs GROUP BY case_id")
    assert [row["teams"] for row in pairs_] == [2, 2]
    for verb in (("list",), ("list", "latest"), ("replay", "latest", 0), ("diff", "latest", 0, 1)):
        assert cli.said(capsys, *verb)[0] == 0, verb
    assert "here already" in cli.said(capsys, "import", folder)[1]
    assert len(list_experiments()) == 1
    for verb in (("verify", "latest"), ("resume", "latest"), ("fork", "latest", 0, "--at", 1)):
        code, _, err = cli.said(capsys, *verb)
        assert code == 2
        assert "can be looked at, not done again" in err


def test_home_and_compare_show_them(tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    def home_page() -> None:
        from ui import home

        home.page()

    def compare_page() -> None:
        from ui import compare

        compare.page()

    data = json.dumps(otlp(genai(), "weather")).encode()
    page = AppTest.from_function(home_page, default_timeout=60).run()
    page.file_uploader(key="shared_file").set_value(("day.json", data, "application/json")).run()
    assert not page.exception
    assert "1 runs" in page.success[0].value
    page = AppTest.from_function(compare_page, default_timeout=60).run()
    assert not page.exception
    assert "Success is unknown" in page.header[0].value


def test_an_evaluation_in_a_trace_counts_and_a_score_alone_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluated(trace: int, **known: Any) -> dict[str, Any]:
        at = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
        event = ("gen_ai.evaluation.result", {f"gen_ai.evaluation.{n}": v for n, v in known.items()})
        return span(1, None, "chat m", 0, 1, attributes=at, events=[event], trace=trace)

    spans = [
        evaluated(1, **{"name": "right", "score.label": "pass", "score.value": 1.0}),
        evaluated(2, **{"name": "right", "score.label": "fail", "score.value": 0.0}),
        evaluated(3, **{"name": "tone", "score.value": 0.7}),
    ]
    found, _ = bring(tmp_path, otlp(spans, "svc"))
    assert found.ungraded == 1
    assert [row.success for row in Store().runs(found.id)] == [True, False, None]
    assert "1 of 3 runs were not graded, and are left out" in cli.said(capsys, "verdict", "latest")[1]


def test_what_failed_is_a_failed_run_without_a_grade(tmp_path: Path) -> None:
    at = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "timeout"}
    found, events = bring(tmp_path, otlp([span(1, None, "chat m", 0, 1, attributes=at, error="timed out")], "svc"))
    (chat,) = of(Chat, events)
    assert (chat.error, chat.usage.errors) == ("timed out", 1)
    row = Store().run(found.id, 0)
    assert (row.status, row.error, row.success) == ("failed", "timed out", None)
    assert of(Evaluated, events) == []


# --- the way back, other forms, bad input ---------------------------------------------------------------------------


def test_our_own_traces_come_back_with_the_same_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "there"))
    conduct(prepare(Plan("billing_support", ("solo", "supervisor"), cases=2, trials=1, workers=1, on="here")))
    (original,) = list_experiments()
    before = {row.run: row for row in Store().runs(original.id)}
    target = tmp_path / "traces.jsonl"
    telemetry.write(original.id, target, content=True)
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "here"))
    found = foreign.bring_in(target)
    after = {(row.team, row.case_id): row for row in Store().runs(found.id)}
    assert len(after) == len(before) == 4
    for row in before.values():
        other = after[row.team, row.case_id]
        for name in (
            "success",
            "score",
            "tokens",
            "cost_nano_usd",
            "calls",
            "messages",
            "answer",
            "simulated",
            "status",
        ):
            assert getattr(other, name) == getattr(row, name), name
        assert other.latency_s == pytest.approx(row.latency_s, abs=1e-3)


def test_protobuf_is_read_too(tmp_path: Path) -> None:
    import base64

    from google.protobuf import json_format
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    data = otlp(genai(), "weather")
    for one in data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in one:
                one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    (tmp_path / "t.pb").write_bytes(json_format.ParseDict(data, TracesData()).SerializeToString())
    _, of_json = bring(tmp_path, data)
    events = [r.event for r in Store().events(list_experiments()[0].id, 0)]
    assert events == of_json
    assert foreign.bring_in(tmp_path / "t.pb").already


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not valid JSON"),
        (b'{"resourceSpans": []}\n{"resourceSpans": 7}', "t.json:2: is no OTLP trace"),
        (b'{"resourceSpans": []}\n{"resourceSpans', "t.json:2: not valid JSON"),
        (b'{"spans": []}', "no list `resourceSpans`"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}', "a span is not as OTLP has it"),
        (b'{"resourceSpans": []}', "no span in it says anything"),
        (b"hello", "neither OTLP in JSON nor in protobuf"),
        (b"", "neither OTLP in JSON nor in protobuf"),
        (b"\x1f\x8bxx", "is damaged, or not a gzip"),
    ],
)
def test_bad_input_is_told(tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.json").write_bytes(content)
    code, out, err = cli.said(capsys, "import", tmp_path / "t.json")
    assert (code, out) == (2, "")
    assert said in err
    assert list_experiments() == []


def test_a_folder_without_traces_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no traces in this folder"):
        foreign.bring_in(tmp_path)


def test_odd_spans_do_not_stop_the_rest(tmp_path: Path) -> None:
    """A parent that is not there, a span that is its own ancestor, values of other types than the conventions say."""
    at: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": "many",
        "gen_ai.input.messages": "{not json",
        "gen_ai.output.messages": "[1, 2]",
    }
    spans = [
        span(1, 99, "chat m", 0, 1, attributes=at),
        span(2, 3, "a", 0, 1, attributes=at),
        span(3, 2, "b", 0, 1, attributes=at),
    ]
    found, events = bring(tmp_path, otlp(spans))
    assert found.runs == 1
    assert of(RunFinished, events)


_NAMES = [
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.agent.name",
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.usage.input_tokens",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.response.finish_reasons",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.0.tool_calls",
    "gen_ai.completion.0.tool_calls.0.name",
    "gen_ai.completion.0",
    "openinference.span.kind",
    "input.value",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "llm.input_messages.0.message.tool_calls.0.tool_call",
    "llm.input_messages.1.message",
    "llm.cost.total",
    "retrieval.documents.0.document.score",
    "retrieval.documents.0",
    "traceloop.span.kind",
    "traceloop.entity.output",
    "gen_ai.evaluation.score.label",
    "message",
    "content",
    "from",
    "to",
]
_WORDS = st.sampled_from(
    [
        "chat",
        "execute_tool",
        "invoke_agent",
        "LLM",
        "TOOL",
        "RETRIEVER",
        "agent",
        "user",
        "text",
        "tool_call",
        "{",
        "[1]",
    ]
)
_KEYS = ["role", "parts", "type", "content", "text", "id", "tool_calls", "function", "arguments", "message", "contents"]
_NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | _WORDS
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=8,
)
_VALUES = _ANY | _ANY.map(json.dumps)
_ATTRIBUTES = st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=8)
_EVENTS = ["gen_ai.user.message", "gen_ai.choice", "headcount.message", "gen_ai.evaluation.result"]
_EVENT = st.builds(SpanEvent, st.sampled_from(_EVENTS), st.integers(0, 2**62), _ATTRIBUTES)
_SPAN = st.builds(
    Span,
    st.just("a" * 32),
    st.sampled_from("bcd"),
    st.sampled_from(["b", "c", "d", ""]),
    st.text(max_size=5),
    st.just("internal"),
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    _ATTRIBUTES,
    st.lists(_EVENT, max_size=2).map(tuple),
)


@given(st.lists(_SPAN, min_size=1, max_size=4))
def test_whatever_stands_in_attributes_a_trace_can_be_read(spans: list[Span]) -> None:
    for trace in runs(spans, "x"):
        records = trace.records(0, 0)
        assert isinstance(records[0].event, RunStarted)
        assert isinstance(records[-1].event, RunFinished)
        assert [journal.decode(msgspec.json.encode(record)) for record in records] == records
