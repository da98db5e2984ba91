"""Actions: what an agent may call that the team does for it, rather than the world: asking a colleague or a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, Protocol

from msgspec import Struct

from marketplace.bus import Bus
from tools.waiting import Waiting
from traces.kernel import Event, Noted
from traces.past import ASK_PERSON, Past

QUESTION = "{question}\n(A question from {asker}. Answer from what you know, without doing anything new.)"


class Action(Struct, frozen=True, dict=True):
    """A tool by its form. `do` gives the text that comes back, and whether it is trusted."""

    name: str
    description: str
    parameters: dict[str, Any]
    do: Callable[[dict[str, Any]], Awaitable[tuple[str, bool]]]

    @cached_property
    def spec(self) -> dict[str, Any]:
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": self.parameters},
        }


class Person(Protocol):
    """Somebody whom agents may ask. Gives the answer, and who gave it."""

    async def answer(self, agent: str, question: str) -> tuple[str, str]: ...


class NobodyThere:
    """In batch there is no person to ask; the agent is told so and goes on."""

    async def answer(self, agent: str, question: str) -> tuple[str, str]:
        return (
            "No person can be asked now. Go on with what you know, and say in the answer what is left open.",
            "nobody",
        )


class Awaited:
    """A person, for whom a run waits."""

    def __init__(self, person: Person, waiting: Waiting) -> None:
        self._person, self._waiting = person, waiting

    async def answer(self, agent: str, question: str) -> tuple[str, str]:
        with self._waiting.asking():
            return await self._person.answer(agent, question)


class Recalled:
    """A person, whose recorded answers are given again instead of asking anew."""

    def __init__(self, person: Person, past: Past, now: Callable[[], float]) -> None:
        """`now` gives the seconds since the run's start."""
        self._person, self._past, self._now = person, past, now

    async def answer(self, agent: str, question: str) -> tuple[str, str]:
        found = self._past.answered(agent)
        if found is not None:
            text, who, at = found
            await self._past.pause(0.0, at, self._now())
            return text, who
        await self._past.present()
        return await self._person.answer(agent, question)


def ask_colleague(bus: Bus, agent: str, colleagues: Iterable[str]) -> Action:
    """Ask another agent directly, over the bus."""

    async def do(arguments: dict[str, Any]) -> tuple[str, bool]:
        text = QUESTION.format(question=arguments["question"], asker=agent)
        reply = await bus.ask(agent, arguments["colleague"], text, kind="question", trusted=False)
        return reply.content, reply.trusted

    names = [name for name in colleagues if name != agent]
    return Action(
        "ask_colleague",
        "Ask a colleague what they found out, before you find it out again yourself.",
        _form(colleague={"type": "string", "enum": names}, question={"type": "string"}),
        do,
    )


def ask_person(person: Person, record: Callable[[Event], object], agent: str) -> Action:
    """Ask a person: what only they can decide, or what cannot be found out here."""

    async def do(arguments: dict[str, Any]) -> tuple[str, bool]:
        text, who = await person.answer(agent, arguments["question"])
        record(Noted(agent, "escalated", f"asked a person ({who}): {arguments['question']}"))
        return text, True

    return Action(
        ASK_PERSON,
        "Ask a person, where the request cannot be settled with the tools or needs a decision that is not yours.",
        _form(question={"type": "string"}),
        do,
    )


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
