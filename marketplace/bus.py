"""The bus: typed messages between agents, direct, by topic or to all, in one total order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import msgspec

from marketplace.inbox import Full, Inbox
from traces.errors import HeadcountError, InputError
from traces.kernel import DeadLetter, Event, Message, MessageSent

EVERYONE = "*"
KEPT = 1000

Interceptor = Callable[[Message], Message]
"""Sees each message before it is recorded and delivered: gives it back, gives back a changed one, or raises Blocked.
It may take a message's trust away, never give it."""


class Undelivered(HeadcountError):
    """A message to one agent could not be delivered; it is kept as a dead letter."""


class Blocked(Undelivered):
    """An interceptor did not let a message pass."""


class NoReply(HeadcountError):
    """A question was not answered in time."""


class Bus:
    """Delivers each message, in the order sent, to its recipient or to everyone who joined its topic.

    Every message is recorded before it is delivered, so its `id` (from 1) is its place in the run's total order; those
    of one sender arrive everywhere in the order in which it sent them. What cannot be delivered is a dead letter: it is
    recorded with the reason, and the last thousand are in `dead`.
    """

    def __init__(self, record: Callable[[Event], object], *, interceptors: Sequence[Interceptor] = ()) -> None:
        self._record = record
        self._interceptors = tuple(interceptors)
        self._held: list[Message] | None = None
        self._taking_part: frozenset[str] = frozenset()
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._topics: dict[str, list[str]] = {EVERYONE: []}
        self._replies: dict[int, asyncio.Future[Message] | None] = {}
        self.dead: deque[DeadLetter] = deque(maxlen=KEPT)
        self.sent = 0

    def join(
        self, name: str, topics: Iterable[str] = (), *, capacity: int | None = None, full: Full = Full.REFUSE
    ) -> None:
        """Give `name` an inbox, and subscribe it to `topics`; everyone hears the topic "*". `full` says what happens to
        a message when `capacity` of them are waiting to be received; None is no bound."""
        if name in self._inboxes:
            raise InputError(f"there is already an agent {name!r} on the bus")
        self._inboxes[name] = Inbox(capacity, full)
        self.subscribe(name, EVERYONE, *topics)

    def subscribe(self, name: str, *topics: str) -> None:
        """From now on `name` hears these topics too."""
        for topic in topics:
            names = self._topics.setdefault(topic, [])
            if name not in names:
                names.append(name)

    def leave(self, name: str) -> None:
        """Take `name` off the bus. What it has not received is dead, and so is what is sent to it from now on."""
        for message in self._inboxes.pop(name).close():
            self._lose(message, name, "left without receiving it")
        for names in self._topics.values():
            if name in names:
                names.remove(name)
        self._release_if_all_ended()

    def send(
        self,
        sender: str,
        content: str,
        *,
        to: str | None = None,
        topic: str | None = None,
        kind: str = "say",
        reply_to: int | None = None,
        trusted: bool = True,
    ) -> Message:
        """Send to one agent (`to`) or to a `topic`. Raises InputError where there is no such recipient, Blocked where
        an interceptor says so, Undelivered where the recipient's inbox is full and does not drop its oldest.

        Of a topic, those whose inbox is full go without. In a round, the message has the id 0 until the round ends.
        """
        if to is not None and to not in self._inboxes:
            raise InputError(f"no agent {to!r} on the bus; there are: {', '.join(self._inboxes)}")
        message = Message(self.sent + 1, sender, kind, content, to, topic, reply_to, trusted)
        if self._interceptors:
            message = self._intercepted(message)
        if self._held is not None:
            message = msgspec.structs.replace(message, id=0)
            self._held.append(message)
            return message
        return self._deliver(message)

    async def send_when_room(
        self, sender: str, content: str, *, to: str, kind: str = "say", trusted: bool = True
    ) -> Message:
        """`send` to one agent, after waiting for a place in its inbox where that is full and its rule is to wait. Those
        who wait get places in the order in which they came."""
        async with self._room(to):
            return self.send(sender, content, to=to, kind=kind, trusted=trusted)

    @asynccontextmanager
    async def _room(self, to: str) -> AsyncIterator[None]:
        inbox = self._inboxes.get(to)
        if inbox is None or inbox.full is not Full.WAIT:
            yield
            return
        async with inbox.place():
            yield

    async def receive(self, name: str) -> Message:
        """The next message for `name`; waits for one."""
        return await self._inboxes[name].get()

    async def ask(
        self,
        sender: str,
        to: str,
        content: str,
        *,
        kind: str = "ask",
        trusted: bool = True,
        within_s: float | None = None,
    ) -> Message:
        """Send, and wait for the reply (a message whose `reply_to` is this one's id), at most `within_s` seconds of the
        run's clock: then NoReply is raised, and a reply that comes later is dead. Where the inbox is full and its rule
        is to wait, a place is waited for first. Raises Undelivered where the message does not reach, or is dropped."""
        if self._held is not None:
            raise InputError("in rounds a reply can come in the next round at the soonest: send, and end the round")
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        number = 0
        try:
            async with asyncio.timeout(within_s):
                async with self._room(to):
                    number = self.sent + 1
                    self._replies[number] = reply
                    self.send(sender, content, to=to, kind=kind, trusted=trusted)
                return await reply
        except TimeoutError:
            if number:
                self._replies[number] = None
            raise NoReply(f"{to} did not reply to {sender} within {within_s:g} s") from None
        except Undelivered:
            self._replies.pop(number, None)
            raise

    def reply(
        self, to: Message, sender: str, content: str, *, kind: str = "reply", trusted: bool | None = None
    ) -> Message:
        """Answer a message. The answer is trusted no more than the question, unless `trusted` says so."""
        trusted = to.trusted if trusted is None else trusted
        return self.send(sender, content, to=to.sender, kind=kind, reply_to=to.id, trusted=trusted)

    def forward(self, message: Message, sender: str, to: str) -> Message:
        """Pass a message on as it is; its mark of trust stays with it."""
        return self.send(sender, message.content, to=to, kind=message.kind, trusted=message.trusted)

    @contextmanager
    def rounds(self, names: Iterable[str]) -> Iterator[None]:
        """While inside, what is sent is held until each of `names`, as far as they are still on the bus, has ended the
        round (`end_round`), and is then delivered ordered by sender. What agents hear does not depend on who of them
        was quicker in the round. What is held when the rounds are over is delivered then."""
        if self._held is not None:
            raise InputError("there are rounds on this bus already")
        self._held, self._taking_part = [], frozenset(names)
        try:
            yield
        finally:
            self._next_round()
            self._held, self._taking_part = None, frozenset()

    async def end_round(self, name: str) -> list[Message]:
        """Wait until everyone who takes part has ended the round; what was sent to `name` in it."""
        if name not in self._taking_part:
            raise InputError(f"{name!r} takes part in no rounds")
        ended = self._ended[name] = asyncio.get_running_loop().create_future()
        self._release_if_all_ended()
        await ended
        return self._inboxes[name].take()

    def _next_round(self) -> None:
        """Deliver what was held, ordered by sender and each sender's own order, and go on with everyone in the order in
        which they joined."""
        held, self._held = sorted(self._held or (), key=lambda message: message.sender), None
        try:
            for message in held:
                self._deliver(msgspec.structs.replace(message, id=self.sent + 1), strict=False)
        finally:
            self._held = []
        for name in self._inboxes:
            ended = self._ended.pop(name, None)
            if ended is not None and not ended.done():
                ended.set_result(None)

    def _release_if_all_ended(self) -> None:
        if self._ended and self._taking_part & self._inboxes.keys() <= self._ended.keys():
            self._next_round()

    def _intercepted(self, message: Message) -> Message:
        seen = message
        try:
            for interceptor in self._interceptors:
                seen = interceptor(seen)
        except Blocked as blocked:
            self.sent += 1
            self._bury(message, message.to or message.topic or EVERYONE, str(blocked))
            raise
        return msgspec.structs.replace(seen, trusted=False) if seen.trusted and not message.trusted else seen

    def _deliver(self, message: Message, *, strict: bool = True) -> Message:
        self.sent += 1
        self._record(MessageSent(message))
        if message.reply_to is not None and message.reply_to in self._replies:
            self._hand_over(message, message.reply_to)
        elif message.to is None:
            for name in self._topics.get(message.topic or EVERYONE, ()):
                if name != message.sender:
                    self._put(message, name)
        else:
            lost = self._put(message, message.to)
            if lost and strict:
                raise Undelivered(f"{message.sender} to {message.to}: {lost}")
        return message

    def _hand_over(self, message: Message, question: int) -> None:
        waiting = self._replies.pop(question)
        if waiting is None or waiting.done():
            self._bury(message, message.to or "", "the reply came too late")
        else:
            waiting.set_result(message)

    def _put(self, message: Message, name: str) -> str:
        """Why it could not be delivered; "" where it was."""
        inbox = self._inboxes.get(name)
        if inbox is None:
            return self._bury(message, name, "left before it came")
        if inbox.has_room:
            inbox.put(message)
            return ""
        if inbox.full is Full.DROP_OLDEST:
            self._lose(inbox.drop(), name, "dropped for a newer one: the inbox was full")
            inbox.put(message)
            return ""
        return self._bury(message, name, "the inbox was full")

    def _lose(self, message: Message, name: str, reason: str) -> None:
        """It had been delivered, and will not be received: who waits for a reply to it is told."""
        self._bury(message, name, reason)
        waiting = self._replies.pop(message.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(Undelivered(f"{message.sender} to {name}: {reason}"))

    def _bury(self, message: Message, to: str, reason: str) -> str:
        letter = DeadLetter(message, to, reason)
        self.dead.append(letter)
        self._record(letter)
        return reason
