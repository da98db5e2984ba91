"""The calls by which a server is looked at, one kind each."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import jsonschema
from msgspec import Struct, structs

from agents import acting, asking
from agents.models import counting
from agents.models.endpoint import Endpoint
from agents.models.hosted import Hosted
from agents.models.model import Card, Reply, Request
from agents.models.probed import Found
from experiments.servers import window
from traces import strict
from traces.errors import MalformedOutput, ModelError
from traces.kernel import ChatMessage, ToolCall

State = Literal["works", "adapted", "fails", "unknown"]
CUT = 0.6
"""Of our own count of a prompt's tokens: a server that counts fewer has cut the prompt."""
ALL_S = 240.0
"""Seconds after which no further check begins."""

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "find_invoice",
        "description": "Finds the amount of an invoice by its number.",
        "parameters": {
            "type": "object",
            "properties": {
                "number": {"type": "string", "description": "such as INV-7", "maxLength": 40},
                "year": {"anyOf": [{"type": "integer", "minimum": 2000}, {"type": "null"}], "default": None},
            },
            "required": ["number"],
            "additionalProperties": False,
        },
    },
}
_ASKED = "What is the amount of invoice INV-7? Find it with the tool find_invoice."
_TWO = "Find the invoices INV-7 and INV-8 with the tool find_invoice: make both calls at once."


class Finding(Struct, frozen=True):
    """`state`: works, works when it is put in another way (adapted), fails, or could not be told (unknown)."""

    what: str
    state: State
    said: str


class Subject(Struct, frozen=True):
    """A model on one server, also with its replies as streams. `room`: tokens of a reply. `tries`: calls for what
    depends on the model's mood. `card`: what is known of what we serve ourselves."""

    model: Hosted
    streaming: Hosted
    where: Endpoint
    room: int
    tries: int = 2
    card: Card | None = None


class Seen(Struct, frozen=True):
    """What was found on one server."""

    server: str
    findings: tuple[Finding, ...]
    found: Found
    usable: bool
    streams: bool


Watch = Callable[[str], object]
"""Told what is looked at next."""


async def look(subject: Subject, long: int, watch: Watch) -> Seen:
    """Make the calls, one after the other. Raises ModelError where the first one fails: then none would work."""
    looking = _Looking(subject)
    watch("a reply")
    await looking.reply()
    for what, check in (
        ("a tool call", looking.tool),
        ("two calls at once", looking.two),
        ("a tool's result", looking.result),
        ("a history of roles", looking.roles),
        ("a form", looking.form),
        ("a stream", looking.stream),
        ("a long prompt", lambda: looking.long(long)),
    ):
        watch(what)
        await looking.check(what, check)
    return looking.seen()


class _Fails(Exception):
    """The check's answer is no, for this reason."""


class _Unknown(Exception):
    """The check has no answer, for this reason."""


