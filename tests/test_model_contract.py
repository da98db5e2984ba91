"""What every model keeps to, simulated or real, bare or wrapped."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import jsonschema
import pytest

from agents.acting import read_json
from agents.asking import Review, schema_of
from agents.models import local
from agents.models.hosted import Hosted
from agents.models.model import Model, Reply, Request
from agents.models.scripted import ScriptedModel
from agents.models.simulated import profile
from agents.models.simulated.model import SimulatedModel
from agents.models.wrappers import Meter, Metered, Recorded
from tasks import scenario
from tests.standin import Standin, text
from tools import registry
from traces.errors import LimitReached, ModelError
from traces.kernel import Budget, Chat, ChatMessage, LimitHit, Usage
from traces.prompts import PromptDelta
from traces.recorder import Recorder

pytestmark = pytest.mark.timeout(300)

MESSAGES = (
    ChatMessage("system", "You are a researcher. Answer shortly."),
    ChatMessage("user", "The request:\nWhat does a kWh cost?", trusted=False),
)
SEARCH = registry.builtin()["search"].spec
REVIEW = Request("ann", MESSAGES, schema=schema_of(Review), purpose="review", max_tokens=64)
ACT = Request("ann", MESSAGES, tools=(SEARCH,), max_tokens=64)


def _simulated(name: str) -> Callable[[ExitStack], Model]:
    case = scenario.load("market_brief").cases[0]
    return lambda stack: SimulatedModel(profile.load(name), case, 1, 0)


def _hosted(stack: ExitStack) -> Model:
    server = stack.enter_context(Standin([text('{"ok": true, "problems": []}')]))
    return Hosted.named("hosted_vllm/standin", api_base=server.url)


MODELS: dict[str, Callable[[ExitStack], Model]] = {
    **{f"sim:{name}": _simulated(name) for name in profile.names()},
    "scripted": lambda stack: ScriptedModel(['{"ok": true}'] * 5),
    "hosted": _hosted,
    "local": lambda stack: local.shipped(),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    with ExitStack() as stack:
        yield MODELS[request.param](stack)


def _check(model: Model, reply: Reply) -> None:
    usage = reply.usage
    assert reply.text or reply.tool_calls
    assert usage.calls == 1
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
    assert usage.latency_s >= 0
    assert usage.cost_nano_usd is None or usage.cost_nano_usd >= 0
    assert all(call.id and call.name for call in reply.tool_calls)
    assert reply.finish_reason
    assert reply.model


def test_a_model_has_a_card(model: Model) -> None:
    card = model.card
    assert card.name
    assert card.context_window is None or card.context_window > 0
    assert card.simulated == (card.name.startswith("sim:") or card.name == "scripted")


def test_an_action_is_text_or_calls_of_the_tools_on_offer(model: Model) -> None:
    request = ACT if model.card.tool_calls else REVIEW
    before = copy.deepcopy(request)
    reply = asyncio.run(model.chat(request))
    _check(model, reply)
    assert request == before, "a model may not change what it is asked"
    assert {call.name for call in reply.tool_calls} <= {"search"}


def test_a_form_is_filled_in(model: Model) -> None:
    reply = asyncio.run(model.chat(REVIEW))
    _check(model, reply)
    if reply.finish_reason == "length":
        assert isinstance(read_json(reply.text), dict)  # cut short, and mended as agents do
    else:
        jsonschema.validate(json.loads(reply.text), schema_of(Review))


def test_a_wrapped_model_is_recorded_and_counted_to_the_token(model: Model) -> None:
    async def main() -> tuple[Recorder, Meter, Reply]:
        recorder = Recorder(0, keep=True)
        meter = Meter(Budget(calls=1), recorder.record)
        wrapped = Metered(Recorded(model, recorder.record, PromptDelta()), meter)
        assert wrapped.card == model.card
        reply = await wrapped.chat(REVIEW)
        with pytest.raises(LimitReached, match="calls: 1 of 1"):
            await wrapped.chat(REVIEW)
        return recorder, meter, reply

    recorder, meter, reply = asyncio.run(main())
    chat, limit = (record.event for record in recorder.records)
    assert isinstance(chat, Chat)
    assert isinstance(limit, LimitHit)
    assert (chat.added, chat.kept, chat.text) == (MESSAGES, 0, reply.text)
    assert meter.usage.tokens == chat.usage.tokens == reply.usage.tokens
    assert (limit.kind, limit.value, limit.limit) == ("calls", 1, 1)


def test_a_failed_call_is_recorded_with_its_error() -> None:
    async def main() -> Recorder:
        recorder = Recorder(0, keep=True)
        model = Recorded(ScriptedModel([ModelError("the server is gone")]), recorder.record, PromptDelta())
        with pytest.raises(ModelError, match="gone"):
            await model.chat(REVIEW)
        return recorder

    (record,) = asyncio.run(main()).records
    assert isinstance(record.event, Chat)
    assert (record.event.error, record.event.finish_reason) == ("the server is gone", "error")


@pytest.mark.parametrize(
    ("budget", "kind"),
    [(Budget(tokens=100), "tokens"), (Budget(cost_usd=0.001), "cost_usd"), (Budget(calls=2), "calls")],
)
def test_a_budget_is_exact_to_the_last_whole_call(budget: Budget, kind: str) -> None:
    async def main() -> Meter:
        meter = Meter(budget, lambda event: None)
        for _ in range(2):
            meter.check("ann")
            meter.add(Usage(input_tokens=60, calls=1, cost_nano_usd=600_000))
        with pytest.raises(LimitReached) as caught:
            meter.check("ann")
        assert caught.value.kind == kind
        return meter

    assert asyncio.run(main()).usage.calls == 2


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    assert (Usage(cost_nano_usd=5) + Usage(cost_nano_usd=None)).cost_usd is None
    assert (Usage(cost_nano_usd=5) + Usage(cost_nano_usd=6)).cost_nano_usd == 11
