"""The toolbox: the one way in which an agent's tool call is read, checked, allowed, run and recorded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from msgspec import Struct

from tools.making import Maker
from tools.policy import Ask, Decides, Decision
from tools.recalled import RecalledGate, Remaker
from tools.tool import Effect, Tool, ToolError, World
from tools.waiting import Waiting
from traces import bounds, strict
from traces.kernel import ApprovalDecided, Chunk, EffectIntended, ToolCall, ToolExecuted
from traces.past import Past
from traces.recorder import Recorder


class ToolResult(Struct, frozen=True):
    """What goes back to the agent. `trusted` is False for text from outside the run's own instructions."""

    text: str
    ok: bool
    trusted: bool = False
    chunks: tuple[Chunk, ...] = ()


class Toolbox:
    """The tools of one trial, over its world. Results longer than 8,000 characters are cut, and say so. Calls that the
    `past` holds are not made again where they cannot be."""

    def __init__(
        self,
        tools: dict[str, Tool],
        world: World,
        gate: Decides,
        recorder: Recorder,
        past: Past | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self._tools, self._recorder = tools, recorder
        self.waiting = waiting or Waiting()
        self._gate = gate if past is None else RecalledGate(gate, past, recorder.now)
        maker = Maker(world)
        self._maker = maker if past is None else Remaker(maker, past, recorder.now)

    def specs(self, names: Collection[str]) -> tuple[dict[str, Any], ...]:
        """The named tools in the form that chat-completion APIs take."""
        return tuple(self._tools[name].spec for name in names)

    def effect(self, name: str) -> Effect | None:
        """What the tool changes; None where there is no such tool."""
        tool = self._tools.get(name)
        return tool.effect if tool is not None else None

    async def call(
        self, agent: str, allowed: Collection[str], call: ToolCall, *, untrusted: tuple[str, ...]
    ) -> ToolResult:
        """Run one call for an agent that may use `allowed`. `untrusted`: the texts from outside in its context.

        Never raises for what a model or a tool does wrong: that is a result with `ok` False that says what to do.
        """
        if call.name not in allowed or call.name not in self._tools:
            return self._refuse(agent, call, "", {}, f"there is no tool {call.name!r} here; use: {', '.join(allowed)}")
        tool = self._tools[call.name]
        try:
            arguments = _arguments(tool, call)
        except ToolError as error:
            return self._refuse(agent, call, tool.effect, {}, str(error))
        key = ""
        if tool.effect is Effect.OUTSIDE:
            key = _key(self._recorder.run, call.name, call.id, arguments)
            decision = await self._decide(call, Ask(agent, call.name, arguments, untrusted), key)
            if not decision.approved:
                return self._refuse(agent, call, tool.effect, arguments, f"not allowed: {decision.reason}")
        return await self._run(agent, tool, call, arguments, key)

    async def ask(
        self,
        agent: str,
        call: ToolCall,
        parameters: dict[str, Any],
        do: Callable[[dict[str, Any]], Awaitable[tuple[str, bool]]],
    ) -> ToolResult:
        """Run and record a call that the team answers, not the world: its effect is `team`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        arguments: dict[str, Any] = {}
        try:
            arguments = _read(call, Draft202012Validator(parameters))
            (text, trusted), ok = await do(arguments), True
        except ToolError as error:
            text, trusted, ok = f"error: {error}", True, False
        spent = round(loop.time() - started, 6)
        self._recorder.record(
            ToolExecuted(agent, call.name, call.id, "team", arguments, ok, text, spent, trusted=trusted)
        )
        return ToolResult(text, ok, trusted)

    def _refuse(
        self, agent: str, call: ToolCall, effect: Effect | str, arguments: dict[str, Any], why: str
    ) -> ToolResult:
        text = f"error: {why}"
        self._recorder.record(
            ToolExecuted(agent, call.name, call.id, str(effect), arguments, False, text, trusted=True)
        )
        return ToolResult(text, False, trusted=True)

    async def _decide(self, call: ToolCall, ask: Ask, key: str) -> Decision:
        with self.waiting.asking():
            decision = await self._gate.decide(ask)
        self._recorder.record(
            ApprovalDecided(ask.agent, call.name, call.id, decision.approver, decision.approved, decision.reason)
        )
        if decision.approved:
            self._recorder.record(EffectIntended(ask.agent, call.name, call.id, ask.arguments, key))
            self._recorder.sync()
        return decision

    async def _run(self, agent: str, tool: Tool, call: ToolCall, arguments: dict[str, Any], key: str) -> ToolResult:
        loop = asyncio.get_running_loop()
        started = loop.time()
        with self.waiting.working():
            made = await self._maker.make(agent, tool, call.id, arguments, key)
        self._recorder.record(
            ToolExecuted(
                agent,
                tool.name,
                call.id,
                tool.effect.value,
                arguments,
                made.ok,
                made.text,
                round(loop.time() - started, 6),
                tuple(msgspec.structs.replace(chunk, text="") for chunk in made.chunks),
                tool.trusted,
                made.writes,
            )
        )
        return ToolResult(made.text, made.ok, tool.trusted, made.chunks)


def _arguments(tool: Tool, call: ToolCall) -> dict[str, Any]:
    return _read(call, tool.validator)


def _read(call: ToolCall, validator: Draft202012Validator) -> dict[str, Any]:
    try:
        arguments = strict.loads(call.arguments or "{}")
    except bounds.Malformed as error:
        raise ToolError(f"the arguments are not valid JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ToolError("the arguments must be a JSON object of names and values")
    wrong = next(iter(validator.iter_errors(arguments)), None)
    if wrong is not None:
        place = ".".join(map(str, wrong.path))
        raise ToolError(f"{place}: {wrong.message}" if place else wrong.message)
    return arguments


def _key(run: int, tool: str, call_id: str, arguments: dict[str, Any]) -> str:
    """The same effect of the same run has the same key, so that it can be made once only."""
    whole = msgspec.json.encode([run, tool, call_id, arguments], order="sorted")
    return hashlib.blake2b(whole, digest_size=8).hexdigest()
