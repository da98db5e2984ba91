"""The bus: order, delivery, replies."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from marketplace.bus import Blocked, Bus, NoReply, Undelivered
from marketplace.inbox import Full
from traces.clock import run
from traces.errors import InputError
from traces.kernel import DeadLetter, Event, Message, MessageSent


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


@pytest.mark.parametrize("full", list(Full))
def test_a_full_inbox_keeps_its_rule(full: Full) -> None:
    async def main() -> None:
        bus, events = _bus("a")
        bus.join("b", capacity=2, full=full)
        for text in "12":
            bus.send("a", text, to="b")
        if full is Full.DROP_OLDEST:
            bus.send("a", "3", to="b")
            assert [(letter.message.content, letter.to) for letter in bus.dead] == [("1", "b")]
            assert [(await bus.receive("b")).content for _ in "23"] == ["2", "3"]
            return
        with pytest.raises(Undelivered, match="a to b: the inbox was full"):
            bus.send("a", "3", to="b")
        assert [letter.message.content for letter in bus.dead] == ["3"]
        assert isinstance(events[-1], DeadLetter)
        if full is Full.REFUSE:
            with pytest.raises(Undelivered):
                await bus.send_when_room("a", "4", to="b")
            return
        waiting = [asyncio.create_task(bus.send_when_room("a", text, to="b")) for text in "456"]
        await asyncio.sleep(1)
        assert not any(task.done() for task in waiting)
        waiting[1].cancel()
        assert [(await bus.receive("b")).content for _ in "1246"] == ["1", "2", "4", "6"]
        assert await asyncio.gather(*waiting, return_exceptions=True)

    run(main(), virtual=True)


def test_a_question_waits_so_long_and_a_late_reply_is_dead() -> None:
    async def main() -> None:
        bus, _ = _bus("boss", "worker")
        with pytest.raises(NoReply, match="worker did not reply to boss within 5 s"):
            await bus.ask("boss", "worker", "well?", within_s=5)
        assert asyncio.get_running_loop().time() == 5
        bus.reply(await bus.receive("worker"), "worker", "42")
        assert [(letter.message.content, letter.reason) for letter in bus.dead] == [("42", "the reply came too late")]

    run(main(), virtual=True)


def test_what_is_sent_to_one_that_left_is_kept_as_dead() -> None:
    bus, events = _bus("a", "b")
    bus.send("a", "hello", to="b")
    bus.leave("b")
    bus.send("a", "all of you")
    assert [(letter.message.content, letter.to) for letter in bus.dead] == [("hello", "b")]
    assert sum(isinstance(event, DeadLetter) for event in events) == 1
    with pytest.raises(InputError, match="no agent 'b'"):
        bus.send("a", "are you there?", to="b")


def test_interceptors_change_or_stop_a_message_and_never_give_trust() -> None:
    def policy(message: Message) -> Message:
        if "secret" in message.content:
            raise Blocked("secrets stay here")
        return message

    def shout(message: Message) -> Message:
        return structs.replace(message, content=message.content.upper(), trusted=True)

    async def main() -> None:
        events: list[Event] = []
        bus = Bus(events.append, interceptors=[policy, shout])
        bus.join("a")
        bus.join("b")
        bus.send("a", "hello", to="b", trusted=False)
        with pytest.raises(Blocked, match="secrets stay here"):
            bus.send("a", "the secret", to="b")
        with pytest.raises(Blocked):
            await bus.ask("a", "b", "the secret?")
        got = await bus.receive("b")
        assert (got.content, got.trusted) == ("HELLO", False)
        assert bus.reply(got, "b", "fine").trusted is False
        assert bus.forward(got, "b", "a").trusted is False
        assert [letter.reason for letter in bus.dead] == ["secrets stay here"] * 2
        ids = [event.message.id for event in events if isinstance(event, MessageSent | DeadLetter)]
        assert ids == sorted(set(ids))

    run(main(), virtual=True)


@settings(max_examples=40, deadline=None)
@given(st.permutations("abcd"), st.lists(st.floats(0, 5), min_size=4, max_size=4))
def test_what_a_round_shows_does_not_depend_on_who_was_quicker(order: list[str], pauses: list[float]) -> None:
    async def agent(bus: Bus, name: str, pause: float, heard: list[tuple[str, str, int]]) -> None:
        for n in range(3):
            await asyncio.sleep(pause)
            bus.send(name, f"{n}")
            bus.send(name, f"{n} again")
            heard += [(message.sender, message.content, message.id) for message in await bus.end_round(name)]

    async def main() -> list[tuple[str, str, int]]:
        bus = Bus(lambda event: None)
        for name in "abcd":
            bus.join(name)
        heard: list[tuple[str, str, int]] = []
        others: list[tuple[str, str, int]] = []
        with bus.rounds("abcd"):
            async with asyncio.TaskGroup() as group:
                for name, pause in zip(order, pauses, strict=True):
                    group.create_task(agent(bus, name, pause, heard if name == "a" else others))
        return heard

    heard = run(main(), virtual=True)
    assert [content[0] for _, content, _ in heard] == ["0"] * 6 + ["1"] * 6 + ["2"] * 6
    assert heard == sorted(heard, key=lambda h: h[2])
    assert [sender for sender, _, _ in heard[:6]] == ["b", "b", "c", "c", "d", "d"]


def test_rounds_go_on_without_who_left_and_keep_nothing_back() -> None:
    async def main() -> None:
        bus, events = _bus("a", "b", "judge")
        with bus.rounds("ab"):
            with pytest.raises(InputError, match="there are rounds on this bus already"), bus.rounds("ab"):
                pass
            with pytest.raises(InputError, match="'judge' takes part in no rounds"):
                await bus.end_round("judge")
            with pytest.raises(InputError, match="in rounds a reply can come in the next round"):
                await bus.ask("a", "b", "well?")
            bus.send("a", "hello", to="judge")
            ended = asyncio.create_task(bus.end_round("a"))
            await asyncio.sleep(1)
            assert not ended.done()
            assert not events
            bus.leave("b")
            assert await ended == []
            bus.send("a", "one more thing", to="judge")
        assert [(await bus.receive("judge")).content for _ in "12"] == ["hello", "one more thing"]
        bus.send("a", "at once", to="judge")
        assert (await bus.receive("judge")).content == "at once"

    run(main(), virtual=True)


@pytest.mark.parametrize(
    ("full", "answered"),
    [(Full.WAIT, ["1", "2", "3"]), (Full.DROP_OLDEST, ["1", "3"]), (Full.REFUSE, ["1", "2"])],
)
def test_who_asks_hears_of_a_question_that_a_full_inbox_did_not_keep(full: Full, answered: list[str]) -> None:
    async def main() -> None:
        bus, _ = _bus("boss")
        bus.join("worker", capacity=1, full=full)

        async def work() -> None:
            while True:
                question = await bus.receive("worker")
                await asyncio.sleep(5)
                bus.reply(question, "worker", question.content)

        working = asyncio.create_task(work())
        asking = []
        for text in "123":
            asking.append(asyncio.create_task(bus.ask("boss", "worker", text, within_s=60)))
            await asyncio.sleep(1)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        working.cancel()
        assert [answer.content for answer in answers if isinstance(answer, Message)] == answered
        assert all(isinstance(answer, Message | Undelivered) for answer in answers)

    run(main(), virtual=True)


def test_who_asks_hears_that_the_other_left() -> None:
    async def main() -> None:
        bus, _ = _bus("boss", "worker")
        asking = asyncio.create_task(bus.ask("boss", "worker", "well?"))
        await asyncio.sleep(1)
        bus.leave("worker")
        with pytest.raises(Undelivered, match="boss to worker: left without receiving it"):
            await asking

    run(main(), virtual=True)
