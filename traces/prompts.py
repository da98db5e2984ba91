"""Prompts in a trace: each model call records only what is new since the same agent's previous one.

An agent's prompts mostly grow at their end; written out in full, a run's trace would grow with their square.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from traces.errors import TraceError
from traces.kernel import Chat, ChatMessage, Record


class PromptDelta:
    """The last prompt of each agent of one run."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[ChatMessage, ...]] = {}

    def delta(self, agent: str, messages: Sequence[ChatMessage]) -> tuple[int, tuple[ChatMessage, ...]]:
        """How many messages at the start are those of the agent's previous prompt, and the messages after them: the
        `kept` and `added` of the `Chat` to record. Each call of the agent must be recorded, in the order of calls."""
        last = self._last.get(agent, ())
        now = tuple(messages)
        self._last[agent] = now
        kept = 0
        for old, new in zip(last, now, strict=False):
            if old is not new and old != new:
                break
            kept += 1
        return kept, now[kept:]


def prompts(records: Iterable[Record]) -> Iterator[tuple[Record, Chat, tuple[ChatMessage, ...]]]:
    """Each model call of a run with its full prompt, from the run's records in order of `seq`. Raises TraceError where
    a prompt continues one that is not there."""
    last: dict[str, tuple[ChatMessage, ...]] = {}
    for record in records:
        event = record.event
        if isinstance(event, Chat):
            before = last.get(event.agent, ())
            if event.kept > len(before):
                raise TraceError(f"event {record.seq}: the prompt that it continues is not in this trace")
            last[event.agent] = before[: event.kept] + event.added
            yield record, event, last[event.agent]


def prompt_at(records: Iterable[Record], seq: int) -> tuple[ChatMessage, ...]:
    """The full prompt of the model call recorded as event `seq`, from one run's records in order of `seq` (those
    after it may be missing). Raises TraceError if there is no model call there."""
    for record, _, prompt in prompts(records):
        if record.seq == seq:
            return prompt
        if record.seq > seq:
            break
    raise TraceError(f"event {seq} is not a model call")


def sources(kept: Sequence[int], call: int) -> list[int]:
    """Which of an agent's calls the prompt of its call number `call` is made of, from the `kept` of its calls in their
    order: their numbers, ascending, `call` the last. `prompt_at` needs the records of no others."""
    found, needed = [call], kept[call]
    for earlier in range(call - 1, -1, -1):
        if not needed:
            break
        if kept[earlier] < needed:
            found.append(earlier)
            needed = kept[earlier]
    return found[::-1]
