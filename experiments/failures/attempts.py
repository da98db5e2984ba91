"""What a single agent tried at each step of a case's reference solution, and whether it came off: read from a trace by
rules that need no label, so that real runs and simulated ones are read alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from agents.models.simulated.index import Index, skill_of
from experiments.failures.solution import Solution, uses_tool
from tasks.case import Skill, Step
from traces import strict
from traces.kernel import Chat, Record, ToolExecuted

Kind = Literal["right", "careless", "repeats", "role", "early"]
_REFUSAL = re.compile(r"\b(I('m| am) (sorry|unable)|I (can't|cannot|won't) (help|assist|do))\b", re.IGNORECASE)


class Attempt(Struct, frozen=True):
    """`context` and `tools` are how many tokens and tools the agent had before it. `kind`: right; careless (it did not
    find out what the step finds out), repeats (a call made before), role (a tool that it does not have), early (it
    ended without having tried). `labelled`: the model was simulated, and its label says that it erred at this step."""

    step: str
    skill: Skill
    kind: Kind
    context: int
    tools: int
    labelled: bool = False


class Look(Struct, frozen=True):
    """The agent's look at its own work, before an outside effect or at the end: was it right, and was it passed?"""

    right: bool
    passed: bool


class Reading(Struct):
    """One run of a single agent: its attempts, its calls that act (for lengths, times and prices), its looks at its own
    work, and whether it declined to begin."""

    case: str
    attempts: list[Attempt]
    calls: list[Chat]
    looks: list[Look]
    refused: bool


def read_run(records: Iterable[Record], case: str, index: Index) -> Reading:
    """Raises nothing: a run that ended early is read as far as it went."""
    reader = _Reader(index)
    for record in records:
        if isinstance(record.event, Chat) and not record.event.error:
            if record.event.purpose == "act":
                reader.said(record.event)
            elif record.event.purpose == "check":
                reader.looked(record.event)
        elif isinstance(record.event, ToolExecuted):
            reader.did(record.event)
    first = reader.calls[0] if reader.calls else None
    refused = first is not None and not first.tool_calls and bool(_REFUSAL.search(first.text))
    return Reading(case, reader.attempts, reader.calls, reader.looks, refused)


class _Reader:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.solution = Solution(index)
        self.attempts: list[Attempt] = []
        self.calls: list[Chat] = []
        self.looks: list[Look] = []
        self._done: set[str] = set()
        self._made: set[tuple[str, str]] = set()

    def said(self, chat: Chat) -> None:
        """A reply: what it concludes, and whether it is the last."""
        self.calls.append(chat)
        for step in self.index.steps.values():
            if step.tool is None and step.id not in self._done and self._ready(step):
                self._conclude(step, chat)
        if not chat.tool_calls and not _REFUSAL.search(chat.text):
            tried = {attempt.step for attempt in self.attempts}
            left = next((s for s in self.index.steps.values() if s.tool and not s.optional and s.id not in tried), None)
            if left is not None:
                self._note(left, "early")

    def did(self, call: ToolExecuted) -> None:
        """A tool call: which step it serves, or which it should have served."""
        if not self.calls:
            return
        served = [step for step in self._open() if self.solution.serves(step, call)]
        key = (call.tool, repr(sorted(call.arguments.items(), key=str)))
        if served:
            for step in served:
                self._note(step, "right")
                self._done.add(step.id)
        elif key not in self._made and self._serves_done(call):
            pass  # another call has shown it already: not needed, not wrong
        elif self._follows_a_wrong_condition(call):
            pass  # the error was made where it took the condition to hold
        elif (missed := self._meant(call)) is not None:
            unknown = call.tool not in self.calls[-1].tools
            self._note(missed, "role" if unknown else "repeats" if key in self._made else "careless")
        self._made.add(key)

    def looked(self, chat: Chat) -> None:
        """A check of what the last reply is about to do, or of the answer that it gave."""
        try:
            passed = bool(strict.loads(chat.text)["ok"])
        except (ValueError, KeyError, TypeError):
            return
        if self.calls:
            self.looks.append(Look(self._is_right(self.calls[-1]), passed))

    def _is_right(self, chat: Chat) -> bool:
        if not chat.tool_calls:
            return all(self.solution.truths[name] in chat.text for name in self.index.answer_facts)
        return all(
            any(self.solution.is_call(step, call) for step in self.index.steps.values()) for call in chat.tool_calls
        )

    def _open(self) -> list[Step]:
        return [step for step in self.index.steps.values() if step.tool and step.id not in self._done]

    def _serves_done(self, call: ToolExecuted) -> bool:
        return any(self.solution.serves(self.index.steps[step], call) for step in self._done)

    def _ready(self, step: Step) -> bool:
        """Whether the steps that it rests on have come off."""
        return all(self.index.producer[name].id in self._done for name in self.index.needs[step.id])

    def _meant(self, call: ToolExecuted) -> Step | None:
        open_ = [step for step in self._open() if self._ready(step)] or self._open()
        due = [step for step in open_ if not step.optional]
        return next((step for step in open_ if uses_tool(step, call.tool)), due[0] if due else None)

    def _follows_a_wrong_condition(self, call: ToolExecuted) -> bool:
        """Whether it is a call for a step that is not to be done in this case, and for no other."""
        others = [step for step in self.index.every.values() if step.id not in self.index.steps]
        return any(uses_tool(step, call.tool) for step in others) and call.tool not in self.solution.tools

    def _conclude(self, step: Step, chat: Chat) -> None:
        """A conclusion shows where it is said: by its name in the agent's notes, or by its value in the answer."""
        right = all(fact.value in chat.text for fact in step.facts.values())
        noted = any(f"- {name}: " in chat.text for name in step.facts)
        answered = not chat.tool_calls and bool(self.index.answer_facts.intersection(step.facts))
        if noted:
            right = all(f"- {name}: {fact.value}" in chat.text for name, fact in step.facts.items())
        if right:
            self._note(step, "right")
            self._done.add(step.id)
        elif noted or answered:
            self._note(step, "careless")

    def _note(self, step: Step, kind: Kind) -> None:
        chat = self.calls[-1]
        labelled = chat.fault is not None and chat.fault.step == step.id
        tokens = chat.usage.input_tokens
        self.attempts.append(Attempt(step.id, skill_of(step), kind, tokens, len(chat.tools), labelled))
