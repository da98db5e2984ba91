"""Tool calls and approvals of the past: made again where that changes nothing outside, else taken from the record."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from tools import usercode
from tools.making import Made, Maker, made_of
from tools.policy import Ask, Decides, Decision
from tools.tool import Tool, World
from tools.usercode import Failed
from traces.kernel import ApprovalDecided, EffectIntended, Record, ToolExecuted
from traces.past import Past

IN_DOUBT = (
    "error: the run was interrupted while this was done. Whether it was done is not known, so it was not done again; "
    "have it looked up under the key {key}"
)


class Remaker:
    """A Maker for calls of the past. A call that was recorded gives what it gave: calls that repeat are made again, so
    that the world is built up; of the others, what they wrote into the world is written again. `now` gives the seconds
    since the run's start."""

    def __init__(self, maker: Maker, past: Past, now: Callable[[], float]) -> None:
        self._maker, self._past, self._now = maker, past, now

    async def make(self, agent: str, tool: Tool, call_id: str, arguments: dict[str, Any], key: str) -> Made:
        intended = self._past.intended(agent, tool.name, call_id)
        record = self._past.tool(agent, tool.name, call_id)
        if record is None:
            await self._past.present()
            if intended is not None and not tool.simulated:
                return await self._settled(agent, tool, call_id, arguments, intended.key)
            earlier = None if tool.repeats else self._past.made(tool.name, arguments)
            if isinstance(earlier, EffectIntended):
                return await self._settled(agent, tool, call_id, arguments, earlier.key)
            if earlier is not None:
                _write(self._maker.world, earlier.writes)
                return _recorded(earlier)
            return await self._maker.make(agent, tool, call_id, arguments, key)
        if self._past.virtual:
            await self._past.pause(tool.latency_s, record.t, self._now())
        made = await self._again(tool, record, arguments, key)
        if not self._past.virtual:
            await self._past.pause(tool.latency_s, record.t, self._now())
        return made

    async def _again(self, tool: Tool, record: Record, arguments: dict[str, Any], key: str) -> Made:
        assert isinstance(record.event, ToolExecuted)
        if tool.repeats:
            made = await self._maker.now(tool, arguments, key)
            return _recorded(record.event) if record.seq == self._past.changed else made
        _write(self._maker.world, record.event.writes)
        return _recorded(record.event)

    async def _settled(self, agent: str, tool: Tool, call_id: str, arguments: dict[str, Any], key: str) -> Made:
        """An effect that was intended and whose result was lost: never made a second time. The tool may know."""
        world, in_doubt = self._maker.world, Made(IN_DOUBT.format(key=key), False)
        if tool.done is None:
            return in_doubt
        try:
            found: Any = await usercode.call(partial(tool.done, world, key), tool.timeout_s)
        except Failed:  # whatever keeps the tool from telling, the effect stays in doubt
            return in_doubt
        return made_of(found) if found is not None else await self._maker.make(agent, tool, call_id, arguments, key)


class RecalledGate:
    """Decisions that no rule makes again (a person's, or one that was changed) are taken from the past."""

    def __init__(self, gate: Decides, past: Past, now: Callable[[], float]) -> None:
        self._gate, self._past, self._now = gate, past, now

    async def decide(self, ask: Ask) -> Decision:
        record = self._past.decided(ask.agent, ask.tool)
        if record is not None:
            assert isinstance(record.event, ApprovalDecided)
            event = record.event
            decision = Decision(event.approved, event.approver, event.reason)
            if record.seq == self._past.changed or not decision.by_rule:
                await self._past.pause(0.0, record.t, self._now())
                return decision
        else:
            await self._past.present()
        return await self._gate.decide(ask)


def _recorded(event: ToolExecuted) -> Made:
    return Made(event.result, event.ok, event.chunks, event.writes)


def _write(world: World, statements: tuple[str, ...]) -> None:
    for statement in statements:
        with contextlib.suppress(sqlite3.Error):  # what failed then fails again
            world.db.execute(statement)
