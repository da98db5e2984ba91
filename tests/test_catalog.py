"""models.yaml: servers behind a name, limits, fallbacks, prices, cards; and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from agents.models import catalog, table
from agents.models.model import Price, Reply, Request
from agents.models.places import Limits, Places
from experiments.forks.fork import ForkPlan, prepared
from experiments.forks.verify import verify
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.standin import Fault, Good, Standin, call, text
from tests.trials import conducted
from traces.clock import run
from traces.errors import HeadcountError, ModelError, ScenarioError
from traces.home import ExperimentFolder
from traces.kernel import Chat, ChatMessage, Event, Noted, RunFinished
from traces.store import Store


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE")):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def _write(content: str) -> None:
        (tmp_path / "models.yaml").write_text(textwrap.dedent(content))
        monkeypatch.setenv(catalog.VARIABLE, str(tmp_path / "models.yaml"))

    return _write


def ask(content: str = "hi") -> Request:
    return Request("agent", (ChatMessage("user", content),))


def chat(name: str, times: int = 1) -> list[Reply]:
    model = table.resolve(name)(None, 0, 0)

    async def main() -> list[Reply]:
        return [await model.chat(ask()) for _ in range(times)]

    return asyncio.run(main())


def test_a_name_has_its_server_key_card_and_price(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("OUR_KEY", "kept-to-ourselves")
    with Standin([text("hello")]) as server:
        write(f"""
            models:
              ours:
                litellm: hosted_vllm/Qwen/Qwen2.5-7B-Instruct
                servers: [{server.url}]
                key: OUR_KEY
                tier: small
                extra: {{temperature: 0}}
                card:
                  context_window: 32768
                  parameters: 7.6e9
                  training_tokens: 18e12
                  alignment: preference
                  residency: EU
                  kv_cache: {{layers: 28, kv_heads: 4, head_dim: 128}}
                  price: {{input: 0.1, output: 0.4}}
        """)
        (reply,) = chat("ours")
    assert (reply.model, reply.text, reply.server) == ("ours", "hello", server.url)
    assert reply.usage.cost_nano_usd == 100 * 100 + 20 * 400
    assert server.keys == ["Bearer kept-to-ourselves"]
    assert (server.requests[0]["model"], server.requests[0]["temperature"]) == ("Qwen/Qwen2.5-7B-Instruct", 0)
    card = table.resolve("ours")(None, 0, 0).card
    assert (card.context_window, card.parameters, card.training_tokens) == (32768, 7.6e9, 18e12)
    assert (card.alignment, card.residency, card.tier, card.kv_bytes) == ("preference", "EU", "small", 57344)
    assert card.price == Price(0.1, 0.4)


def test_several_servers_share_the_calls(write) -> None:  # type: ignore[no-untyped-def]
    with Standin() as one, Standin() as two:
        write(f"models: {{pair: {{litellm: openai/standin, servers: [{one.url}, {two.url}]}}}}")
        served = Counter(reply.server for reply in chat("pair", 40))
    assert set(served) == {one.url, two.url}
    assert (len(one.requests), len(two.requests)) == (served[one.url], served[two.url])


def test_a_server_that_dies_in_an_experiment_costs_no_run(write) -> None:  # type: ignore[no-untyped-def]
    with Standin() as one, Standin(dies_after=5) as dying:
        write(f"models: {{pair: {{litellm: openai/standin, servers: [{one.url}, {dying.url}], at_once: 4}}}}")
        folder = prepare(Plan("market_brief", ("pipeline",), model="pair", cases=12, trials=1))
        progress = conduct(folder)
    assert [outcome.status for outcome in progress.outcomes] == ["completed"] * 12
    chats = [r.event for run in range(12) for r in Store().events(folder.id, run) if isinstance(r.event, Chat)]
    assert not [chat.error for chat in chats if chat.error]
    assert Counter(chat.server for chat in chats)[dying.url] == 5
    assert sum(chat.usage.retries for chat in chats) > 0


def test_what_fails_for_good_goes_to_the_fallback_as_an_event(write) -> None:  # type: ignore[no-untyped-def]
    with Standin([Fault(401, "no")]) as bad, Standin() as good:
        write(f"""
            models:
              first: {{litellm: openai/standin, servers: [{bad.url}], fallbacks: [second]}}
              second: {{litellm: openai/standin, servers: [{good.url}]}}
        """)
        folder = prepare(Plan("market_brief", ("pipeline",), model="first", cases=1, trials=1))
        (outcome,) = conduct(folder).outcomes
    assert outcome.status == "completed"
    events = [r.event for r in Store().events(folder.id, 0)]
    assert any(isinstance(e, Noted) and e.kind == "fallback" and "second takes the call" in e.text for e in events)
    assert {e.model for e in events if isinstance(e, Chat) and not e.error} == {"second"}
    assert all("refused the key" in e.error for e in events if isinstance(e, Chat) and e.model == "first")


def test_another_model_in_a_fork_brings_its_own_fallbacks_and_leaves_the_old_ones(write) -> None:  # type: ignore[no-untyped-def]
    with Standin([Fault(401, "no")]) as bad, Standin() as good, Standin() as other:
        write(f"""
            models:
              first: {{litellm: openai/standin, servers: [{bad.url}], fallbacks: [second]}}
              second: {{litellm: openai/standin, servers: [{good.url}]}}
              third: {{litellm: openai/standin, servers: [{bad.url}], fallbacks: [fourth]}}
              fourth: {{litellm: openai/standin, servers: [{other.url}]}}
              alone: {{litellm: openai/standin, servers: [{bad.url}]}}
        """)
        parent = prepare(Plan("market_brief", ("pipeline",), model="first", cases=1, trials=1))
        past, asked = _events(parent), len(good.requests)
        (*_, step) = (seq for seq, event in enumerate(past) if isinstance(event, Chat) and event.model == "first")
        forks = [prepared(ForkPlan(parent.id, 0, step, {"model": name})) for name in ("third", "alone")]
        third, alone = map(_events, forks)
        assert len(good.requests) == asked
    ends = [events[-1] for events in (third, alone)]
    assert [end.status for end in ends if isinstance(end, RunFinished)] == ["completed", "failed"]
    assert third[1:step] == alone[1:step] == past[1:step]
    assert {e.model for e in third[step:] if isinstance(e, Chat)} == {"third", "fourth"}
    assert [e.text.partition(" failed")[0] for e in third[step:] if isinstance(e, Noted)] == ["third"]
    assert {e.model for e in alone[step:] if isinstance(e, Chat)} == {"alone"}
    assert all(one.same for fork in forks for one in verify(fork))


def _events(folder: ExperimentFolder) -> list[Event]:
    """Of its run, which is done now."""
    return [record.event for record in conducted(folder)[0]]


def test_a_streamed_reply_is_whole_and_its_first_token_timed(write) -> None:  # type: ignore[no-untyped-def]
    calls = Good(content=None, tool_calls=(("search", '{"query": "rent"}'),), finish_reason="tool_calls")
    with Standin([text("hello there"), calls]) as server:
        write(f"models: {{flow: {{litellm: openai/standin, servers: [{server.url}], stream: true}}}}")
        first, second = chat("flow", 2)
    assert (first.text, first.usage.input_tokens, first.usage.output_tokens) == ("hello there", 100, 20)
    assert 0 < first.usage.first_token_s <= first.usage.latency_s
    assert [(c.name, c.arguments) for c in second.tool_calls] == [("search", '{"query": "rent"}')]
    assert second.finish_reason == "tool_calls"


def test_kept_replies_answer_the_same_trial_without_a_call(write) -> None:  # type: ignore[no-untyped-def]
    with Standin() as server:
        write(f"models: {{thrifty: {{litellm: openai/standin, servers: [{server.url}], cache: true}}}}")
        plan = Plan("market_brief", ("solo",), model="thrifty", cases=2, trials=2)
        conduct(prepare(plan))
        asked = len(server.requests)
        folder = prepare(plan)
        conduct(folder)
    assert asked > 0
    assert len(server.requests) == asked
    notes = [r.event for r in Store().events(folder.id, 0) if isinstance(r.event, Noted)]
    assert any(note.kind == "cache_hit" for note in notes)


def test_calls_wait_for_a_place_and_say_how_long() -> None:
    """Two places, four calls of a second each, on the virtual clock."""

    async def main() -> list[float]:
        places = Places(Limits(at_once=2))

        async def one() -> float:
            async with places.place(1) as place:
                await asyncio.sleep(1)
            return place.queue_s

        return await asyncio.gather(*(one() for _ in range(4)))

    assert sorted(run(main(), virtual=True)) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [(Limits(requests_per_minute=60), 9), (Limits(requests_per_minute=6), 90), (Limits(tokens_per_minute=6000), 9)],
)
def test_rates_are_held(limits: Limits, seconds: float) -> None:
    """Ten calls of 100 tokens each."""

    async def main() -> float:
        places = Places(limits)

        async def one() -> None:
            async with places.place(100):
                pass

        await asyncio.gather(*(one() for _ in range(10)))
        return asyncio.get_running_loop().time()

    assert run(main(), virtual=True) == pytest.approx(seconds, rel=0.02)


@pytest.mark.parametrize("tokens", [100, 5000])
def test_calls_of_any_size_count_in_full_and_come_in_their_order(tokens: int) -> None:
    """A call that is larger than a second's worth of the limit holds those behind it back for as long."""

    async def main() -> list[tuple[float, str]]:
        places, entered = Places(Limits(tokens_per_minute=6000)), []

        async def one(name: str, size: int) -> None:
            async with places.place(size):
                entered.append((asyncio.get_running_loop().time(), name))

        await asyncio.gather(one("first", tokens), one("large", tokens), one("small", 1))
        return entered

    (first, a), (large, b), (small, c) = run(main(), virtual=True)
    assert (a, b, c) == ("first", "large", "small")
    assert (first, large) == (0, pytest.approx(tokens / 100))
    assert small >= large + (tokens - 100) / 100


