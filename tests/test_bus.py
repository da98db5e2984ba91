"""The bus: order, delivery, replies."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.bus import Bus
from traces.clock import run
from traces.errors import InputError
from traces.kernel import Event, MessageSent


def _bus(*names: str) -> tuple[Bus, list[Event]]:
    events: list[Event] = []
    bus = Bus(events.append)
    for name in names:
        bus.join(name)
    return bus, events


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", None]), st.text(max_size=5))))
def test_every_message_arrives_once_in_the_order_sent(script: list[tuple[str, str | None, str]]) -> None:
    async def main() -> None:
        bus, events = _bus("a", "b", "c")
        for sender, to, text in script:
            bus.send(sender, text, to=to)
        recorded = [event.message for event in events if isinstance(event, MessageSent)]
        assert [m.id for m in recorded] == list(range(1, len(script) + 1))
        for name in "abc":
            due = [m for m in recorded if m.to == name or (m.to is None and m.sender != name)]
            assert [await bus.receive(name) for _ in due] == due

    run(main(), virtual=True)


def test_a_reply_reaches_who_asked_and_not_the_inbox() -> None:
    async def main() -> None:
        bus, _ = _bus("boss", "worker")

        async def work() -> None:
            question = await bus.receive("worker")
            await asyncio.sleep(3)
            bus.reply(question, "worker", "42", trusted=False)

        task = asyncio.create_task(work())
        answer = await bus.ask("boss", "worker", "what is it?")
        await task
        assert (answer.content, answer.sender, answer.reply_to, answer.trusted) == ("42", "worker", 1, False)
        bus.send("worker", "next", to="boss")
        assert (await bus.receive("boss")).content == "next"

    run(main(), virtual=True)


def test_a_topic_reaches_its_subscribers_alone() -> None:
    async def main() -> None:
        bus, _ = _bus("a", "b")
        bus.join("c", topics=["prices"])
        bus.send("a", "up", topic="prices")
        bus.send("a", "only for b", to="b")
        assert (await bus.receive("c")).content == "up"
        assert (await bus.receive("b")).content == "only for b"

    run(main(), virtual=True)


def test_an_unknown_recipient_is_named_with_those_there_are() -> None:
    bus, events = _bus("a", "b")
    with pytest.raises(InputError, match=r"no agent 'z'.*a, b"):
        bus.send("a", "hello", to="z")
    assert events == []
    with pytest.raises(InputError, match="already"):
        bus.join("a")
