"""The simulated model itself: from a request to a reply in the wire form of a real one."""

from __future__ import annotations

import asyncio
import math
import random
import zlib

import msgspec

from agents import memory
from agents.models.model import Card, Price, Reply, Request
from agents.models.simulated.acting import Actor
from agents.models.simulated.forms import FORMS
from agents.models.simulated.index import index_of
from agents.models.simulated.profile import Profile
from agents.models.simulated.view import View
from tasks.case import Case
from traces.errors import ModelError
from traces.kernel import Fault, ToolCall, Usage
from traces.streams import stream


class SimulatedModel:
    """Solves one case as `profile` would. The reply is a function of the request, the seed, the case and the trial;
    its latency is slept on the loop's clock."""

    def __init__(self, profile: Profile, case: Case, seed: int, trial: int) -> None:
        self.profile, self.case, self._seed, self._trial = profile, case, seed, trial
        self.card = Card(
            name=f"sim:{profile.name}",
            simulated=True,
            context_window=profile.context_window,
            price=Price(profile.price.input, profile.price.output),
            parameters=profile.parameters,
            runs="nowhere: simulated",
        )

    async def chat(self, request: Request) -> Reply:
        view = View(request.messages, index_of(self.case))
        rng = self._stream(request)
        text, calls, fault = self._answer(request, view, rng)
        usage = self._usage(request, view, text, calls, rng)
        await asyncio.sleep(usage.latency_s)
        finish = "tool_calls" if calls else "stop"
        return Reply(text, usage, self.card.name, calls, finish, fault)

    def _stream(self, request: Request) -> random.Random:
        last = zlib.crc32(request.messages[-1].content.encode())
        return stream(
            self._seed, self.case.id, self._trial, request.agent, request.purpose, len(request.messages), last
        )

    def _answer(
        self, request: Request, view: View, rng: random.Random
    ) -> tuple[str, tuple[ToolCall, ...], Fault | None]:
        if request.schema is None:
            draft = Actor(request, view, self.profile, rng).act()
            return draft.text, tuple(draft.calls), draft.fault
        title = request.schema.get("title", "")
        if title not in FORMS:
            raise ModelError(f"a simulated model cannot fill in the form {title!r}; it knows: {', '.join(FORMS)}")
        form, fault = FORMS[title](view, self.profile, rng)
        return msgspec.json.encode(form).decode(), (), fault

    def _usage(self, request: Request, view: View, text: str, calls: tuple[ToolCall, ...], rng: random.Random) -> Usage:
        tools = sum(memory.tokens_in(str(spec)) for spec in request.tools)
        read = view.tokens + tools
        substance = memory.tokens_in(text) + sum(8 + memory.tokens_in(call.arguments) for call in calls)
        written = math.ceil(substance * self.profile.verbosity)
        speed, price = self.profile.speed, self.profile.price
        seconds = speed.first_token_s + read / speed.prefill_tps + written / speed.decode_tps
        if speed.jitter:
            seconds *= rng.lognormvariate(0, speed.jitter)
        nano = round(1000 * (read * price.input + written * price.output))
        return Usage(read, written, 0, 1, nano, round(seconds, 6))
