"""Reviews in a trace, held against the case's reference solution: was what the reviewer was shown right, and what did
it say? Needs no label of an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from agents.models.simulated.forms import wrong_in
from agents.models.simulated.index import Index
from agents.models.simulated.view import View, parse
from traces import strict
from traces.kernel import Chat, ChatMessage, Record

OTHERS = ("review", "attack")
"""The purposes of a look at somebody else's work; `check` is a look at one's own."""


class Look(Struct, frozen=True):
    """One review, event `seq` of the run. `wrong`: the facts or steps that are wrong or missing in what was shown;
    `named`: what it found fault with; `own`: it looked at its own work."""

    seq: int
    agent: str
    own: bool
    wrong: tuple[str, ...]
    passed: bool
    named: tuple[str, ...] = ()

    @property
    def caught(self) -> bool:
        """It was shown wrong work and did not let it pass."""
        return bool(self.wrong) and not self.passed

    @property
    def false_alarm(self) -> bool:
        """It was shown right work and sent it back."""
        return not self.wrong and not self.passed


def prompts(records: Iterable[Record]) -> Iterator[tuple[Record, Chat, tuple[ChatMessage, ...]]]:
    """Every model call of a run that came off, with its whole prompt, in order."""
    last: dict[str, tuple[ChatMessage, ...]] = {}
    for record in records:
        chat = record.event
        if isinstance(chat, Chat):
            prompt = last.get(chat.agent, ())[: chat.kept] + chat.added
            last[chat.agent] = prompt
            if not chat.error:
                yield record, chat, prompt


def looks(records: Iterable[Record], index: Index) -> list[Look]:
    """The reviews of a run that can be judged: of work on known parts of the case, with an answer that can be read."""
    found = (look(r.seq, chat, prompt, index) for r, chat, prompt in prompts(records) if is_look(chat))
    return [one for one in found if one is not None]


def is_look(chat: Chat) -> bool:
    return chat.purpose in OTHERS or chat.purpose == "check"


def look(seq: int, chat: Chat, prompt: Sequence[ChatMessage], index: Index) -> Look | None:
    """One call as a review; None where it cannot be judged."""
    said = _reply(chat.text)
    if said is None or not prompt or not _known_parts(prompt[-1].content, index):
        return None
    wrong = tuple(name for name, _ in wrong_in(View(prompt, index)))
    problems = said.get("problems")
    named = (
        tuple(str(p.get("about", "")) for p in problems if isinstance(p, dict)) if isinstance(problems, list) else ()
    )
    return Look(seq, chat.agent, chat.purpose == "check", wrong, bool(said["ok"]), named)


def _reply(text: str) -> dict[str, Any] | None:
    try:
        said = strict.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "ok" in said else None


def _known_parts(text: str, index: Index) -> bool:
    """Whether the work under review is the whole job or a part that the case knows: a real planner cuts it in its own
    way, and what such a part must hold is not known."""
    return all(name in index.subtasks for name in parse(text).subtasks)
