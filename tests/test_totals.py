"""What all runs of an experiment may use together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from cli import said
from standin import Good, Standin, Step

from agents.models.model import Card, Reply, Request
from agents.models.wrappers import Meter, Metered, Recorded
from experiments.running.halting import Halt, Halted
from experiments.running.totals import Allowed, Charged, FilePurse, Used, recorded
from traces import clock
from traces.home import find_experiment
from traces.kernel import UNFINISHED, Budget, Chat, ChatMessage, Event, Usage
from traces.prompts import PromptDelta
from traces.store import Store

SCHEDULES = 1000


class Slow:
    """Each call takes as long, and as many tokens, as it draws."""

    card = Card("slow", simulated=False)

    def __init__(self, rng: random.Random) -> None:
        self._rng, self.under_way = rng, set[int]()

    async def chat(self, request: Request) -> Reply:
        tokens, number = self._rng.randint(1, 900), self._rng.getrandbits(60)
        self.under_way.add(number)
        try:
            await asyncio.sleep(self._rng.choice((0.0, 0.1, 1.0, self._rng.random())))
        finally:
            self.under_way.discard(number)
        return Reply("x", Usage(input_tokens=tokens, output_tokens=1, calls=1), "slow")


class Schedule:
    """Some workers with some runs each, that call until they are stopped or done; drawn from a seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng, self.folder = random.Random(seed), folder
        self.model, self.events = Slow(self.rng), list[Event]()
        self.before, self.total = self.rng.choice((0, 700)), self.rng.randint(1, 20_000)
        self.workers, self.runs = self.rng.randint(1, 5), self.rng.randint(1, 6)
        self.calls = self.rng.randint(1, 30)
        self.halts = [Halt() for _ in range(self.workers)]
        self.most = 0
        """Calls under way when the total was reached."""

    async def play(self) -> Used:
        FilePurse.begin(self.folder, Used(self.before), self.workers)
        watching = asyncio.create_task(self._watch())
        with contextlib.suppress(Halted):
            await asyncio.gather(*(self._worker(n, halt) for n, halt in enumerate(self.halts)), return_exceptions=True)
        watching.cancel()
        return FilePurse(self.folder, 0).used()

    async def _worker(self, number: int, halt: Halt) -> None:
        purse = FilePurse(self.folder, number + 1)
        add = purse.add

        def noted(used: Used) -> None:
            before = purse.used().tokens
            add(used)
            if before < self.total <= before + used.tokens:
                self.most = len(self.model.under_way)

        purse.add = noted  # type: ignore[method-assign]
        allowed = Allowed(Budget(tokens=self.total), purse, halt)

        async def share() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.runs):
                    group.create_task(self._run(allowed))

        await halt.within(share())

    async def _run(self, allowed: Allowed) -> None:
        meter = Meter(Budget(), self.events.append)
        charged = Charged(self.model, allowed)
        model = Metered(Recorded(charged, self.events.append, PromptDelta(), meter.add), meter)
        for _ in range(self.calls):
            await asyncio.sleep(self.rng.choice((0.0, 0.05)))
            await model.chat(Request("a", (ChatMessage("user", "x" * self.rng.randint(0, 4000)),)))

    async def _watch(self) -> None:
        """The coordinator: it looks from time to time, and stops what is left."""
        while not FilePurse(self.folder, 0).used().spent(Budget(tokens=self.total)):  # noqa: ASYNC110
            await asyncio.sleep(self.rng.random())
        for halt in self.halts:
            halt()


def test_what_is_used_beyond_the_total_is_at_most_the_calls_under_way_over_random_schedules(tmp_path: Path) -> None:
    overshot = 0
    for seed in range(SCHEDULES):
        schedule = Schedule(seed, tmp_path)
        used = clock.run(schedule.play(), virtual=True)
        chats = [event for event in schedule.events if isinstance(event, Chat)]
        assert used.tokens == schedule.before + sum(chat.usage.tokens for chat in chats), seed
        largest = max((chat.usage.tokens for chat in chats), default=0)
        if schedule.before < schedule.total:  # the one that reached it, and those under way then
            assert used.tokens <= schedule.total + largest * (1 + schedule.most), seed
            overshot += used.tokens > schedule.total
        else:
            assert not chats, seed
        everything = schedule.workers * schedule.runs * schedule.calls
        assert used.spent(Budget(tokens=schedule.total)) or len(chats) == everything, seed
    assert overshot > SCHEDULES / 4


class Searching(Standin):
    """Asks for another search each time, after a while: 1,010 tokens."""

    def next_step(self, request: dict[str, Any], key: str) -> Step | None:
        super().next_step(request, key)
        time.sleep(0.05)
        usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
        query = json.dumps({"query": f"fee {len(self.requests)}"})
        return Good(content=None, tool_calls=(("search", query),), finish_reason="tool_calls", usage=usage)


@pytest.mark.parametrize("on", ["processes", "here", "ray"])
def test_two_workers_together_keep_to_the_total_and_what_is_said_is_what_was_used(
    on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if on == "ray":
        pytest.importorskip("ray")
    plan = ["--teams", "solo", "--cases", "6", "--trials", "2", "--workers", "2", "--on", on, "--total-tokens", "12000"]
    with Searching() as server:
        model = ["--model", "hosted_vllm/x", "--api-base", server.url]
        _, _, told = said(capsys, "compare", "billing_support", *plan, *model)
    folder = find_experiment("latest")
    chats = [
        record.event
        for row in Store().runs(folder.id)
        for record in Store().events(folder.id, row.run)
        if isinstance(record.event, Chat)
    ]
    used = sum(chat.usage.tokens for chat in chats)
    assert f"{used:,} of 12,000 tokens" in told
    assert recorded(folder).tokens == used
    assert 0 <= len(chats) - len(server.requests) <= 8  # one may be cancelled on its way to the server
    cut_off = [chat for chat in chats if chat.finish_reason in UNFINISHED]
    assert all(chat.usage.origin == "estimated" and chat.error for chat in cut_off)
    measured = sum(chat.usage.tokens for chat in chats if chat not in cut_off)
    assert 12_000 <= measured <= 12_000 + 8 * 1010  # two workers with four calls at once
