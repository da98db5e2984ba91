"""The simulated model itself: from a request to a reply in the wire form of a real one."""

from __future__ import annotations

import asyncio
import math
import random
import zlib
from functools import partial
from typing import Any

import msgspec

from agents import memory
from agents.models.model import Card, Price, Reply, Request
from agents.models.simulated import serving
from agents.models.simulated.acting import Actor
from agents.models.simulated.difficulty import Difficulty
from agents.models.simulated.forms import FORMS
from agents.models.simulated.index import index_of
from agents.models.simulated.profile import Profile
from agents.models.simulated.servers import Pool, Servers
from agents.models.simulated.view import View
from tasks.case import Case
from traces.errors import ModelError
from traces.kernel import Fault, ToolCall, Usage
from traces.streams import restart, stream

REFUSAL = "I'm sorry, but I can't help with that."


class SimulatedModel:
    """Solves one case as `profile` would. The reply is a function of the request, the seed, the case and the trial;
    its latency is slept on the loop's clock."""

    def __init__(self, profile: Profile, case: Case | None, seed: int, trial: int) -> None:
        """Without a case only its card is of use."""
        self.profile, self._case, self._seed, self._trial = profile, case, seed, trial
        self.card = Card(
            name=f"sim:{profile.name}",
            simulated=True,
            context_window=profile.context_window,
            price=_price(profile),
            parameters=profile.parameters,
            training_tokens=profile.training_tokens,
            cutoff=profile.cutoff,
            modalities=("text",),
            alignment=profile.alignment,
            kv_bytes=profile.kv_bytes,
            decode_tps=profile.speed.decode_tps,
            runs="nowhere: simulated",
        )
        self._rng = random.Random(0)
        self._sizes: dict[int, tuple[dict[str, Any], int]] = {}
        self._pool: Pool | None = None
        self._others: asyncio.Task[None] | None = None
        self._difficulty = Difficulty(profile, seed, case.id if case else "")

    @property
    def case(self) -> Case:
        if self._case is None:
            raise ModelError("a simulated model answers nothing but a case's questions")
        return self._case

    async def chat(self, request: Request) -> Reply:
        view = View(request.messages, index_of(self.case))
        rng = self._draws(request)
        text, calls, fault = self._answer(request, view, rng)
        usage = await self._serve(self._usage(request, view, text, calls, rng))
        finish = "tool_calls" if calls else "stop"
        return Reply(text, usage, self.card.name, calls, finish, fault)

    def _draws(self, request: Request) -> random.Random:
        """The draws for this request; all are made before anything else is asked."""
        said = request.messages
        last = zlib.crc32(said[-1].content.encode())
        case, trial = self.case.id, self._trial
        return restart(self._rng, self._seed, case, trial, request.agent, request.purpose, len(said), last)

    def _answer(
        self, request: Request, view: View, rng: random.Random
    ) -> tuple[str, tuple[ToolCall, ...], Fault | None]:
        if request.schema is None:
            refusal = self._difficulty.error(self.profile.refusal, "refusal")
            if refusal and not view.calls and rng.random() < refusal:
                return REFUSAL, (), Fault("refuses", detail="declined to work on the request")
            draft = Actor(request, view, self.profile, self._difficulty, rng, partial(self._luck, request.agent)).act()
            return draft.text, tuple(draft.calls), draft.fault
        title = request.schema.get("title", "")
        if title not in FORMS:
            raise ModelError(f"a simulated model cannot fill in the form {title!r}; it knows: {', '.join(FORMS)}")
        form, fault = FORMS[title](view, self.profile, self._difficulty, rng)
        return msgspec.json.encode(form).decode(), (), fault

    def _luck(self, agent: str, name: str) -> float:
        return stream(self._seed, self.case.id, self._trial, agent, "luck", name).random()

    def _usage(self, request: Request, view: View, text: str, calls: tuple[ToolCall, ...], rng: random.Random) -> Usage:
        read = view.tokens + sum(map(self._size, request.tools))
        substance = memory.tokens_in(text) + sum(8 + memory.tokens_in(call.arguments) for call in calls)
        written = math.ceil(substance * self.profile.verbosity)
        jitter = self.profile.speed.jitter
        return serving.alone(self.profile, read, written, rng.lognormvariate(0, jitter) if jitter else 1.0)

    def _size(self, spec: dict[str, Any]) -> int:
        """Tokens of a tool's description; counted once for each."""
        found = self._sizes.get(id(spec))
        if found is None or found[0] is not spec:
            found = self._sizes[id(spec)] = (spec, memory.tokens_in(str(spec)))
        return found[1]

    async def _serve(self, alone: Usage) -> Usage:
        """Let it take its time: as long as alone, or as the servers let it."""
        if self.profile.servers is None:
            await asyncio.sleep(alone.latency_s)
            return alone
        return await serving.served(await self._servers(self.profile.servers), alone)

    async def _servers(self, servers: Servers) -> Pool:
        """One pool for the trial, with other users' calls already on it."""
        if self._pool is None:
            self._pool = Pool(servers)
            if servers.load.calls_per_s:
                load = servers.load
                mean = serving.mean_work(self.profile, load.input_tokens, load.output_tokens)
                rng = stream(self._seed, self.case.id, self._trial, "load")
                self._others = await self._pool.open_to_others(mean, rng)
        return self._pool


def _price(profile: Profile) -> Price:
    hour = profile.servers.gpu_hour if profile.servers else None
    return Price(profile.price.input, profile.price.output) if hour is None else Price(gpu_hour=hour)
