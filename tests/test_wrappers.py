"""The wrappers around a model, one by one: what each counts, records, refuses and passes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from agents.models.model import NOT_SENT, Card, Price, Reply, Request
from agents.models.scripted import Line, ScriptedModel
from agents.models.wrappers import Cached, Fitting, Meter, Metered, Recorded, WasStopped, WithFallback
from tools.waiting import Waiting
from traces import clock
from traces.errors import LimitReached, MalformedOutput, ModelError
from traces.kernel import CANCELLED, STOPPED, Budget, Chat, ChatMessage, Event, LimitHit, Noted, ToolCall, Usage
from traces.prompts import PromptDelta

T = TypeVar("T")
ASK = Request("ann", (ChatMessage("user", "What does tea cost?"),))


def _run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return clock.run(main(), virtual=True)


class Model:
    """Takes some seconds, then gives its replies, or raises them, one after the other."""

    def __init__(self, replies: Sequence[Reply | BaseException], seconds: float = 0.0, **card: Any) -> None:
        self.card = Card("mine", simulated=True, **card)
        self.asked: list[Request] = []
        self._replies, self._seconds = list(replies), seconds

    async def chat(self, request: Request) -> Reply:
        self.asked.append(request)
        await asyncio.sleep(self._seconds)
        reply = self._replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply


def _reply(text: str = "4 EUR", **fields: Any) -> Reply:
    return Reply(text, Usage(input_tokens=10, output_tokens=5, calls=1, cost_nano_usd=3_000), "mine", **fields)


# --- the budget ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "used", "reached"),
    [
        (Budget(tokens=15), Usage(input_tokens=10, output_tokens=4), None),
        (Budget(tokens=15), Usage(input_tokens=10, output_tokens=5), ("tokens", 15, 15)),
        (Budget(calls=2), Usage(calls=1), None),
        (Budget(calls=2), Usage(calls=2), ("calls", 2, 2)),
        (Budget(cost_usd=0.5), Usage(cost_nano_usd=499_999_999), None),
        (Budget(cost_usd=0.5), Usage(cost_nano_usd=500_000_000), ("cost_usd", 0.5, 0.5)),
        (Budget(cost_usd=0.5), Usage(cost_nano_usd=None), None),
        (Budget(cost_usd=1e-9), Usage(), None),
        (Budget(cost_usd=0.0), Usage(), ("cost_usd", 0.0, 0.0)),
        (Budget(seconds=3), Usage(calls=99), None),
        (Budget(), Usage(input_tokens=10**9, calls=10**6, cost_nano_usd=10**15), None),
    ],
)
def test_what_is_used_up_refuses_the_next_call(
    budget: Budget, used: Usage, reached: tuple[str, float, float] | None
) -> None:
    events: list[Event] = []

    async def main() -> tuple[str, float, float] | None:
        meter = Meter(budget, events.append)
        meter.add(used)
        try:
            meter.check("ann")
        except LimitReached as error:
            return error.kind, error.value, error.limit
        return None

    assert _run(main) == reached
    assert events == ([] if reached is None else [LimitHit(*reached, "ann")])


def test_seconds_count_from_the_beginning_without_those_in_which_a_person_is_waited_for() -> None:
    async def main() -> tuple[float, float, float]:
        waiting = Waiting()
        meter = Meter(Budget(seconds=10), lambda event: None, waiting)
        await asyncio.sleep(5)
        before = meter.seconds
        meter.begin()
        await asyncio.sleep(2)
        with waiting.asking():
            await asyncio.sleep(100)
        after = meter.seconds
        meter.check("ann")
        await asyncio.sleep(8)
        with pytest.raises(LimitReached, match="seconds: 10 of 10"):
            meter.check("ann")
        return before, after, meter.seconds

    assert _run(main) == (5.0, 2.0, 10.0)


def test_the_share_is_of_the_tokens() -> None:
    async def main() -> tuple[float | None, float | None]:
        metered, free = Meter(Budget(tokens=60), lambda event: None), Meter(Budget(calls=1), lambda event: None)
        metered.add(Usage(input_tokens=10, output_tokens=5))
        return metered.share, free.share

    assert _run(main) == (0.25, None)


def test_what_takes_longer_than_the_budget_is_cancelled_and_recorded_once() -> None:
    events: list[Event] = []
    ended: list[float] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(asyncio.get_running_loop().time())
        return "done"

    async def main() -> None:
        meter = Meter(Budget(seconds=7), events.append)
        with pytest.raises(LimitReached, match="seconds: 7 of 7"):
            await meter.within(work())

    _run(main)
    assert ended == [7.0]
    assert events == [LimitHit("seconds", 7.0, 7)]


@pytest.mark.parametrize("budget", [Budget(), Budget(seconds=61)])
def test_what_ends_in_time_gives_its_result_and_its_own_errors(budget: Budget) -> None:
    events: list[Event] = []

    async def work(fails: bool) -> str:
        await asyncio.sleep(60 if not fails else 1)
        if fails:
            raise ValueError("its own")
        return "done"

    async def main() -> str:
        meter = Meter(budget, events.append)
        found = await meter.within(work(False))
        meter.begin()
        with pytest.raises(ValueError, match="its own"):
            await meter.within(work(True))
        await asyncio.sleep(1000)  # no timer is left behind
        return found

    assert _run(main) == "done"
    assert events == []


def test_a_framework_that_swallows_the_cancellation_still_meets_the_limit() -> None:
    async def work(instead: Exception | None) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if instead is not None:
                raise instead from None
        return "as if nothing had been"

    async def main() -> None:
        for instead in (RuntimeError("of the framework"), None):
            meter = Meter(Budget(seconds=7), lambda event: None)
            with pytest.raises(LimitReached):
                await meter.within(work(instead))

    _run(main)


@pytest.mark.parametrize(
    ("works", "waits", "budget", "ends"),
    [(0.0, 100.0, 7.0, 107.0), (0.0, 0.5, 7.0, 7.5), (6.9995, 100.0, 7.0, 107.0), (0.0, 0.0, 0.005, 0.005)],
)
def test_waiting_for_a_person_puts_the_end_off(works: float, waits: float, budget: float, ends: float) -> None:
    async def main() -> tuple[float, float]:
        waiting = Waiting()
        meter = Meter(Budget(seconds=budget), lambda event: None, waiting)

        async def work() -> None:
            await asyncio.sleep(works)
            if waits:
                with waiting.asking():
                    await asyncio.sleep(waits)
            await asyncio.sleep(60)

        with pytest.raises(LimitReached) as caught:
            await meter.within(work())
        return asyncio.get_running_loop().time(), caught.value.value

    ended, used = _run(main)
    assert 0 <= ended - ends <= (0.011 if waits else 1e-6)
    assert used == pytest.approx(budget + ended - ends)


def test_a_person_who_is_waited_for_with_next_to_nothing_left_is_not_looked_after_all_the_time() -> None:
    looks: list[float] = []

    async def main() -> None:
        loop, waiting = asyncio.get_running_loop(), Waiting()
        meter = Meter(Budget(seconds=7), lambda event: None, waiting)
        set_timer = loop.call_later

        def noted(delay: float, *args: Any, **more: Any) -> asyncio.TimerHandle:
            looks.append(delay)
            assert len(looks) < 1000
            return set_timer(delay, *args, **more)

        async def work() -> None:
            await asyncio.sleep(7 - 1e-6)
            with waiting.asking():
                await asyncio.sleep(1)

            await asyncio.sleep(60)

        loop.call_later = noted  # type: ignore[method-assign]
        with pytest.raises(LimitReached):
            await meter.within(work())

    _run(main)


def test_a_call_is_counted_with_what_it_used_and_a_failed_one_as_a_call_that_cost_nothing() -> None:
    async def main() -> Meter:
        meter = Meter(Budget(calls=3), lambda event: None)
        model = Metered(Model([_reply(), ModelError("gone", retries=2, seconds=1.5), _reply()]), meter)
        assert model.card.name == "mine"
        await model.chat(ASK)
        with pytest.raises(ModelError, match="gone"):
            await model.chat(ASK)
        assert meter.usage == Usage(10, 5, 0, 2, 3_000, latency_s=1.5, errors=1, retries=2)
        await model.chat(ASK)
        with pytest.raises(LimitReached, match="calls: 3 of 3"):
            await model.chat(ASK)
        return meter

    assert _run(main).usage.calls == 3


def test_while_a_model_is_at_work_a_persons_waiting_is_the_teams_time() -> None:
    async def main() -> float:
        waiting = Waiting()
        meter = Meter(Budget(), lambda event: None, waiting)
        with waiting.asking():
            await Metered(Model([_reply()], seconds=4), meter).chat(ASK)
            await asyncio.sleep(10)
        return meter.seconds

    assert _run(main) == 4.0


# --- the trace -----------------------------------------------------------------------------------------------------


class Trace:
    def __init__(self, replies: Sequence[Reply | BaseException], stopped: bool = False, **model: Any) -> None:
        self.events: list[Event] = []
        self.counted: list[Usage] = []
        self.model = Model(replies, **model)
        self.recorded = Recorded(self.model, self.events.append, PromptDelta(), self.counted.append, lambda: stopped)

    @property
    def chat(self) -> Chat:
        (event,) = self.events
        assert isinstance(event, Chat)
        return event


def test_a_call_is_recorded_with_all_that_came_back() -> None:
    call = ToolCall("call-1", "search", "{}")
    more: dict[str, Any] = {"server": "http://here", "reasoning": "tea", "sent_as": ("json",), "tool_calls": (call,)}
    trace = Trace(
        [_reply(finish_reason="length", notes=(("retried", "once"),), **more)], kv_bytes=100, context_window=9
    )
    spec = {"type": "function", "function": {"name": "search"}}
    request = Request("ann", ASK.messages, (spec,), purpose="review")
    reply = _run(lambda: trace.recorded.chat(request))
    assert trace.recorded.card.name == "mine"
    assert trace.events[0] == Noted("ann", "retried", "once")
    assert trace.events[1:] == [
        Chat(
            *("ann", "review", "mine", 0, ASK.messages, "4 EUR", reply.usage, (call,), "length", ("search",)),
            *("", None, 9, 1500, "http://here", "tea", ("json",)),
        )
    ]
    assert trace.counted == []


def test_of_a_models_next_call_only_what_is_new_is_recorded() -> None:
    trace = Trace([_reply(), _reply()])
    longer = Request("ann", (*ASK.messages, ChatMessage("user", "And coffee?")))

    async def main() -> None:
        await trace.recorded.chat(ASK)
        await trace.recorded.chat(longer)

    _run(main)
    assert [(e.kept, len(e.added), e.kv_bytes) for e in trace.events if isinstance(e, Chat)] == [
        (0, 1, None),
        (1, 1, None),
    ]


def test_a_failed_call_is_recorded_with_what_it_took_and_an_unknown_cost() -> None:
    trace = Trace([ModelError("the server is gone", retries=3, seconds=2.5)])
    with pytest.raises(ModelError, match="gone"):
        _run(lambda: trace.recorded.chat(ASK))
    assert trace.chat.usage == Usage(calls=1, cost_nano_usd=None, latency_s=2.5, errors=1, retries=3)
    assert (trace.chat.error, trace.chat.finish_reason, trace.chat.text) == ("the server is gone", "error", "")


@pytest.mark.parametrize(("stopped", "how"), [(False, CANCELLED), (True, STOPPED)])
def test_a_cancelled_call_is_recorded_and_counted_as_far_as_it_got(stopped: bool, how: str) -> None:
    trace = Trace([_reply()], stopped, seconds=60, price=Price(1.0, 1.0))

    async def main() -> None:
        await asyncio.sleep(2)
        task = asyncio.create_task(trace.recorded.chat(ASK))
        await asyncio.sleep(5.0000044)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _run(main)
    (used,) = trace.counted
    assert trace.chat.usage == used
    assert (used.calls, used.errors, used.latency_s, used.output_tokens, used.origin) == (
        1,
        1,
        5.000004,
        0,
        "estimated",
    )
    assert used.input_tokens > 0
    assert used.cost_nano_usd == used.input_tokens * 1000
    assert trace.chat.finish_reason == how
    assert "before the reply came" in trace.chat.error


def test_what_is_cancelled_is_not_stopped_unless_somebody_says_so() -> None:
    events: list[Event] = []

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Recorded(Model([asyncio.CancelledError()]), events.append, PromptDelta()).chat(ASK)

    _run(main)
    assert [event.finish_reason for event in events if isinstance(event, Chat)] == [CANCELLED]


@pytest.mark.parametrize(
    ("why", "counted"), [(NOT_SENT, []), (Usage(input_tokens=7, calls=1), [Usage(input_tokens=7, calls=1)])]
)
def test_a_call_that_was_not_sent_used_nothing_and_one_that_knows_says_what(why: Any, counted: list[Usage]) -> None:
    trace = Trace([asyncio.CancelledError(why)])

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await trace.recorded.chat(ASK)

    _run(main)
    assert trace.counted == counted
    assert [e.usage for e in trace.events if isinstance(e, Chat)] == counted


def test_a_call_that_was_under_way_at_a_stop_is_recorded_as_that_and_made() -> None:
    before = Usage(input_tokens=7, calls=1, errors=1)
    trace = Trace([WasStopped(before), _reply()])
    assert _run(lambda: trace.recorded.chat(ASK)).text == "4 EUR"
    first, second = trace.events
    assert isinstance(first, Chat)
    assert isinstance(second, Chat)
    assert (first.finish_reason, first.usage, second.text, second.error) == (STOPPED, before, "4 EUR", "")
    assert trace.counted == [before]
    assert str(WasStopped(before)) == "the run was stopped in this call"


# --- the context window --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("characters", "window", "sent"),
    [(400, None, True), (400, 50, True), (400, 49, False), (0, 1, True)],
)
def test_what_cannot_fit_the_window_is_not_sent(characters: int, window: int | None, sent: bool) -> None:
    model = Model([_reply()], context_window=window)
    half = ChatMessage("user", "abc " * (characters // 8))  # 4 characters are a token, by our rule of thumb
    fitting = Fitting(model)
    assert fitting.card is model.card
    request = Request("ann", (half, half))
    if sent:
        assert _run(lambda: fitting.chat(request)).text == "4 EUR"
    else:
        with pytest.raises(ModelError, match=r"at least 50 tokens .* context window of 49; it was not sent"):
            _run(lambda: fitting.chat(request))
    assert len(model.asked) == sent


# --- kept replies --------------------------------------------------------------------------------------------------


def test_a_kept_reply_costs_nothing_and_says_what_it_saved() -> None:
    events: list[Event] = []
    fault: Any = "wrong"
    model = Model([_reply(fault=fault, notes=(("a", "b"),)), _reply("other")])
    kept: dict[bytes, Reply] = {}

    async def main() -> list[Reply]:
        cached = Cached(model, events.append, kept)
        assert cached.card is model.card
        return [await cached.chat(ASK), await cached.chat(ASK)]

    first, second = _run(main)
    assert first.usage.tokens == 15
    assert (second.text, second.usage, second.fault, second.notes) == ("4 EUR", Usage(), None, ())
    assert events == [Noted("ann", "cache_hit", "saved 15 tokens and $0.000003")]
    assert len(model.asked) == 1


def test_what_was_saved_at_an_unknown_price_is_said_in_tokens() -> None:
    events: list[Event] = []
    reply = Reply("4 EUR", Usage(input_tokens=2000, calls=1, cost_nano_usd=None), "mine")

    async def main() -> None:
        cached = Cached(Model([reply]), events.append, {})
        await cached.chat(ASK)
        await cached.chat(ASK)

    _run(main)
    assert events == [Noted("ann", "cache_hit", "saved 2,000 tokens")]


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (Request("bob", ASK.messages, purpose="review"), True),
        (Request("ann", (*ASK.messages, ASK.messages[0])), False),
        (Request("ann", ASK.messages, tools=({"function": {"name": "x"}},)), False),
        (Request("ann", ASK.messages, schema={"title": "Plan"}), False),
        (Request("ann", ASK.messages, max_tokens=5), False),
    ],
)
def test_only_a_call_that_says_the_same_is_answered_from_what_was_kept(other: Request, kept: bool) -> None:
    model = Model([_reply(), _reply()])

    async def main() -> None:
        cached = Cached(model, lambda event: None, {})
        await cached.chat(ASK)
        await cached.chat(other)

    _run(main)
    assert len(model.asked) == (1 if kept else 2)


# --- the fallback --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "holds", "said"),
    [
        (["fine"], True, "fine"),
        ([ModelError("gone")], True, "of the other"),
        ([ModelError("gone")], False, ModelError),
        ([MalformedOutput("unreadable")], True, MalformedOutput),
    ],
)
def test_another_model_takes_a_call_that_failed_for_good(lines: list[Line], holds: bool, said: Any) -> None:
    events: list[Event] = []
    other = Model([_reply("of the other")])
    model = WithFallback(ScriptedModel(lines), other, events.append, lambda: holds)
    assert model.card.name == "scripted"
    if isinstance(said, str):
        assert _run(lambda: model.chat(ASK)).text == said
    else:
        with pytest.raises(said):
            _run(lambda: model.chat(ASK))
    took = said == "of the other"
    assert len(other.asked) == took
    text = "scripted failed (gone); mine takes the call"
    assert events == ([Noted("ann", "fallback", text)] if took else [])


def test_the_fallback_holds_unless_somebody_says_otherwise() -> None:
    model = WithFallback(ScriptedModel([ModelError("gone")]), Model([_reply("other")]), lambda event: None)
    assert _run(lambda: model.chat(ASK)).text == "other"
