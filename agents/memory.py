"""Short-term memory: the conversation, kept within the model's context window."""

from __future__ import annotations

from traces import wording
from traces.kernel import ChatMessage


def tokens_in(text: str) -> int:
    """About how many tokens a text has: one is about four characters of English (OpenAI's rule of thumb), or one and a
    half of scripts without spaces and of Korean (measured with OpenAI's tokenizers: 1.1 to 2.7).
    Used where a model has not counted for us: to keep within a window, and by simulated models."""
    if text.isascii():
        return (len(text) + 3) // 4
    joined = wording.joined(text)
    return (len(text) - joined + 3) // 4 + (2 * joined + 2) // 3


def size(message: ChatMessage) -> int:
    tokens = 4 + tokens_in(message.content)
    for call in message.tool_calls:
        tokens += 8 + tokens_in(call.arguments)
    return tokens


def within(messages: list[ChatMessage], window: int | None, reply: int) -> tuple[list[ChatMessage], int]:
    """The conversation shortened to fit `window` tokens with room for `reply`, and how many messages were left out.

    System messages and the first other one (the task) stay; then the newest that fit, never starting with a tool
    result whose call was left out.
    """
    if window is None:
        return messages, 0
    room = window - reply
    if sum(map(size, messages)) <= room:
        return messages, 0
    keep = 1 + next((i for i, m in enumerate(messages) if m.role != "system"), 0)
    head, tail = messages[:keep], messages[keep:]
    room -= sum(map(size, head))
    start = len(tail)
    while start > 0 and size(tail[start - 1]) <= room:
        start -= 1
        room -= size(tail[start])
    while start < len(tail) and tail[start].role == "tool":
        start += 1
    return head + tail[start:], start


def split(messages: list[ChatMessage], room: int) -> tuple[list[ChatMessage], list[ChatMessage], list[ChatMessage]]:
    """(what stays, what is to be summed up, the newest) of a conversation larger than `room` tokens; nothing to sum up
    in one that is not. The newest take up to a third of the room, and never begin with a tool result."""
    keep = 1 + next((i for i, m in enumerate(messages) if m.role != "system"), 0)
    if sum(map(size, messages)) <= room:
        return messages, [], []
    head, tail = messages[:keep], messages[keep:]
    left, start = room // 3, len(tail)
    while start > 0 and size(tail[start - 1]) <= left:
        start -= 1
        left -= size(tail[start])
    while start > 0 and start < len(tail) and tail[start].role == "tool":
        start -= 1
    return head, tail[:start], tail[start:]


def whole(messages: list[ChatMessage]) -> list[ChatMessage]:
    """The conversation up to its last tool call that has all its results."""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message.role == "assistant" and message.tool_calls:
            answered = {m.tool_call_id for m in messages[place + 1 :]}
            done = all(call.id in answered for call in message.tool_calls)
            return messages if done else messages[:place]
    return messages