def test_the_servers_busy_time_is_shared_out_whole() -> None:
    """One call of 10 s, another during its last 4: the servers are busy for 10 s, 8 of them the first's."""

    async def main() -> tuple[float, float]:
        places = Places(Limits())

        async def one(wait: float, work: float) -> float:
            await asyncio.sleep(wait)
            async with places.place(1) as place:
                await asyncio.sleep(work)
            return place.busy_s

        first, second = await asyncio.gather(one(5, 10), one(11, 4))
        return first, second

    assert run(main(), virtual=True) == (pytest.approx(8), pytest.approx(2))


def test_a_gpu_hour_is_a_price(write) -> None:  # type: ignore[no-untyped-def]
    with Standin() as server:
        price = "{price: {gpu_hour: 3600}}"
        write(f"models: {{gpu: {{litellm: openai/standin, servers: [{server.url}], card: {price}}}}}")
        (reply,) = chat("gpu")
    assert reply.usage.cost_usd == pytest.approx(reply.usage.latency_s, rel=0.2)


def test_a_prompt_that_cannot_fit_is_not_sent(write) -> None:  # type: ignore[no-untyped-def]
    with Standin() as server:
        write(f"models: {{tiny: {{litellm: openai/standin, servers: [{server.url}], card: {{context_window: 50}}}}}}")
        folder = prepare(Plan("market_brief", ("solo",), model="tiny", cases=1, trials=1))
        conduct(folder)
    assert server.requests == []
    (chat,) = [r.event for r in Store().events(folder.id, 0) if isinstance(r.event, Chat)]
    assert "longer than its context window of 50; it was not sent" in chat.error
    assert chat.window == 50


