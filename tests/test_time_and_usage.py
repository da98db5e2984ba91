"""Time limits of calls and runs while something is under way, and where counts of tokens come from."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from cli import said
from hypothesis import given
from hypothesis import strategies as st
from standin import Drip, Good, Hang, Standin, Step
from trials import do, events

from agents.models import counting
from agents.models.hosted import Hosted
from agents.models.model import Card, Reply, Request, before_sending
from agents.models.wrappers import Meter, Metered, Recorded
from experiments.forks.verify import verify
from experiments.plan import Plan
from experiments.running import totals
from traces import clock
from traces.errors import LimitReached, ModelError
from traces.home import find_experiment
from traces.kernel import (
    CANCELLED,
    STOPPED,
    Budget,
    Chat,
    ChatMessage,
    Evaluated,
    Event,
    LimitHit,
    Noted,
    RunFinished,
    Usage,
)
from traces.prompts import PromptDelta
from traces.store import Store

ASKED = Request("a", (ChatMessage("user", "How much is the fee?"),))
DELTA = {"index": 0, "delta": {"content": "a"}}
CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [DELTA]}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE")):
            monkeypatch.delenv(name)


# --- one call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "stream"),
    [
        (Drip(b" "), False),
        (Drip(b"\n"), False),
        (Drip(b'{"id": '), False),
        (Drip(b": keep-alive\n\n", content_type="text/event-stream"), True),
        (Drip(b"data: %s\n\n" % json.dumps(CHUNK).encode(), content_type="text/event-stream"), True),
    ],
    ids=["blanks", "line ends", "a body without end", "comments in a stream", "a stream without end"],
)
def test_a_server_that_never_stops_sending_is_given_up(step: Step, stream: bool) -> None:
    with Standin([step]) as server:
        model = Hosted.named("openai/standin", api_base=server.url, timeout_s=0.4, retries=0, stream=stream)
        with pytest.raises(ModelError, match=r"no (answer|whole reply) from .* within (0.4|2) s") as failed:
            asyncio.run(asyncio.wait_for(model.chat(ASKED), 60))
    assert failed.value.seconds < 30


# --- a run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "teams", "step"),
    [
        ("native", "solo,debate", Hang()),
        ("native", "supervisor", Drip(b" ")),
        ("autogen", "solo,supervisor", Drip(b" ")),
        ("crewai", "pipeline,supervisor", Drip(b" ")),
    ],
)
def test_the_seconds_of_a_run_hold_while_a_call_is_under_way_and_the_run_can_be_verified(
    engine: str, teams: str, step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    with Standin([step]) as server:
        model = ["--model", "hosted_vllm/x", "--api-base", server.url, "--engines", engine]
        plan = ["--teams", teams, "--cases", "1", "--trials", "1", "--on", "here", "--max-seconds", "2"]
        said(capsys, "compare", "billing_support", *plan, *model)
        asked = len(server.requests)
    folder = find_experiment("latest")
    calls = []
    for row in Store().runs(folder.id):
        happened = [record.event for record in Store().events(folder.id, row.run)]
        (limit,) = (event for event in happened if isinstance(event, LimitHit))
        assert (limit.kind, limit.limit, row.status, row.success) == ("seconds", 2.0, "limited", False)
        assert 2.0 <= row.latency_s < 20
        own = [event for event in happened if isinstance(event, Chat)]
        assert all(chat.finish_reason == CANCELLED and chat.usage.origin == "estimated" for chat in own)
        assert row.tokens == sum(chat.usage.tokens for chat in own) > 0
        calls += own
    assert len(calls) == asked >= len(teams.split(","))
    assert all(one.same for one in verify(folder))


@pytest.mark.parametrize("team", ["solo", "supervisor", "market", "debate", "ensemble"])
def test_simulated_seconds_are_exact(team: str) -> None:
    plan = Plan("billing_support", (team,), model="sim:small", cases=3, trials=1, seed=3, budget=Budget(seconds=4.5))
    for outcome, recorder in do(plan):
        happened = events(recorder)
        assert outcome.status == "limited"
        assert outcome.latency_s == 4.5
        assert [e.value for e in happened if isinstance(e, LimitHit) and e.kind == "seconds"] == [4.5]
        finished, graded = happened[-1], happened[-2]
        assert isinstance(finished, RunFinished)
        assert isinstance(graded, Evaluated)
        assert finished.usage.tokens == sum(e.usage.tokens for e in happened if isinstance(e, Chat))


def test_time_that_does_not_count_puts_the_deadline_off() -> None:
    """A person who is asked takes time that is no one's."""

    class Waiting(Meter):
        @property
        def seconds(self) -> float:
            return max(0.0, super().seconds - 0.5)

    recorded: list[Event] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(LimitReached):
            await Waiting(Budget(seconds=0.2), recorded.append).within(asyncio.sleep(60))
        return loop.time() - start

    assert asyncio.run(main()) >= 0.7
    assert len(recorded) == 1


def test_a_framework_that_swallows_the_cancellation_ends_as_limited_all_the_same() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RuntimeError("the crew failed") from None
        return "never"

    async def main() -> None:
        await Meter(Budget(seconds=1.0), lambda event: None).within(stubborn())

    with pytest.raises(LimitReached):
        clock.run(main(), virtual=True)


def test_other_errors_pass_and_what_is_done_in_time_is_given_back() -> None:
    async def main() -> str:
        meter = Meter(Budget(seconds=1.0), lambda event: None)
        with pytest.raises(ZeroDivisionError):
            await meter.within(_fails())
        return await meter.within(asyncio.sleep(0.5, "done"))

    assert clock.run(main(), virtual=True) == "done"


async def _fails() -> None:
    raise ZeroDivisionError


