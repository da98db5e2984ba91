"""Stand-ins for model servers as users have them: one model that does what it is asked, behind servers that each take
a part of the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tests.standin import Fault, Good, Judge, Raw

Request = dict[str, Any]
Answer = Good | Fault | Raw
Server = Callable[[Request], Answer]
IN_PROMPT = "It must obey this JSON schema"
REVIEW = '{"ok": true, "problems": []}'
ACTION = '{"thought": "it is known", "next": {"action": "finish", "answer": "481.50 EUR"}}'


def obliging(request: Request) -> Answer:
    """vLLM, as it should be started: whatever it is asked for, the model does it."""
    said = [str(message.get("content") or "") for message in request["messages"]]
    schema = ((request.get("response_format") or {}).get("json_schema") or {}).get("schema")
    if IN_PROMPT in said[-1]:
        schema = json.loads(said[-1].rpartition("\n")[2])
    if schema:
        return Good(REVIEW if schema["title"] == "Review" else ACTION)
    if request["messages"][-1]["role"] == "tool":
        return Good("It is 481.50 EUR.")
    if request.get("tools"):
        numbers = ["INV-7", "INV-8"] if "INV-8" in said[-1] else ["INV-7"]
        calls = tuple(("find_invoice", json.dumps({"number": number})) for number in numbers)
        return Good(None, calls, "tool_calls")
    return Good("marigold" if "marigold" in said[-1] else "ready, as was asked", usage=used(request))


def used(request: Request, most: int = 1 << 30) -> dict[str, Any]:
    """A count of the prompt's tokens: four characters each, those beyond `most` cut off."""
    tokens = sum(len(str(message.get("content") or "")) for message in request["messages"]) // 4 + 1
    return {"prompt_tokens": min(tokens, most), "completion_tokens": 4, "total_tokens": min(tokens, most) + 4}


def judge(server: Server) -> Judge:
    return Judge(server)


def refuses(words: str, when: Callable[[Request], bool], status: int = 400) -> Server:
    return lambda request: Fault(status, words) if when(request) else obliging(request)


def _plain(request: Request) -> Answer:
    """Neither forms nor tools reach the model: it answers in prose."""
    return obliging({"messages": request["messages"]})


def _in_turn(request: Request) -> bool:
    roles = [m["role"] for m in request["messages"] if m["role"] != "system"]
    return roles[0] == "user" and all(one != other for one, other in pairwise(roles))


def _beyond(most: int) -> Callable[[Request], bool]:
    return lambda request: any(limit > most for limit in _limits(request.get("response_format")))


def _limits(schema: Any) -> list[int]:
    if isinstance(schema, list):
        return [limit for part in schema for limit in _limits(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["maxLength"]] if isinstance(schema.get("maxLength"), int) else []
    return own + [limit for part in schema.values() for limit in _limits(part)]


def _system(request: Request) -> bool:
    return any(m["role"] == "system" for m in request["messages"])


def without_tools(request: Request) -> Answer:
    """vLLM without its two flags, and without guided decoding."""
    if request.get("tools"):
        return Fault(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
    return _plain(request)


def cuts(window: int) -> Server:
    """Ollama: a prompt longer than num_ctx loses its start, without a word."""

    def answer(request: Request) -> Answer:
        room = 4 * window
        messages = [{**m, "content": str(m.get("content") or "")[-room:]} for m in request["messages"]]
        reply = obliging({**request, "messages": messages})
        return (
            Good(reply.content, reply.tool_calls, reply.finish_reason, used(request, window))
            if isinstance(reply, Good)
            else reply
        )

    return answer


def gateway(request: Request) -> Answer:
    """No streams, and no count of tokens."""
    reply = obliging(request)
    assert isinstance(reply, Good)
    return Raw(json.dumps(Good(reply.content, reply.tool_calls, reply.finish_reason, None).body("m")).encode())


def template(request: Request) -> Answer:
    """A chat template that wants user and assistant in turn and knows no system message (Gemma's), under vLLM."""
    if _system(request):
        return Fault(400, "System role not supported")
    if not _in_turn(request):
        return Fault(400, "Conversation roles must alternate user/assistant/user/assistant/...")
    return obliging(request)


def too_long(window: int) -> Server:
    words = f"request (6012 tokens) exceeds the available context size ({window} tokens), try increasing it"
    return refuses(words, lambda request: used(request)["prompt_tokens"] > window)


llama_cpp = refuses("failed to parse grammar: number of repetitions exceeds sane defaults", _beyond(2000))
no_limits = refuses("The provided JSON schema contains features not supported by xgrammar.", _beyond(0))