def test_a_conversation_that_outgrows_the_window_is_shortened_before_it_is_sent(write) -> None:  # type: ignore[no-untyped-def]
    queries = ["battery storage", "Nordmark", "price list", "regulator notice", "analyst note", "press release"]
    script = [call("search", json.dumps({"query": query})) for query in queries]
    with Standin([*script, text("Not found.")]) as server:
        write(
            f"models: {{narrow: {{litellm: openai/standin, servers: [{server.url}], card: {{context_window: 4000}}}}}}"
        )
        folder = prepare(Plan("market_brief", ("solo",), model="narrow", cases=1, trials=1, workers=1, on="here"))
        conduct(folder)
    events = [r.event for r in Store().events(folder.id, 0)]
    assert [e.text for e in events if isinstance(e, Noted) and e.kind == "context_cut"]
    assert not [e.error for e in events if isinstance(e, Chat) and e.error]
    sent = [request["messages"] for request in server.requests]
    assert max(sum(len(m.get("content") or "") for m in messages) for messages in sent) < 4 * 4000
    assert len(sent) > len(queries)
    assert all([m["role"] for m in messages[:2]] == ["system", "user"] for messages in sent)
    assert all(messages[:2] == sent[0][:2] for messages in sent)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("models: {a: {}}", "either litellm .* or gguf"),
        ("models: {a: {litellm: openai/x, gguf: /x.gguf}}", "either litellm .* or gguf"),
        ("models: {a: {litellm: openai/x, servers: [10.0.0.5:8000]}}", "starts with http"),
        ("models: {a: {litellm: openai/x, key: sk-123}}", "models.a.key"),
        ("models: {a: {litellm: openai/x, fallbacks: [b]}}", "no model 'b' here"),
        ("models: {local: {litellm: openai/x}}", "is not sim or local"),
        ("models: {a: {litellm: openai/x, card: {cutoff: last year}}}", "models.a.card.cutoff"),
        ("models: {a: {gguf: model.gguf}}", "the whole path"),
        ("models: {a: {litellm: openai/x, speed: 3}}", "models.a.speed"),
    ],
)
def test_a_mistake_names_its_line_and_field(write, content: str, says: str) -> None:  # type: ignore[no-untyped-def]
    write(content)
    with pytest.raises(ScenarioError, match=f"models.yaml:1: .*{says}"):
        table.resolve("a")


