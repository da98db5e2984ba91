"""A thousand faults of a model server: no crash, no hang, each one an event, budgets exact."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from typing import Any

import pytest

from agents.asking import Review, schema_of
from agents.models.calling import Target
from agents.models.endpoint import Endpoint
from agents.models.hosted import Hosted, Settings
from agents.models.model import Card, Request
from agents.models.wrappers import Meter, Metered, Recorded
from tests.standin import Cut, Fault, Hang, Raw, Standin, Step, call, text
from traces.errors import LimitReached, ModelError
from traces.kernel import Budget, Chat, ChatMessage, LimitHit
from traces.prompts import PromptDelta
from traces.recorder import Recorder

FAULTS = 1000
KINDS: dict[str, Step] = {
    "429": Fault(429, "slow down"),
    "500": Fault(500, "broken"),
    "503": Fault(503, "overloaded"),
    "400": Fault(400, "bad request"),
    "401": Fault(401, "no key"),
    "cut": Cut(),
    "not json": Raw(b"<html>oops</html>"),
    "not a completion": Raw(b'{"hello": 1}'),
    "no choices": Raw(b'{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}'),
    "empty": text(""),
    "wrong schema": text('{"verdict": 7}'),
    "malformed JSON": text('{"ok": tru'),
    "broken arguments": call("search", '{"query": '),
}
ANSWERED = ("empty", "wrong schema", "malformed JSON", "broken arguments")
"""Replies that a server gave and counted: what is wrong with them shows when they are read."""


def _model(base: str, stream: bool, timeout_s: float = 20) -> Hosted:
    where = Endpoint("openai", "standin", own=True, api_base=base, api_key="none")
    target = Target("openai/standin", (where,), timeout_s, retries=0, stream=stream)
    return Hosted(Settings(target, Card("standin", simulated=False)))


class ByQuestion(Standin):
    """Each question gets its own answer, however often it is asked (a form that was refused is asked for otherwise)."""

    def next_step(self, request: dict[str, Any], key: str) -> Step | None:
        found = re.search(r"question (\d+)", json.dumps(request["messages"]))
        return self.script[int(found[1])] if found else None


def _ask(number: int) -> Request:
    schema = schema_of(Review) if number % 2 else None
    return Request(f"agent-{number}", (ChatMessage("user", f"question {number}"),), schema=schema)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stream", [False, True])
def test_each_of_many_faults_is_an_event_and_none_is_a_crash(stream: bool) -> None:
    rng = random.Random(7)
    names = [rng.choice(list(KINDS)) for _ in range(FAULTS // 2)]

    async def main(base: str) -> tuple[list[Any], Meter]:
        recorder = Recorder(0, keep=True)
        meter = Meter(Budget(), recorder.record)
        model = Metered(Recorded(_model(base, stream), recorder.record, PromptDelta()), meter)
        for number in range(len(names)):
            with contextlib.suppress(ModelError):
                await model.chat(_ask(number))
        return [record.event for record in recorder.records], meter

    with ByQuestion([KINDS[name] for name in names]) as server:
        events, meter = asyncio.run(main(server.url))
    chats = [event for event in events if isinstance(event, Chat)]
    assert all("\n" not in chat.error for chat in chats)
    assert len(chats) == len(names)
    wrong = Counter(name for name, chat in zip(names, chats, strict=True) if bool(chat.error) == (name in ANSWERED))
    assert not wrong
    failed = sum(name not in ANSWERED for name in names)
    assert (meter.usage.calls, meter.usage.errors) == (len(names), failed)
    assert meter.usage.tokens == 120 * (len(names) - failed)


def test_a_timeout_is_an_event_too() -> None:
    recorder = Recorder(0, keep=True)

    async def main(base: str) -> None:
        model = Recorded(_model(base, False, timeout_s=0.3), recorder.record, PromptDelta())
        with pytest.raises(ModelError, match="no answer"):
            await model.chat(_ask(0))

    with Standin([Hang()]) as server:
        asyncio.run(main(server.url))
    (record,) = recorder.records
    assert isinstance(record.event, Chat)
    assert record.event.usage.latency_s >= 0.3


@pytest.mark.parametrize("budget", [Budget(tokens=600), Budget(calls=9)])
def test_budgets_are_exact_to_the_last_whole_call_among_faults(budget: Budget) -> None:
    recorder = Recorder(0, keep=True)

    async def main(base: str) -> Meter:
        meter = Meter(budget, recorder.record)
        model = Metered(Recorded(_model(base, False), recorder.record, PromptDelta()), meter)
        for number in range(100):
            try:
                await model.chat(_ask(number))
            except LimitReached:
                break
            except ModelError:
                continue
        return meter

    with Standin([KINDS["400"], text("fine"), KINDS["cut"], text("fine")] * 30) as server:
        meter = asyncio.run(main(server.url))
        asked = len(server.requests)
    assert meter.usage.calls == asked == (9 if budget.calls else 10)
    assert meter.usage.tokens == 120 * (asked // 2)
    assert isinstance(recorder.records[-1].event, LimitHit)
