"""What a simulated model sees: everything it believes comes out of the messages that it was sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from agents import memory
from agents.models.simulated.index import Index, skill_of
from tasks.reading import Known
from traces.kernel import ChatMessage, ToolCall
from traces.wording import SOURCE

_NOTE = re.compile(rf"^- ([^\s:]+): (.+?)(?: \[({SOURCE}#\d+)\])?$", re.MULTILINE)
_PROBLEM = re.compile(r"^\* ([^\s:]+): ", re.MULTILINE)
_SUBTASK = re.compile(r"^\[subtask: ([^\s\]]+)\]", re.MULTILINE)
_HOLDER = re.compile(r"^\[done: ([^\s\]]+)\] by (\S+)$", re.MULTILINE)
_PEER = re.compile(r"^\[proposal by \S+\]$", re.MULTILINE)
_HELD_BACK = "Held back by your own check"


class Parsed(Struct, frozen=True):
    notes: tuple[tuple[str, Known], ...]
    problems: tuple[str, ...]
    subtasks: tuple[str, ...]
    holders: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=65536)
def parse(text: str) -> Parsed:
    """The notes ("- name: value [source]"), problems ("* name: reason"), subtasks, and who did which, in a message."""
    notes = tuple((m[1], Known(m[2], m[3] or "")) for m in _NOTE.finditer(text)) if "- " in text else ()
    problems = tuple(m[1] for m in _PROBLEM.finditer(text)) if "* " in text else ()
    subtasks = tuple(_SUBTASK.findall(text)) if "[subtask: " in text else ()
    holders = tuple((m[1], m[2]) for m in _HOLDER.finditer(text)) if "[done: " in text else ()
    return Parsed(notes, problems, subtasks, holders)


def note(name: str, known: Known) -> str:
    return f"- {name}: {known.value}" + (f" [{known.source}]" if known.source else "")


class View:
    """beliefs: fact → what was last said of it, unless it was disputed since or rests on something that changed.
    attempts: step → its calls in sight. results: what the newest calls gave back, not yet read.
    scope: the subtasks at hand. own: facts that it noted itself. holders: who did which subtask. disputed: facts that
    somebody found fault with, not settled since, as they were held. peers: what each of the others proposes, in the
    newest message, while it is not answered."""

    def __init__(self, messages: Sequence[ChatMessage], index: Index) -> None:
        self.index = index
        self.messages = messages
        self.tokens = sum(map(memory.size, messages))
        self.beliefs: dict[str, Known] = {}
        self.own: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.results: list[tuple[ToolCall, str]] = []
        self.calls: list[ToolCall] = []
        self.holders: dict[str, str] = {}
        self.disputed: dict[str, Known] = {}
        self.peers: list[dict[str, Known]] = []
        self.scope: tuple[str, ...] = tuple(index.subtasks)
        for message in messages:
            self._take(message)

    def _take(self, message: ChatMessage) -> None:
        if message.role == "assistant":
            self._said(message)
        elif message.role == "tool":
            self._result(message)
        elif message.role == "user":
            told, *peers = _PEER.split(message.content) if "[proposal by " in message.content else [message.content]
            self.peers = list(map(self._proposed, peers))
            self._told(parse(told))

    def _said(self, message: ChatMessage) -> None:
        self.peers = []
        if message.content or not message.tool_calls:  # else what it noted was dropped, and it reads again
            self.results = []
        for name, known in parse(message.content).notes:
            if name in self.index.finder:
                self.believe(name, known)
                self.own.add(name)
        if not message.tool_calls:
            for name, value in self.index.concluded(message.content).items():
                self.believe(name, Known(value))
                self.own.add(name)
        for call in message.tool_calls:
            step, _, attempt = call.id.rpartition(".")
            self.attempts[step] = max(self.attempts.get(step, 0), int(attempt) if attempt.isdigit() else 1)
            self.calls.append(call)

    def _result(self, message: ChatMessage) -> None:
        call = next((c for c in reversed(self.calls) if c.id == message.tool_call_id), None)
        if message.trusted and message.content.startswith(_HELD_BACK):
            for name in parse(message.content).problems:
                self.dispute(name)
        elif call is not None:
            self.results.append((call, message.content))

    def _told(self, parsed: Parsed) -> None:
        scope = tuple(name for name in parsed.subtasks if name in self.index.subtasks)
        if scope:
            self.scope = scope
        self.holders.update(parsed.holders)
        for name in parsed.problems:
            self.dispute(name)
        for name, known in parsed.notes:
            if name in self.index.finder:
                self.believe(name, known)
                self.own.discard(name)

    def _proposed(self, text: str) -> dict[str, Known]:
        """What somebody's proposal says, and what its author noted on the way."""
        said = self.index.concluded(text.partition("\n\nIt rests on:")[0])
        return {**dict(parse(text).notes), **{name: Known(value) for name, value in said.items()}}

    @property
    def whole(self) -> bool:
        """Whether the whole job is at hand, not a part of it."""
        return len(self.scope) >= len(self.index.subtasks)

    def believe(self, name: str, known: Known) -> None:
        """Take a fact as known; what rested on another value of it is no longer."""
        self.disputed.pop(name, None)
        before = self.beliefs.get(name)
        if before is not None and before.value != known.value:
            for later in self.index.rests_on(name):
                self.beliefs.pop(later, None)
        self.beliefs[name] = known

    def dispute(self, name: str) -> None:
        """Somebody says that this is wrong: it must be found out again, and so must what rests on it. What was done
        stays done."""
        for fact in self.index.facts_about(name):
            if skill_of(self.index.finder[fact]) == "act":
                continue
            if fact in self.beliefs:
                self.disputed[fact] = self.beliefs[fact]
            for gone in {fact} | self.index.rests_on(fact):
                self.beliefs.pop(gone, None)

    def in_sight(self, value: str) -> bool:
        return any(value in message.content for message in self.messages)