class _Looking:
    def __init__(self, subject: Subject) -> None:
        self._subject, self._model = subject, subject.model
        self._findings: list[Finding] = []
        self._call: ToolCall | None = None
        self._window: int | None = None
        self._started = asyncio.get_running_loop().time()

    async def check(self, what: str, check: Callable[[], Awaitable[str]]) -> None:
        before = self._model.learnt.now
        try:
            self._in_time()
            said = await check()
        except _Fails as no:
            self._findings.append(Finding(what, "fails", str(no)))
        except ModelError as error:
            self._findings.append(Finding(what, "unknown" if error.passing else "fails", _plain(error)))
        except _Unknown as unknown:
            self._findings.append(Finding(what, "unknown", str(unknown)))
        else:
            now = self._model.learnt.now
            changed = {name: value for name, value in now.differs().items() if before.differs().get(name) != value}
            told = ", ".join(f"{name}: {str(value).lower()}" for name, value in changed.items())
            state: State = "adapted" if changed else "works"
            self._findings.append(Finding(what, state, "; ".join(filter(None, (said, told and f"with {told}")))))

    def _in_time(self) -> None:
        passed = asyncio.get_running_loop().time() - self._started
        if passed > ALL_S:
            raise _Unknown(f"not looked at: the probe has taken {passed:.0f} s")

    def seen(self) -> Seen:
        states = {finding.what: finding.state for finding in self._findings}
        calls, results = states["a tool call"], states["a tool's result"]
        tools = False if "fails" in (calls, results) else None if "unknown" in (calls, results) else True
        found = Found(tool_calls=tools, context_window=self._window, **self._model.learnt.now.differs())
        server = self._subject.where.api_base or self._subject.where.provider
        usable = bool(tools) or states["a form"] in ("works", "adapted")
        return Seen(server, tuple(self._findings), found, usable, states["a stream"] != "fails")

    async def reply(self) -> None:
        reply = await self._ask("Reply with the word ready.", system="You reply in one word.")
        usage = reply.usage
        said = f"in {usage.latency_s:.1f} s" + ("; its reasoning comes apart from it" if reply.reasoning else "")
        if not reply.text.strip():
            why = f"only reasoning, within {self._subject.room:,} tokens" if reply.reasoning else "it is empty"
            self._findings.append(Finding("a reply", "fails", why))
        else:
            adapted = self._model.learnt.now.card()
            state: State = "adapted" if adapted else "works"
            self._findings.append(Finding("a reply", state, f"{said}; with {adapted}" if adapted else said))
        counted = usage.origin == "measured"
        told = (
            f"{usage.input_tokens} + {usage.output_tokens}"
            if counted
            else "none from the server: they are estimated here"
        )
        self._findings.append(Finding("the count of tokens", "works" if counted else "adapted", told))

    async def tool(self) -> str:
        said = ""
        for _ in range(self._subject.tries):
            reply = await self._ask(_ASKED, tools=(TOOL,))
            for call in reply.tool_calls:
                said = _wrong(call)
                if not said:
                    self._call = call
                    return "its arguments are valid"
            said = said or f"it answered in words: {_start(reply)}"
        raise _Fails(said)

    async def two(self) -> str:
        self._needs_calls()
        reply = await self._ask(_TWO, tools=(TOOL,))
        calls = [call for call in reply.tool_calls if not _wrong(call)]
        if not calls:
            raise _Unknown("it made no call this time")
        return "both came" if len(calls) > 1 else "one at a time"

    async def result(self) -> str:
        self._needs_calls()
        assert self._call is not None
        messages = (
            ChatMessage("system", "You answer questions about invoices, in one sentence."),
            ChatMessage("user", _ASKED),
            ChatMessage("assistant", "", (self._call,)),
            ChatMessage("tool", '{"amount": "481.50 EUR"}', tool_call_id=self._call.id),
        )
        reply = await self._send(messages, tools=(TOOL,))
        return "it was read" if "481" in reply.text else "it was taken, but is not in the answer"

    async def roles(self) -> str:
        """What teams and frameworks send: two users in a row, an empty reply, a system message on the way."""
        messages = (
            ChatMessage("system", "You reply in one word."),
            ChatMessage("user", "The parcel is green."),
            ChatMessage("user", "It is in hall 4."),
            ChatMessage("assistant", ""),
            ChatMessage("user", "Is it large?"),
            ChatMessage("assistant", "Yes."),
            ChatMessage("system", "Answer in English."),
            ChatMessage("user", "What colour is the parcel?"),
        )
        await self._send(messages)
        return "any order of roles is taken"

    async def form(self) -> str:
        """Two forms that runs ask for, of which the prompt says nothing: only the server can tell the model."""
        review = asking.schema_of(asking.Review)
        action = acting.action_schema((TOOL,))
        wrong = await self._filled("Is this right? 2 + 2 = 4.", review) or await self._filled(_ASKED, action)
        if wrong and self._model.learnt.now.schemas in ("strict", "simple"):
            first = wrong
            self._model.learnt.keep(structs.replace(self._model.learnt.now, schemas="prompt"))
            wrong = await self._filled("Is this right? 2 + 2 = 4.", review) or await self._filled(_ASKED, action)
            if not wrong:
                return f"the server does not hold its model to one ({first})"
        if wrong:
            raise _Fails(wrong)
        return "its replies keep to it"

    async def stream(self) -> str:
        self._subject.streaming.learnt.keep(self._model.learnt.now)
        request = self._request((ChatMessage("user", "Count from one to twenty, in words."),))
        reply = await self._subject.streaming.chat(request)
        if not reply.usage.first_token_s:
            raise _Fails("replies come whole")
        counted = "tokens are counted" if reply.usage.origin == "measured" else "tokens are not counted in it"
        return f"first token after {reply.usage.first_token_s:.1f} s of {reply.usage.latency_s:.1f}; {counted}"

    async def long(self, tokens: int) -> str:
        here = self._subject.card
        self._window = (here and here.context_window) or await window.said(self._subject.where)
        if self._window is not None:
            tokens = min(tokens, int(self._window * 0.75) - min(self._subject.room, self._window // 4))
        prompt = window.prompt(tokens)
        try:
            reply = await self._ask(prompt, room=min(self._subject.room, 500))
        except ModelError as error:
            self._window = window.in_words(str(error)) or self._window
            raise
        return self._of_long(prompt, reply)

    def _of_long(self, prompt: str, reply: Reply) -> str:
        ours = counting.tokens_in(prompt)
        read = reply.usage.input_tokens if reply.usage.origin == "measured" else None
        told = f"; its context window is {self._window:,} tokens" if self._window else ""
        if window.WORD in reply.text.lower():
            return f"{read or ours:,} tokens were read{told}"
        if read is not None and read < CUT * ours:
            self._window = read
            raise _Fails(f"of {ours:,} tokens the server read {read:,}, and did not say so (Ollama: raise num_ctx)")
        if read is None:
            raise _Unknown(f"what stands at the start of {ours:,} tokens was not found: perhaps they were cut{told}")
        return f"{read:,} tokens were read; the model did not find what it was asked for{told}"

    def _needs_calls(self) -> None:
        if self._call is None:
            raise _Unknown("without tool calls there is nothing to look at")

    async def _filled(self, prompt: str, schema: dict[str, Any]) -> str:
        """Ask for a form; why the reply does not keep to it, or ""."""
        said = ""
        for _ in range(self._subject.tries):
            reply = await self._ask(prompt, schema=schema)
            said = f"{schema['title']}: {_off(reply, schema)}"
            if said.endswith(": "):
                return ""
        return said

    async def _ask(self, prompt: str, system: str = "", room: int | None = None, **fields: Any) -> Reply:
        told = (ChatMessage("system", system),) if system else ()
        return await self._send((*told, ChatMessage("user", prompt)), room, **fields)

    async def _send(self, messages: tuple[ChatMessage, ...], room: int | None = None, **fields: Any) -> Reply:
        return await self._model.chat(self._request(messages, room, **fields))

    def _request(self, messages: tuple[ChatMessage, ...], room: int | None = None, **fields: Any) -> Request:
        return Request("probe", messages, max_tokens=room or self._subject.room, purpose="probe", **fields)


def _off(reply: Reply, schema: dict[str, Any]) -> str:
    """What is wrong with a form; "" where it is right, or was right until it was cut off."""
    try:
        acting.read_json(reply.text, None if reply.finish_reason == "length" else schema)
    except MalformedOutput as error:
        return str(error)[:160]
    return ""


def _wrong(call: ToolCall) -> str:
    """What is wrong with a call; "" where it can be made."""
    if call.name != TOOL["function"]["name"]:
        return f"it called {call.name[:40]!r}, which was not offered"
    with contextlib.suppress(ValueError):
        arguments = strict.loads(call.arguments)
        wrong = next(_mistakes(arguments), None)
        return f"arguments: {wrong}" if wrong else ""
    return f"its arguments are not valid JSON: {call.arguments[:60]!r}"


def _mistakes(arguments: Any) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator(TOOL["function"]["parameters"])
    return (error.message[:120] for error in validator.iter_errors(arguments))


def _start(reply: Reply) -> str:
    said = " ".join((reply.text or f"({reply.finish_reason})").split())
    return repr(said if len(said) <= 60 else f"{said[:59]}…")


def _plain(error: Exception) -> str:
    return re.sub(r"^model '[^']*': ", "", str(error))