def test_a_missing_key_or_file_is_named(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    write("models: {a: {litellm: openai/x, key: NO_SUCH_KEY}}")
    with pytest.raises(ModelError, match="Set NO_SUCH_KEY"):
        table.resolve("a")
    monkeypatch.setenv(catalog.VARIABLE, "nowhere.yaml")
    with pytest.raises(HeadcountError, match=r"there is no file nowhere.yaml"):
        table.resolve("a")


def test_doctor_and_the_list_show_each_name(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from experiments import doctor, modelcards

    with Standin() as server:
        write(f"""
            models:
              up:
                litellm: openai/standin
                servers: [{server.url}, "http://127.0.0.1:1/v1"]
                card: {{cutoff: 2024-06}}
              down: {{litellm: openai/standin, servers: ["http://127.0.0.1:1/v1"]}}
              keyless: {{litellm: openai/gpt-4o-mini, key: NO_SUCH_KEY}}
        """)
        found = {one.name: one for one in doctor.models()}
    assert found["model up"].state == "ok"
    assert f"{server.url} answers" in found["model up"].detail
    assert "no connection" in found["model up"].detail
    assert found["model down"].state == "off"
    assert "NO_SUCH_KEY" in found["model keyless"].detail
    rows = {row["model"]: row for row in map(modelcards.row, modelcards.offered())}
    assert rows["up"]["cutoff"] == "2024-06"
    assert rows["sim:small"]["parameters"] == "8e+09"
    assert "Set NO_SUCH_KEY" in rows["keyless"]["what"]
