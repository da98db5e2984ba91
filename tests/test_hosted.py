"""Real models over HTTP, against a stand-in server on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from typing import Any

import pytest
from standin import Cut, Fault, Good, Hang, Raw, Standin, Step, call, text

from agents.models.hosted import Hosted
from agents.models.model import Reply, Request
from traces.errors import InputError, ModelError
from traces.kernel import ChatMessage, ToolCall

TOOL = {
    "type": "function",
    "function": {
        "name": "find_invoice",
        "description": "Finds an invoice.",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    },
}
SCHEMA = {
    "title": "Bid",
    "type": "object",
    "properties": {"price": {"type": "integer"}},
    "required": ["price"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE")) or name.startswith("HEADCOUNT_"):
            monkeypatch.delenv(name)


def ask(content: str = "hi", **fields: Any) -> Request:
    return Request("agent", (ChatMessage("system", "Be brief."), ChatMessage("user", content)), **fields)


def chat(
    script: list[Step], request: Request | None = None, name: str = "openai/standin", **options: Any
) -> tuple[Reply, Standin]:
    with Standin(script) as server:
        model = Hosted.named(name, api_base=server.url, **options)
        return asyncio.run(model.chat(request or ask())), server


def failure(script: list[Step], name: str = "openai/standin", **options: Any) -> tuple[str, Standin]:
    with Standin(script) as server:
        model = Hosted.named(name, api_base=server.url, **{"retries": 0, **options})
        with pytest.raises(ModelError) as caught:
            asyncio.run(model.chat(ask()))
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    return message, server


# --- what is sent, what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_plain_reply_has_text_usage_and_an_unknown_price(name: str) -> None:
    reply, server = chat([text("hello")], name=name)
    assert (reply.text, reply.model, reply.finish_reason, reply.tool_calls) == ("hello", name, "stop", ())
    used = reply.usage
    assert (used.input_tokens, used.output_tokens, used.cached_tokens, used.calls) == (100, 20, 40, 1)
    assert used.cost_nano_usd is None
    assert used.latency_s > 0
    assert server.requests[0]["model"] == "standin"
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_a_tool_call_keeps_its_arguments_as_text_and_the_conversation_goes_on() -> None:
    arguments = '{"number":  "INV-7"}'
    reply, server = chat([call("find_invoice", arguments)], ask(tools=(TOOL,)))
    assert reply.tool_calls == (ToolCall("call_0", "find_invoice", arguments),)
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert server.requests[0]["tools"] == [TOOL]

    history = (
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "", tool_calls=reply.tool_calls),
        ChatMessage("tool", "unpaid", tool_call_id="call_0", trusted=False),
    )
    _, server = chat([text("done")], Request("agent", history, tools=(TOOL,)))
    sent = server.requests[0]["messages"]
    assert sent[1]["tool_calls"][0]["function"] == {"name": "find_invoice", "arguments": arguments}
    assert (sent[2]["role"], sent[2]["tool_call_id"], sent[2]["content"]) == ("tool", "call_0", "unpaid")
    assert "trusted" not in sent[2]


def test_broken_arguments_of_a_tool_call_are_passed_on_for_repair() -> None:
    reply, _ = chat([call("find_invoice", '{"number": ')], ask(tools=(TOOL,)))
    assert reply.tool_calls[0].arguments == '{"number": '


def test_a_schema_is_sent_as_response_format() -> None:
    reply, server = chat([text('{"price": 7}')], ask(schema=SCHEMA, max_tokens=50))
    assert json.loads(reply.text) == {"price": 7}
    sent = server.requests[0]
    assert sent["response_format"]["json_schema"] == {"name": "Bid", "schema": SCHEMA, "strict": True}
    assert sent["max_tokens"] == 50


def test_a_schema_with_optional_members_is_not_called_strict() -> None:
    _, server = chat([text("{}")], ask(schema={**SCHEMA, "required": []}))
    assert server.requests[0]["response_format"]["json_schema"]["strict"] is False


def test_a_server_that_does_not_take_schemas_gets_it_in_the_prompt_from_then_on() -> None:
    refuses = Fault(400, "response_format is not supported")
    with Standin([refuses, text('{"price": 7}')]) as server:
        model = Hosted.named("openai/standin", api_base=server.url)

        async def twice() -> tuple[Reply, Reply]:
            return await model.chat(ask(schema=SCHEMA)), await model.chat(ask(schema=SCHEMA))

        first, second = asyncio.run(twice())
    assert first.text == second.text == '{"price": 7}'
    assert len(server.requests) == 3
    for sent in server.requests[1:]:
        assert "response_format" not in sent
        assert '"price"' in sent["messages"][-1]["content"]


def test_an_empty_reply_is_an_empty_text() -> None:
    reply, _ = chat([Good(content=None)])
    assert (reply.text, reply.tool_calls) == ("", ())


def test_one_model_serves_many_calls_at_once_and_one_event_loop_after_another() -> None:
    with Standin([text("hello")]) as server:
        model = Hosted.named("openai/standin", api_base=server.url)

        async def many() -> list[Reply]:
            return await asyncio.gather(*(model.chat(ask(str(n))) for n in range(8)))

        for _ in range(3):
            assert [reply.text for reply in asyncio.run(many())] == ["hello"] * 8
    assert len(server.requests) == 24


# --- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_rate_limit_that_passes_is_retried(name: str) -> None:
    limited = Fault(429, headers=(("Retry-After", "0.01"),))
    reply, server = chat([limited, text("hello")], name=name)
    assert reply.text == "hello"
    assert len(server.requests) == 2


def test_a_rate_limit_that_stays_ends_after_the_retries() -> None:
    message, server = failure([Fault(429)], retries=1)
    assert "limits the rate of calls (tried 2 times)" in message
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            Fault(500, "out of memory"),
            "failed. Try again later, or look into the server's log. It said: out of memory",
        ),
        (Fault(503, "loading"), "failed. Try again later"),
        (Fault(404, "no model standin"), "does not have this model. Check the name. It said: no model standin"),
        (Fault(400, "max_tokens is too large"), "rejected the request. It said: max_tokens is too large"),
        (
            Fault(400, "This model's maximum context length is 10 tokens, you sent 20", "context_length_exceeded"),
            "longer than its context window",
        ),
        (Raw(b'{"choices": ['), r"sent what is not JSON: .*, which is not a chat completion\.$"),
        (Raw(b'{"choices": []}'), "sent a reply without choices"),
        (Raw(b'"hello"'), 'sent JSON that is not a chat completion: "hello"'),
        (Raw(b""), "sent an empty reply"),
        (
            Raw(b"<html><title>502 Bad Gateway</title></html>"),
            r"sent a web page \(502 Bad Gateway\) instead .* Does the address",
        ),
        (Raw(b'{"detail": "Not Found"}'), "sent a reply without choices; it says: Not Found"),
        (Raw(b'{"error": {"message": "model is loading", "code": 503}}'), "overloaded.* It said: model is loading"),
        (Raw(b'{"choices": ' + b"[" * 20_000), "nested more than 100 deep"),
        (Raw(b'{"choices": "' + b"x" * 6_000_000 + b'"}'), "sent a reply of more than 4,000,000 bytes"),
        (Cut(), "no connection to .*, or it was cut"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_fault_becomes_one_sentence(step: Step, says: str, name: str) -> None:
    message, server = failure([step], name)
    assert re.search(says, message)
    assert 1 <= len(server.requests) <= 2


@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_refused_key_is_named_but_never_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "topsecret-0123456789"
    monkeypatch.setenv("HEADCOUNT_API_KEY", secret)
    message, server = failure([Fault(401, f"Incorrect API key provided: {secret}")], name, retries=2)
    assert "refused the key. Check HEADCOUNT_API_KEY" in message
    assert secret not in message
    assert server.keys == [f"Bearer {secret}"]


def test_a_key_in_a_servers_words_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_API_KEY", "topsecret-0123456789")
    message, _ = failure([Fault(400, "bad header topsecret-0123456789 and sk-abcdefghijklmnop")])
    assert "topsecret" not in message
    assert "abcdefgh" not in message
    assert "bad header [withheld: secret]" in message


@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_server_that_hangs_is_given_up(name: str) -> None:
    message, _ = failure([Hang()], name, timeout_s=0.2)
    assert "within 0.2 s" in message


@pytest.mark.parametrize("name", ["openai/standin", "hosted_vllm/standin"])
def test_a_dead_server_is_said_to_be_dead(name: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match=f"no connection to {base}, or it was cut. Is the server running"):
            asyncio.run(Hosted.named(name, api_base=base, retries=0).chat(ask()))


# --- names, keys, addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nonsense", "nonsense/model", ""])
def test_a_name_without_a_provider_is_refused(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"no such provider. Write PROVIDER/MODEL"):
        Hosted.named(name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai/gpt-4o-mini", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
    ],
)
def test_a_missing_key_is_named(name: str, variable: str) -> None:
    with pytest.raises(ModelError, match=f"no key. Set .*{variable}"):
        Hosted.named(name)


def test_a_gpu_server_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"Give --api-base .* or set HEADCOUNT_API_BASE"):
        Hosted.named("hosted_vllm/some-model")
    with Standin([text("hello")]) as server:
        monkeypatch.setenv("HEADCOUNT_API_BASE", server.url)
        assert asyncio.run(Hosted.named("hosted_vllm/some-model").chat(ask())).text == "hello"
        assert asyncio.run(Hosted.named("openai/some-model").chat(ask())).text == "hello"


def test_the_address_of_the_own_server_does_not_catch_a_providers_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_API_BASE", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none-such")
    assert Hosted.named("openai/gpt-4o-mini").card.runs == "hosted by openai"


def test_a_providers_key_is_not_sent_to_an_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai-alone")
    _, server = chat([text("hello")])
    assert server.keys == ["Bearer none"]


# --- cards and prices -------------------------------------------------------------------------------------------


def test_a_hosted_model_is_priced_by_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with Standin([text("hello")]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none-such")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        model = Hosted.named("openai/gpt-4o-mini")
        card = model.card
        assert (card.simulated, card.tool_calls, card.context_window) == (False, True, 128_000)
        assert card.price.input == pytest.approx(0.15)
        assert card.price.output == pytest.approx(0.60)
        used = asyncio.run(model.chat(ask())).usage
    # 60 new input tokens, 40 cached ones at half the price, 20 output tokens
    assert used.cost_nano_usd == 60 * 150 + 40 * 75 + 20 * 600


def test_a_price_of_zero_in_the_table_is_an_unknown_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPLEXITYAI_API_KEY", "none-such")
    assert Hosted.named("perplexity/pplx-7b-online").card.price.input is None


def test_an_own_server_can_be_described_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_TOOL_CALLS", "no")
    monkeypatch.setenv("HEADCOUNT_PRICES", "0.2, 0.6")
    monkeypatch.setenv("HEADCOUNT_CONTEXT", "32768")
    with Standin([text("hello")]) as server:
        model = Hosted.named("hosted_vllm/some-model", api_base=server.url)
        used = asyncio.run(model.chat(ask())).usage
    assert (model.card.tool_calls, model.card.context_window) == (False, 32768)
    assert used.cost_nano_usd == 100 * 200 + 20 * 600


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HEADCOUNT_TOOL_CALLS", "maybe"), ("HEADCOUNT_PRICES", "cheap"), ("HEADCOUNT_CONTEXT", "-5")],
)
def test_a_wrong_description_is_refused_by_name(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable):
        Hosted.named("hosted_vllm/some-model", api_base="http://127.0.0.1:1/v1")


def test_a_server_that_counts_no_tokens_gives_no_price() -> None:
    reply, _ = chat([Good(usage=None)])
    assert (reply.usage.calls, reply.usage.cost_nano_usd) == (1, None)
