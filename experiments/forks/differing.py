"""Where what happens differs from what was recorded, in words."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, structs

from experiments.reading.steps import headline
from traces.kernel import ChatMessage, Event, Record
from traces.past import Past
from traces.rerecorder import Difference

AROUND = 60


class Verified(Struct, frozen=True):
    """A run that was done again. `step` is the first at which something else came (None: all is the same), `recorded`
    and `now` say what, and `where` in which part of it."""

    run: int
    case: str
    team: str
    steps: int
    step: int | None = None
    recorded: str = ""
    now: str = ""
    where: str = ""

    @property
    def same(self) -> bool:
        return self.step is None


def explained(same: Verified, difference: Difference, past: Past) -> Verified:
    """The difference: of a prompt, where one was made that is not recorded; else of the event."""
    for agent, purpose, prompt in past.unmatched:
        call = past.left(agent, purpose)
        if call is not None and call.record.seq <= difference.seq:
            return structs.replace(
                same,
                step=call.record.seq,
                recorded=headline(call.record),
                now=f"{agent} is asked something else ({purpose})",
                where=_of_prompts(call.prompt, prompt),
            )
    where = ""
    if type(difference.recorded) is type(difference.now):
        where = _where(msgspec.to_builtins(difference.recorded), msgspec.to_builtins(difference.now))
    return structs.replace(
        same,
        step=difference.seq,
        recorded=_line(difference.recorded, "the run was over"),
        now=_line(difference.now, "that never came"),
        where=where or "at another time",
    )


def _line(event: Event | None, nothing: str) -> str:
    return nothing if event is None else headline(Record(0, 0, 0.0, 0.0, event))


def _of_prompts(old: tuple[ChatMessage, ...], new: tuple[ChatMessage, ...]) -> str:
    for number, (before, now) in enumerate(zip(old, new, strict=False)):
        if before != now:
            place = _where(msgspec.to_builtins(before), msgspec.to_builtins(now))
            return f"message {number} of the prompt ({before.role}): {place}"
    return f"the prompt has {len(new)} messages, recorded were {len(old)}"


def _where(old: Any, new: Any, path: str = "") -> str:
    """The first part in which two values differ, and how."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if old.get(name) != new.get(name):
                return _where(old.get(name), new.get(name), f"{path}.{name}" if path else str(name))
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        for number, (before, now) in enumerate(zip(old, new, strict=False)):
            if before != now:
                return _where(before, now, f"{path}.{number}")
    if old == new:
        return ""
    before, now = _around(str(old), str(new))
    return f"{path or 'it'} was {before!r}, is {now!r}"


def _around(old: str, new: str) -> tuple[str, str]:
    """Both texts from a little before their first difference."""
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, first - AROUND // 2)
    return tuple(f"{'…' if start else ''}{t[start : start + AROUND]}" for t in (old, new))  # type: ignore[return-value]
