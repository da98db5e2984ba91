"""A model whose recorded replies are served again; what it was never asked goes to the model itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct, structs

from agents.models.model import Card, Model, Reply, Request, before_sending
from agents.models.wrappers import WasStopped
from traces.errors import ModelError
from traces.kernel import CANCELLED, STOPPED, Event
from traces.past import Past, PastCall


class Recalled:
    """Answers from the past, with the recorded usage, labels and errors, and in the recorded time. `now` gives the
    seconds since the run's start."""

    def __init__(self, model: Model, past: Past, record: Callable[[Event], object], now: Callable[[], float]) -> None:
        self._model, self._past, self._record, self._now = model, past, record, now

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        call = self._past.call(request.agent, request.purpose, request.messages)
        if call is None:
            with before_sending():
                await self._past.present()
            return await self._model.chat(request)
        if call.chat.finish_reason == CANCELLED:
            await asyncio.get_running_loop().create_future()  # what cancelled it then does so again
        if call.chat.finish_reason == STOPPED:
            await self._past.pause(call.chat.usage.latency_s, call.record.t, self._now())
            raise WasStopped(call.chat.usage)
        seconds = call.chat.usage.latency_s
        if seconds or not call.chat.error:
            await self._past.pause(seconds, call.record.t, self._now())
        for note in call.notes:
            self._record(note)
        return _reply(call)


def _reply(call: PastCall) -> Reply:
    chat = call.chat
    if chat.error:
        raise ModelError(chat.error, retries=chat.usage.retries, seconds=chat.usage.latency_s)
    return Reply(
        chat.text,
        chat.usage,
        chat.model,
        chat.tool_calls,
        chat.finish_reason,
        chat.fault,
        chat.server,
        reasoning=chat.reasoning,
        sent_as=chat.sent_as,
    )


class Amended:
    """Asks with one message of one prompt changed, from the call with that prompt on."""

    def __init__(self, model: Model, past: Past) -> None:
        self._model, self._past = model, past

    @property
    def card(self) -> Card:
        return self._model.card

    async def chat(self, request: Request) -> Reply:
        messages = self._past.amended(request.agent, request.purpose, request.messages)
        return await self._model.chat(structs.replace(request, messages=messages))


class Speaking(Struct, frozen=True):
    """Another model in a model's place, whose card was `before`: it holds for as long as the past is done again."""

    before: Card
    model: Model
    in_past: Callable[[], bool]

    @property
    def card(self) -> Card:
        return self.before if self.in_past() else self.model.card

    async def chat(self, request: Request) -> Reply:
        return await self.model.chat(request)
