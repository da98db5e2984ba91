"""The bus: typed messages between agents, direct, by topic or to all, in one total order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from traces.errors import InputError
from traces.kernel import Event, Message, MessageSent

EVERYONE = "*"


class Bus:
    """Delivers each message, in the order sent, to its recipient or to everyone who joined its topic.

    Every message is recorded before it is delivered, so its `id` (from 1) is its place in the run's total order.
    """

    def __init__(self, record: Callable[[Event], object], said: Callable[[str, str], str] | None = None) -> None:
        """`said(sender, content)` is what is said in place of `content`."""
        self._record, self._said = record, said
        self._inboxes: dict[str, asyncio.Queue[Message]] = {}
        self._topics: dict[str, list[str]] = {EVERYONE: []}
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self.sent = 0

    def join(self, name: str, topics: Iterable[str] = ()) -> None:
        """Give `name` an inbox, and subscribe it to `topics`; everyone hears the topic "*"."""
        if name in self._inboxes:
            raise InputError(f"there is already an agent {name!r} on the bus")
        self._inboxes[name] = asyncio.Queue()
        for topic in (EVERYONE, *topics):
            self._topics.setdefault(topic, []).append(name)

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
        """Send to one agent (`to`) or to a `topic`. Raises InputError where there is no such recipient."""
        if to is not None and to not in self._inboxes:
            raise InputError(f"no agent {to!r} on the bus; there are: {', '.join(self._inboxes)}")
        self.sent += 1
        if self._said is not None:
            content = self._said(sender, content)
        message = Message(self.sent, sender, kind, content, to, topic, reply_to, trusted)
        self._record(MessageSent(message))
        waiting = self._replies.pop(reply_to, None) if reply_to is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
            return message
        names = [to] if to is not None else [n for n in self._topics.get(topic or EVERYONE, ()) if n != sender]
        for name in names:
            self._inboxes[name].put_nowait(message)
        return message

    async def receive(self, name: str) -> Message:
        """The next message for `name`; waits for one."""
        return await self._inboxes[name].get()

    async def ask(self, sender: str, to: str, content: str, *, kind: str = "ask", trusted: bool = True) -> Message:
        """Send, and wait for the reply (a message whose `reply_to` is this one's id)."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[self.sent + 1] = reply
        self.send(sender, content, to=to, kind=kind, trusted=trusted)
        return await reply

    def reply(self, to: Message, sender: str, content: str, *, kind: str = "reply", trusted: bool = True) -> Message:
        return self.send(sender, content, to=to.sender, kind=kind, reply_to=to.id, trusted=trusted)