def test_a_stopped_run_has_its_calls_in_the_trace_and_goes_on_with_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.running import conduct

    fast = Good(content='{"ok": true, "problems": []}')  # an answer, and a review of it
    with Standin([Hang(), Hang(), fast]) as server:
        model = ["--model", "hosted_vllm/x", "--api-base", server.url]
        plan = ["--teams", "solo", "--cases", "2", "--trials", "1", "--on", "here"]
        look = conduct._look

        def stops(*given: Any) -> None:
            look(*given)
            if len(server.requests) >= 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(conduct, "_look", stops)
        code, _, _ = said(capsys, "compare", "billing_support", *plan, *model)
        assert code == 130
        monkeypatch.setattr(conduct, "_look", look)
        folder = find_experiment("latest")
        before = totals.recorded(folder)
        assert before.tokens > 0
        assert [row.status for row in Store().runs(folder.id)] == ["interrupted"] * 2
        assert said(capsys, "resume", "latest")[0] == 0
    rows = Store().runs(folder.id)
    assert [row.status for row in rows] == ["completed"] * 2
    for row in rows:
        chats = [r.event for r in Store().events(folder.id, row.run) if isinstance(r.event, Chat)]
        assert [chat.finish_reason for chat in chats] == [STOPPED, "stop", "stop"]
        assert row.tokens == sum(chat.usage.tokens for chat in chats)
        assert row.tokens_origin == "estimated"
    assert all(one.same for one in verify(folder))


# --- where counts come from -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": -5, "completion_tokens": 10, "total_tokens": 5},
        {"prompt_tokens": 100, "completion_tokens": -1, "total_tokens": 99},
        {"prompt_tokens": 2**70, "completion_tokens": 10, "total_tokens": 2**70},
        {"prompt_tokens": 2**39, "completion_tokens": 10, "total_tokens": 2**39},
        {"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 100},
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
    ],
    ids=["none", "empty", "zeros", "negative in", "negative out", "2^70", "2^39", "nothing for a text", "null"],
)
def test_a_count_that_is_missing_or_cannot_be_true_is_estimated(
    usage: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_PRICES", "1,2")
    with Standin([Good(content="The fee is 7.50 euros.", usage=usage)]) as server:
        model = Hosted.named("openai/standin", api_base=server.url, retries=0)
        reply = asyncio.run(model.chat(ASKED))
    used = reply.usage
    assert used.origin == "estimated"
    assert 5 <= used.input_tokens <= 20
    assert 5 <= used.output_tokens <= 12
    assert used.cost_nano_usd == 1000 * used.input_tokens + 2000 * used.output_tokens
    assert [kind for kind, _ in reply.notes] == ["usage_estimated"]


def test_a_count_of_the_servers_own_is_measured() -> None:
    with Standin([Good()]) as server:
        reply = asyncio.run(Hosted.named("openai/standin", api_base=server.url).chat(ASKED))
    assert (reply.usage.origin, reply.usage.tokens, reply.notes) == ("measured", 120, ())


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none(), st.integers(0, 10_000))
def test_only_a_count_that_can_be_true_is_plausible(counted: Any, characters: int) -> None:
    found = counting.plausible(counted, characters)
    if found is None:
        return
    assert type(counted) is int
    assert found == counted >= (characters > 0)
    assert counted <= 4 * characters + counting.HIDDEN


def test_the_origin_of_a_sum_is_the_least_certain_and_calls_without_a_token_were_never_counted() -> None:
    measured, estimated = Usage(input_tokens=5, calls=1), Usage(input_tokens=5, calls=1, origin="estimated")
    assert (measured + measured).tokens_origin == "measured"
    assert (measured + estimated).tokens_origin == (estimated + measured).tokens_origin == "estimated"
    assert (estimated + Usage(origin="unknown")).tokens_origin == "unknown"
    assert Usage(calls=3).tokens_origin == "unknown"
    assert Usage(calls=1, errors=1).tokens_origin == "measured"
    assert Usage().tokens_origin == "measured"


def test_a_budget_of_tokens_counts_what_is_estimated(capsys: pytest.CaptureFixture[str]) -> None:
    words = json.dumps({"query": "fee " * 2000})
    with Standin([Good(content=None, tool_calls=(("search", words),), usage=None)]) as server:
        model = ["--model", "hosted_vllm/x", "--api-base", server.url]
        plan = ["--teams", "solo", "--cases", "1", "--trials", "1", "--on", "here", "--max-tokens", "5000"]
        _, out, _ = said(capsys, "compare", "billing_support", *plan, *model)
    (row,) = Store().runs(find_experiment("latest").id)
    assert row.status == "limited"
    assert row.tokens >= 5000
    assert row.tokens_origin == "estimated"
    assert f"~{row.tokens:,} (estimated)" in out
    notes = [r.event for r in Store().events(row.experiment, row.run) if isinstance(r.event, Noted)]
    assert any(note.kind == "usage_estimated" for note in notes)


def test_a_call_that_was_cancelled_before_it_was_sent_has_used_nothing() -> None:
    class Queue:
        card = Card("queue", simulated=False)

        async def chat(self, request: Request) -> Reply:
            with before_sending():
                await asyncio.sleep(60)
            return Reply("", Usage(), "queue")

    recorded: list[Event] = []

    async def main() -> Usage:
        meter = Meter(Budget(seconds=1.0), recorded.append)
        model = Metered(Recorded(Queue(), recorded.append, PromptDelta(), meter.add), meter)
        with pytest.raises(LimitReached):
            await meter.within(model.chat(ASKED))
        return meter.usage

    assert clock.run(main(), virtual=True) == Usage()
    assert [type(event) for event in recorded] == [LimitHit]
