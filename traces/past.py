"""The past of a run: what its models said, its tools gave back and people decided, to be served again in their place.

What is served is matched with the agent that asks for it, not by its place in the trace: under real time the calls of
several agents come in another order each time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import Struct

from traces import clock
from traces.kernel import ApprovalDecided, Chat, ChatMessage, EffectIntended, MessageSent, Noted, Record, ToolExecuted
from traces.prompts import prompts

T = TypeVar("T")
ASK_PERSON = "ask_person"
WITH_REPLIES = frozenset({"cache_hit", "usage_estimated", "server_taught"})
"""Kinds of notes that come with a model's reply."""
_Call = tuple[str, str, str]  # agent, tool, call id


class PastCall(Struct, frozen=True):
    """A recorded model call with its whole prompt. `notes` came with its reply: what a cache saved, who counted its
    tokens, what was learnt about its server."""

    record: Record
    chat: Chat
    prompt: tuple[ChatMessage, ...]
    notes: tuple[Noted, ...] = ()


class Amendment(Struct, frozen=True):
    """From the agent's call with this prompt on, its message number `place` is another one."""

    agent: str
    purpose: str
    prompt: tuple[ChatMessage, ...]
    place: int
    message: ChatMessage


class Past:
    """What is recorded of one run, from its first event on; each thing is given out once.

    `changed` is the number of the event that was put in place of what happened: it is served even where the same would
    otherwise be done again. `sealed`: nothing comes after it, so that what is asked for beyond it is never answered.
    `made`: what an earlier attempt at the run, which broke off, recorded after it.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        virtual: bool,
        changed: int = -1,
        sealed: bool = False,
        amendment: Amendment | None = None,
        made: Sequence[Record] = (),
    ) -> None:
        self.virtual, self.changed, self.sealed = virtual, changed, sealed
        self.unmatched: list[tuple[str, str, tuple[ChatMessage, ...]]] = []  # model calls that are not recorded
        self.records = records
        self._amendment, self._amends = amendment, False
        self._calls: dict[str, list[PastCall]] = defaultdict(list)
        self._tools: dict[_Call, deque[Record]] = defaultdict(deque)
        self._intended: dict[_Call, deque[EffectIntended]] = defaultdict(deque)
        self._decided: dict[tuple[str, str], deque[Record]] = defaultdict(deque)
        self._said: dict[str, deque[Record]] = defaultdict(deque)
        self._answered: dict[str, deque[tuple[str, str, float]]] = defaultdict(deque)
        self._who = ""
        self._made = [r.event for r in made if isinstance(r.event, EffectIntended | ToolExecuted)]
        self._take_calls(records)
        for record in records:
            self._take(record)

    def _take_calls(self, records: Sequence[Record]) -> None:
        for record, chat, prompt in prompts(records):
            notes = () if chat.error else _notes(records, record.seq, chat)
            self._calls[chat.agent].append(PastCall(record, chat, prompt, notes))

    def _take(self, record: Record) -> None:
        event = record.event
        if isinstance(event, MessageSent):
            self._said[event.message.sender].append(record)
        elif isinstance(event, ToolExecuted):
            self._tools[event.agent, event.tool, event.call_id].append(record)
            if event.tool == ASK_PERSON and event.ok:
                self._answered[event.agent].append((event.result, self._who, record.t))
        elif isinstance(event, Noted) and event.kind == "escalated":
            self._who = event.text.partition("(")[2].partition("): ")[0]
        elif isinstance(event, EffectIntended):
            self._intended[event.agent, event.tool, event.call_id].append(event)
        elif isinstance(event, ApprovalDecided):
            self._decided[event.agent, event.tool].append(record)

    def call(self, agent: str, purpose: str, prompt: tuple[ChatMessage, ...]) -> PastCall | None:
        """The agent's recorded model call with this prompt; None where there is none left."""
        calls = self._calls[agent]
        for place, call in enumerate(calls):
            if call.chat.purpose == purpose and call.prompt == prompt:
                return calls.pop(place)
        self.unmatched.append((agent, purpose, prompt))
        return None

    def amended(self, agent: str, purpose: str, prompt: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
        """The prompt as it is asked: with the message that was changed, if it is in it."""
        to = self._amendment
        if to is None or to.agent != agent:
            return prompt
        self._amends = self._amends or (purpose == to.purpose and prompt == to.prompt)
        if self._amends and prompt[to.place : to.place + 1] == to.prompt[to.place : to.place + 1]:
            return (*prompt[: to.place], to.message, *prompt[to.place + 1 :])
        return prompt

    def left(self, agent: str, purpose: str) -> PastCall | None:
        """The agent's first recorded call for this purpose that was not made again."""
        return next((call for call in self._calls[agent] if call.chat.purpose == purpose), None)

    def tool(self, agent: str, tool: str, call_id: str) -> Record | None:
        """The `ToolExecuted` of this tool call; None where it never came back."""
        return _next(self._tools[agent, tool, call_id])

    def intended(self, agent: str, tool: str, call_id: str) -> EffectIntended | None:
        """Whether the effect of this tool call was about to be made."""
        return _next(self._intended[agent, tool, call_id])

    def made(self, tool: str, arguments: dict[str, Any]) -> EffectIntended | ToolExecuted | None:
        """What became of this very effect in the attempt that broke off: it came off, or was about to be made."""
        alike = [e for e in self._made if e.tool == tool and e.arguments == arguments]
        intended = next((event for event in alike if isinstance(event, EffectIntended)), None)
        if intended is None:
            return None
        done = next((e for e in alike if isinstance(e, ToolExecuted) and e.call_id == intended.call_id), None)
        self._made = [event for event in self._made if event is not intended and event is not done]
        return done or intended

    def decided(self, agent: str, tool: str) -> Record | None:
        """The `ApprovalDecided` of the agent's next call of this tool."""
        return _next(self._decided[agent, tool])

    def answered(self, agent: str) -> tuple[str, str, float] | None:
        """What a person answered to the agent's next question, who it was, and when."""
        return _next(self._answered[agent])

    def said(self, sender: str, content: str) -> str:
        """What the sender's next message says: `content`, unless this is the event that was changed."""
        record = _next(self._said[sender])
        if record is None or record.seq != self.changed:
            return content
        assert isinstance(record.event, MessageSent)
        return record.event.message.content

    async def pause(self, seconds: float, until: float, now: float) -> None:
        """Let the time pass that something took: `seconds` in simulated time; in real time until the recorded moment,
        without waiting for it."""
        if self.virtual:
            await asyncio.sleep(seconds)
        elif clock.is_virtual():
            await asyncio.sleep(max(0.0, until - now))

    async def present(self) -> None:
        """Return when everything recorded has been done again: before anything is asked of the outside."""
        if self.sealed:
            await asyncio.get_running_loop().create_future()
        await clock.live()


def _next(found: deque[T]) -> T | None:
    return found.popleft() if found else None


def _notes(records: Sequence[Record], seq: int, chat: Chat) -> tuple[Noted, ...]:
    """The notes that came with a reply: those of its agent just before the call's event."""
    found: list[Noted] = []
    for place in range(min(seq, len(records)) - 1, -1, -1):
        event = records[place].event
        if isinstance(event, Noted) and event.agent == chat.agent and event.kind in WITH_REPLIES:
            found.append(event)
        elif getattr(event, "agent", "") == chat.agent:
            break
    return tuple(reversed(found))
