"""Replies in the shapes that users of vLLM, llama.cpp, Ollama, LM Studio, Groq, OpenRouter and gateways report: whole
and streamed, each from a stand-in server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from standin import Fault, Good, Judge, Raw, Standin, Step, text

from agents.models import parts
from agents.models.hosted import Hosted
from agents.models.model import Reply, Request
from tests import cli
from traces.errors import ModelError
from traces.kernel import ChatMessage

FIND = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Finds an invoice.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "string"}, "most": {"type": "integer"}},
            "required": ["number"],
        },
    },
}
FORM = {
    "title": "Bid",
    "type": "object",
    "properties": {"price": {"type": "integer", "minimum": 1}},
    "required": ["price"],
}
CALL = ("find", {"number": "7.50"})


def ask(content: str = "hi", **fields: Any) -> Request:
    return Request("agent", (ChatMessage("system", "Be brief."), ChatMessage("user", content)), **fields)


def chat(step: Step | Sequence[Step], request: Request, **options: Any) -> tuple[Reply, Standin]:
    with Standin([step] if isinstance(step, Good | Fault | Raw | Judge) else list(step)) as server:  # type: ignore[arg-type]
        return asyncio.run(Hosted.named("openai/standin", api_base=server.url, **options).chat(request)), server


def completion(message: Any, finish: Any = "stop", **further: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **further}


def calls_of(reply: Reply) -> list[tuple[str, Any]]:
    return [(made.name, json.loads(made.arguments)) for made in reply.tool_calls]


NAMED = {"name": "find", "arguments": '{"number": "7.50"}'}
WITH_CALL = {
    "protocol": {"tool_calls": [{"id": "a", "type": "function", "function": NAMED}]},
    "arguments as an object": {"tool_calls": [{"id": "a", "function": {**NAMED, "arguments": {"number": "7.50"}}}]},
    "no id, no type": {"content": "", "tool_calls": [{"function": NAMED}]},
    "a number as id": {"tool_calls": [{"id": 0, "type": "function", "function": NAMED}]},
    "one call, not in a list": {"tool_calls": {"id": "a", "function": NAMED}},
    "without the function around it": {"tool_calls": [{"id": "a", **NAMED}]},
    "an old function_call": {"content": None, "function_call": NAMED},
    "arguments encoded twice": {
        "tool_calls": [{"id": "a", "function": {**NAMED, "arguments": json.dumps(NAMED["arguments"])}}]
    },
    "a control token in the name": {
        "tool_calls": [{"id": "a", "function": {**NAMED, "name": "find<|channel|>commentary"}}]
    },
    "a name with a prefix": {"tool_calls": [{"id": "a", "function": {**NAMED, "name": "functions.find:0"}}]},
}
IN_TEXT = {
    "hermes": '<tool_call>\n{"name": "find", "arguments": {"number": "7.50"}}\n</tool_call>',
    "qwen coder": "<tool_call>\n<function=find>\n<parameter=number>\n7.50\n</parameter>\n</function>\n</tool_call>",
    "glm": "<tool_call>find\n<arg_key>number</arg_key>\n<arg_value>7.50</arg_value>\n</tool_call>",
    "mistral list": '[TOOL_CALLS] [{"name": "find", "arguments": {"number": "7.50"}}]',
    "mistral": '[TOOL_CALLS]find[ARGS]{"number": "7.50"}',
    "llama": '<|python_tag|>{"type": "function", "name": "find", "parameters": {"number": "7.50"}}<|eom_id|>',
    "llama function": '<function=find>{"number": "7.50"}</function>',
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.find:0<|tool_call_argument_begin|>"
    '{"number": "7.50"}<|tool_call_end|><|tool_calls_section_end|>',
    "deepseek": "<｜tool▁calls▁begin｜>"
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{"number": "7.50"}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "minimax": '<minimax:tool_call>\n<invoke name="find">\n<parameter name="number">7.50</parameter>\n</invoke>\n'
    "</minimax:tool_call>",
    "gpt-oss": '<|channel|>commentary to=functions.find <|constrain|>json<|message|>{"number": "7.50"}<|call|>',
    "bare": '{"name": "find", "arguments": {"number": "7.50"}}',
    "bare in a fence": "```json\n"
    '{"type": "function", "function": {"name": "find", "parameters": {"number": "7.50"}}}\n```',
}
NO_CALL = {
    "cut off": '<tool_call>\n{"name": "find", "arguments": {"number": "7.5',
    "broken": "<tool_call>\n{'name': 'find', 'arguments': {number: 7.50}}\n</tool_call>",
    "another tool": '<tool_call>\n{"name": "delete_all", "arguments": {}}\n</tool_call>',
    "text behind it": '<tool_call>\n{"name": "find", "arguments": {"number": "1"}}\n</tool_call>\nThat is how.',
    "bare, without arguments": '{"name": "find"}',
    "bare, with more": '{"name": "find", "arguments": {"number": "1"}, "paid": true}',
    "an example": 'Write:\n```\n<tool_call>{"name": "find", "arguments": {"number": "1"}}</tool_call>\n```',
    "repeated without end": "<tool_call>" * 20_000,
    "blanks without end": "<|python_tag|>" + " \n" * 90_000 + "x",
    "pairs without end": "<tool_call>find" + "<arg_key>a</arg_key><arg_value>1</arg_value>" * 60 + "!</tool_call>",
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream asked for"])
@pytest.mark.parametrize("message", WITH_CALL.values(), ids=WITH_CALL.keys())
def test_a_call_is_read_in_the_forms_that_servers_have_for_it(message: dict[str, Any], stream: bool) -> None:
    body = Raw(json.dumps(completion({"role": "assistant", **message})).encode())
    reply, _ = chat(body, ask(tools=(FIND,)), stream=stream)
    assert (calls_of(reply), reply.finish_reason) == ([CALL], "tool_calls")
    assert reply.tool_calls[0].id


@pytest.mark.parametrize("said", IN_TEXT.values(), ids=IN_TEXT.keys())
def test_a_call_that_the_server_left_in_the_text_is_read_there(said: str) -> None:
    reply, _ = chat(text(said), ask(tools=(FIND,)))
    assert (calls_of(reply), reply.text) == ([CALL], "")
    assert chat(text(said), ask())[0].tool_calls == (), "no tool was offered"


@pytest.mark.parametrize("said", NO_CALL.values(), ids=NO_CALL.keys())
def test_what_only_looks_like_a_call_is_none(said: str) -> None:
    assert chat(text(said), ask(tools=(FIND,)))[0].tool_calls == ()


def sse(*deltas: Any, finish: str | None = "stop", further: Sequence[Any] = (), done: bool = True) -> Raw:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}] if finish else []
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks, *further]] + ["data: [DONE]\n\n"] * done
    return Raw("".join([": keep-alive\n\n", *lines]).encode(), content_type="text/event-stream")


def piece(arguments: str, **further: Any) -> dict[str, Any]:
    name = {"name": further.pop("name")} if "name" in further else {}
    return {"tool_calls": [{**further, "function": {**name, "arguments": arguments}}]}


ONE, TWO = ("find", {"number": "1"}), ("find", {"number": "2"})
STREAMED = {
    "protocol": (
        [piece("", index=0, id="a", name="find"), piece('{"number": ', index=0), piece('"1"}', index=0)],
        [ONE],
    ),
    "two under one index": (
        [
            piece('{"number": "1"}', index=0, id="a", name="find"),
            piece('{"number": "2"}', index=0, id="b", name="find"),
        ],
        [ONE, TWO],
    ),
    "two without ids, under one index": (
        [piece('{"number": "1"}', index=0, name="find"), piece('{"number": "2"}', index=0, name="find")],
        [ONE, TWO],
    ),
    "two with the same id": (
        [
            piece('{"number": "1"}', index=0, id="a", name="find"),
            piece('{"number": "2"}', index=1, id="a", name="find"),
        ],
        [ONE, TWO],
    ),
    "no index": (
        [piece('{"number": "1"}', id="a", name="find"), piece('{"number": "2"}', id="b", name="find")],
        [ONE, TWO],
    ),
    "the name with every piece": (
        [piece('{"number": ', index=0, id="a", name="find"), piece('"1"}', index=0, id="a", name="find")],
        [ONE],
    ),
    "the name again at the end, without an id": (
        [piece('{"number": "1"}', index=0, name="find"), piece("", index=0, name="find")],
        [ONE],
    ),
    "an old function_call": (
        [{"function_call": {"name": "find", "arguments": '{"number": '}}, {"function_call": {"arguments": '"1"}'}}],
        [ONE],
    ),
    "arguments as an object": (
        [{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "find", "arguments": {"number": "1"}}}]}],
        [ONE],
    ),
}


@pytest.mark.parametrize("stream", [True, False], ids=["asked for", "not asked for"])
@pytest.mark.parametrize(("deltas", "calls"), STREAMED.values(), ids=STREAMED.keys())
def test_calls_of_a_stream_are_told_apart_whatever_their_index(deltas: Any, calls: Any, stream: bool) -> None:
    reply, _ = chat(sse(*deltas, finish="tool_calls"), ask(tools=(FIND,)), stream=stream)
    assert calls_of(reply) == calls
    assert len({made.id for made in reply.tool_calls}) == len(calls)


USED = {"prompt_tokens": 10, "completion_tokens": 3}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (sse({"content": "hel"}, {"content": "lo"}), "hello"),
        (sse({"content": "hello"}, finish=None), "hello"),
        (sse({"content": "hello"}, {"content": None}, None), "hello"),
        (sse({"content": [{"type": "text", "text": "hel"}]}, {"content": [{"type": "text", "text": "lo"}]}), "hello"),
        (sse({"content": "hello"}, further=[{"choices": [], "usage": USED}, {"choices": None}]), "hello"),
        (sse({"content": "hello"}, done=False), "hello"),
        (Raw(sse({"content": "hello"}).body.replace(b"\n", b"\r\n"), content_type="text/event-stream"), "hello"),
        (Raw(sse({"content": "hello"}).body.replace(b"data: ", b"data:"), content_type="text/event-stream"), "hello"),
        (Raw(sse({"content": "hello"}).body), "hello"),
        (
            Raw(json.dumps({"error": {"message": "", "code": None}, **completion({"content": "hello"})}).encode()),
            "hello",
        ),
        (Raw(json.dumps({"code": 0, "msg": "ok", "data": completion({"content": "hello"})}).encode()), "hello"),
        (Raw(json.dumps(completion({"content": ["hel", {"type": "text", "text": "lo"}]})).encode()), "hello"),
        (Raw(json.dumps({"choices": [{"text": "hello", "finish_reason": "eos_token"}]}).encode()), "hello"),
        (Raw(b'\xef\xbb\xbf{"choices": [{"message": {"content": "hello"}, "logprobs": NaN}]}'), "hello"),
        (
            Raw(b'{"choices": [{"message": {"content": "h\\ud800\\u0000\xff"}}], "usage": {"x": 1e999}}'),
            "h\ufffd\ufffd\ufffd",
        ),
        (Raw(json.dumps(completion("hello")).encode()), "hello"),
    ],
    ids=lambda value: "" if isinstance(value, Raw) else value,
)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_text_is_read_in_the_forms_that_servers_have_for_it(step: Raw, said: str, stream: bool) -> None:
    assert chat(step, ask(), stream=stream)[0].text == said


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    "message",
    [
        {"content": "42", "reasoning_content": "six times seven"},
        {"content": "42", "reasoning": "six times seven", "reasoning_content": None},
        {"content": "42", "thinking": "six times seven"},
        {"content": "<think>six times seven</think>\n\n42"},
        {"content": "six times seven</think>42"},
        {"content": "[THINK]six times seven[/THINK]42"},
        {"content": [{"type": "thinking", "thinking": [{"text": "six times seven"}]}, {"type": "text", "text": "42"}]},
        {
            "content": "<|channel|>analysis<|message|>six times seven<|end|><|start|>assistant<|channel|>final"
            "<|message|>42<|return|>"
        },
    ],
    ids=lambda message: str(message)[:40],
)
def test_reasoning_is_kept_beside_the_reply(message: dict[str, Any], stream: bool) -> None:
    reply, _ = chat(sse(message) if stream else Raw(json.dumps(completion(message)).encode()), ask(), stream=stream)
    assert (reply.text, reply.reasoning) == ("42", "six times seven")


def test_a_form_that_a_server_takes_for_reasoning_is_the_reply() -> None:
    body = completion({"content": None, "reasoning_content": '{"price": 7}'})
    reply, _ = chat(Raw(json.dumps(body).encode()), ask(schema=FORM))
    assert (reply.text, reply.reasoning) == ('{"price": 7}', "")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"error": {"message": "Worker local total request limit reached", "code": 429}}, "limits the rate of calls"),
        ({"error": "Unexpected endpoint or method. (POST /chat)"}, "no chat completions at this address"),
        ({"object": "error", "message": "out of memory", "code": 500}, "It said: out of memory"),
        ({"type": "error", "message": "overloaded"}, "It said: .*overloaded"),
        ({"code": 1004, "data": None, "base_resp": {"status_msg": "login fail"}}, "it says: login fail"),
        ({"msg": "no balance", "choices": None}, "it says: no balance"),
    ],
)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_failure_that_comes_with_status_200_is_told_in_the_servers_words(body: Any, says: str, stream: bool) -> None:
    step = Raw(b"data: %s\n\n" % json.dumps(body).encode(), content_type="text/event-stream") if stream else None
    with pytest.raises(ModelError, match=says):
        chat(step or Raw(json.dumps(body).encode()), ask(), stream=stream, retries=0)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Raw(b'{"detail": "Not Found"}', 404), "no chat completions at this address. An address usually ends in /v1"),
        (Raw(b"404 page not found", 404, "text/plain"), "no chat completions at this address"),
        (Raw(b'{"detail": "Method Not Allowed"}', 405), "no chat completions at this address"),
        (
            Raw(b'{"error": {"message": "model \'x\' not found, try pulling it first"}}', 404),
            "does not have this model",
        ),
        (
            Raw(b"<html><h1>413 Request Entity Too Large</h1></html>", 413, "text/html"),
            "longer than its context window",
        ),
        (Raw(b"error code: 524", 524, "text/plain"), "its model did not answer in time. .* It said: error code: 524"),
        (Raw(b'{"error": {"message": "upstream timed out", "code": 504}}'), "It said: upstream timed out"),
        (Raw(b'{"error": {"message": "too \\ud800 hot", "left": NaN}}', 400), "It said: too \ufffd hot$"),
        (
            Fault(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
            "takes? tools",
        ),
        (
            Fault(400, "The response was filtered due to the prompt triggering content management policy"),
            "content policy",
        ),
        (Fault(400, "temperature must be between 0 and 1"), "It said: temperature must be between 0 and 1 .Settings"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_is_told_as_what_it_is(step: Step, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        chat([step], ask(), retries=0)
    assert "is the address right" not in str(caught.value)


DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000
UNUSUAL = {
    "arguments 20,000 deep": {
        "tool_calls": [{"id": "a", "type": "function", "function": {**NAMED, "arguments": DEEP}}]
    },
    "a sound without an end": {"content": "hello", "audio": {"id": "x", "data": "AA"}},
    "pictures and notes": {"content": "hello", "annotations": [{"type": "url"}], "images": [{"x": 1}]},
    "blocks": {"content": "hello", "thinking_blocks": [{"type": "thinking"}], "provider_specific_fields": [1]},
    "log probabilities": {"content": "hello", "logprobs": {"content": [{"token": 7}]}},
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("message", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_else_is_in_a_message_fails_no_call(message: dict[str, Any], stream: bool) -> None:
    body = completion({"role": "assistant", "content": None, **message}, usage={**USED, "total_tokens": 13})
    reply, _ = chat(sse(message) if stream else Raw(json.dumps(body).encode()), ask(tools=(FIND,)), stream=stream)
    assert (reply.text, len(reply.tool_calls)) == ((message.get("content") or ""), len(message.get("tool_calls", ())))
    assert all(len(call.arguments) < 1000 and not parts.is_object(call.arguments) for call in reply.tool_calls)


def test_a_form_that_comes_as_an_object_is_read() -> None:
    reply, _ = chat(
        Raw(json.dumps(completion({"role": "assistant", "content": {"price": 7}})).encode()), ask(schema=FORM)
    )
    assert json.loads(reply.text) == {"price": 7}


def test_a_model_that_repeats_itself_in_a_stream_has_replied() -> None:
    reply, _ = chat(sse(*[{"content": "no "}] * 300, finish="length"), ask(), stream=True)
    assert (reply.text, reply.finish_reason) == ("no " * 300, "length")


def test_a_count_that_is_far_too_small_for_the_prompt_is_not_taken() -> None:
    reply, _ = chat(Good(usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}), ask("word " * 2000))
    assert reply.usage.origin == "estimated"
    assert reply.usage.input_tokens > 1500


@pytest.mark.parametrize("said", [DEEP, "[" * 20_000 + "]" * 20_000], ids=["objects", "lists"])
def test_what_is_20_000_deep_costs_its_run_and_no_later_look_at_it(
    said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Standin([text(said)]) as server:
        options = (
            "--teams",
            "solo,supervisor",
            "--cases",
            1,
            "--trials",
            1,
            "--max-calls",
            4,
            "--on",
            "here",
            "--json",
        )
        model = ("--model", "hosted_vllm/standin", "--api-base", server.url)
        cli.said(capsys, "compare", "billing_support", *model, *options)
    for verb in (("verdict", "latest"), ("autopsy", "latest"), ("report", "latest", "--into", tmp_path / "r.html")):
        code, _, err = cli.said(capsys, *verb)
        assert (code in (0, 4), err.count("\n") <= 1) == (True, True), err
