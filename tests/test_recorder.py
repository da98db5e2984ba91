"""The recorder orders and times events; prompts are recorded as what is new in them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import clock, journal
from traces.errors import TraceError
from traces.journal import Journal
from traces.kernel import Chat, ChatMessage, Message, MessageSent, Noted, Record, RunFinished, Usage
from traces.prompts import PromptDelta, prompt_at
from traces.recorder import Recorder


def recorded(texts: list[str], path: Path | None = None) -> Recorder:
    async def main() -> Recorder:
        await asyncio.sleep(3)
        recorder = Recorder(7, Journal(path) if path else None, keep=True)
        for seq, text in enumerate(texts):
            assert recorder.record(Noted("a", "note", text)) == seq
            await asyncio.sleep(0.1)
        recorder.sync()
        return recorder

    return clock.run(main(), virtual=True)


def test_the_journal_holds_what_was_recorded(tmp_path: Path) -> None:
    recorder = recorded(["one", "two", "three"], tmp_path / "journal-0.jsonl")
    read = [record for record, _ in journal.read(tmp_path / "journal-0.jsonl")]
    assert [(r.run, r.seq, r.t, r.event) for r in read] == [(r.run, r.seq, r.t, r.event) for r in recorder.records]
    assert [r.t for r in read] == [0.0, 0.1, 0.2]
    assert recorder.events == 3


def test_the_digest_is_of_events_and_times_not_of_wall_clocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = recorded(["a", "b"])
    monkeypatch.setattr("traces.recorder.time.time", lambda: 1.0)
    second = recorded(["a", "b"], tmp_path / "journal-0.jsonl")
    assert second.records[0].wall == 1.0
    assert first.records[0].wall != 1.0
    assert first.digest == second.digest
    assert recorded(["a", "c"]).digest != first.digest


def test_messages_are_counted() -> None:
    async def main() -> Recorder:
        recorder = Recorder(0)
        recorder.record(MessageSent(Message(1, "a", "say", "hello", to="b")))
        recorder.record(Noted("a", "note", "no message"))
        return recorder

    assert clock.run(main(), virtual=True).messages == 1


def test_text_that_is_not_unicode_is_recorded_with_a_replacement_character(tmp_path: Path) -> None:
    recorded(["half \ud83d a pair", "whole \ud83d\ude00 pair"], tmp_path / "journal-0.jsonl")
    events = [record.event for record, _ in journal.read(tmp_path / "journal-0.jsonl")]
    assert events == [Noted("a", "note", "half \ufffd a pair"), Noted("a", "note", "whole \U0001f600 pair")]


def test_the_clock_starts_at_the_first_event_if_there_was_no_loop_yet() -> None:
    recorder = Recorder(0, keep=True)

    async def main() -> None:
        await asyncio.sleep(5)
        recorder.record(Noted("a", "note", "x"))
        await asyncio.sleep(1)
        recorder.record(Noted("a", "note", "y"))

    clock.run(main(), virtual=True)
    assert [record.t for record in recorder.records] == [0.0, 1.0]


chat_messages = st.builds(ChatMessage, role=st.sampled_from(["user", "assistant"]), content=st.sampled_from("abc"))
prompts = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.lists(chat_messages, max_size=5)), max_size=8)


@given(prompts)
def test_every_prompt_can_be_put_together_again(calls: list[tuple[str, list[ChatMessage]]]) -> None:
    deltas = PromptDelta()
    records = []
    for seq, (agent, messages) in enumerate(calls):
        kept, added = deltas.delta(agent, messages)
        records.append(Record(0, seq, 0.0, 0.0, Chat(agent, "act", "m", kept, added, "ok", Usage())))
    assert [prompt_at(records, seq) for seq in range(len(calls))] == [tuple(messages) for _, messages in calls]


def test_a_growing_prompt_is_recorded_once() -> None:
    deltas = PromptDelta()
    talk = [ChatMessage("user", str(n)) for n in range(10)]
    sizes = [len(deltas.delta("a", talk[:n])[1]) for n in range(1, 11)]
    assert sizes == [1] * 10


def test_a_prompt_is_asked_for_only_where_there_is_one() -> None:
    some = [Record(0, 0, 0.0, 0.0, Noted("a", "note", "x"))]
    with pytest.raises(TraceError, match="event 0 is not a model call"):
        prompt_at(some, 0)
    torn = [Record(0, 0, 0.0, 0.0, Chat("a", "act", "m", 2, (), "ok", Usage()))]
    with pytest.raises(TraceError, match="not in this trace"):
        prompt_at(torn, 0)


def lines(path: Path) -> int:
    return len(list(journal.read(path))) if path.exists() else 0


@pytest.mark.parametrize("virtual", [True, False])
def test_a_simulated_run_is_written_in_batches_and_any_other_event_by_event(tmp_path: Path, virtual: bool) -> None:
    path = tmp_path / "journal-0.jsonl"

    async def main() -> list[int]:
        with Journal(path) as log:
            recorder = Recorder(0, log)
            seen = []
            for seq in range(3):
                recorder.record(Noted("a", "note", str(seq)))
                seen.append(lines(path))
            recorder.sync()
            seen.append(lines(path))
            recorder.record(Noted("a", "note", "the last but one"))
            recorder.record(RunFinished("completed", "done", "", Usage(), 0.0, 0))
            return [*seen, lines(path)]

    assert clock.run(main(), virtual=virtual) == ([0, 0, 0, 3, 5] if virtual else [1, 2, 3, 3, 5])


@given(st.integers(1, 200))
def test_the_digest_is_the_same_however_events_are_batched(count: int) -> None:
    async def digest(ask: bool) -> str:
        recorder = Recorder(0)
        for seq in range(count):
            recorder.record(Noted("a", "note", str(seq)))
            if ask:
                assert recorder.digest
        return recorder.digest

    assert clock.run(digest(True), virtual=True) == clock.run(digest(False), virtual=True)
