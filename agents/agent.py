"""An agent: a role with a model, tools and a conversation; and the one loop in which agents work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from agents import asking, memory
from agents.acting import Acting, Turn, acting_for, check_said, read_json
from agents.actions import Action
from agents.allowance import IN_CIRCLES, Allowance, Circles
from agents.asking import Assumed, F, Review, Summary, full, schema_of
from agents.limits import CIRCLES, REPAIRS, REPLY_ROOM
from agents.models.model import UNREAD, Model, Reply, Request
from agents.stopping import Met
from tools.tool import Effect
from tools.toolbox import Toolbox, ToolResult
from traces.errors import MalformedOutput
from traces.kernel import ChatMessage, Event, LimitHit, Noted, OutputRejected, ToolCall, Usage

T = TypeVar("T")

HELD_BACK = "Held back by your own check, nothing was done.\n{problems}"
CHECK_EFFECT = "Before you do it: you are about to call {call}. Is every value in it right, and is it allowed? Check."
LAST_STEP = "No more tool calls. Reply with what you have now."
SUM_UP = "Your memory is nearly full. Sum up what you have found out and done so far: it replaces the messages above."
SUMMED_UP = "What you found out and did so far, summed up:\n{notes}"
NEARLY_FULL = 0.75
MISSING = "form_missing"
"""Kind of the note on a reply that never came in the form that was asked for, and what was assumed instead."""


@dataclass
class Agent:
    """`messages` is its whole memory of the run. `allowance` is what it shares with the run's other agents.
    `checks_effects`: it looks once more before each call with an outside effect. `sums_up`: it sums up old messages
    when its context window is nearly full, instead of leaving them out."""

    name: str
    role: str
    model: Model
    toolbox: Toolbox
    tools: tuple[str, ...]
    record: Callable[[Event], object]
    messages: list[ChatMessage] = field(default_factory=list)
    allowance: Allowance = field(default_factory=Allowance)
    circles: Circles = field(default_factory=Circles)
    checks_effects: bool = False
    sums_up: bool = False
    actions: dict[str, Action] = field(default_factory=dict)
    used: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self.acting: Acting = acting_for(self.model.card)
        self._density = 1.0  # the model's own tokens for each that memory.size guesses

    @property
    def specs(self) -> tuple[dict[str, Any], ...]:
        """Its tools in the form that chat-completion APIs take."""
        return (*self.toolbox.specs(self.tools), *(action.spec for action in self.actions.values()))

    @property
    def notebook(self) -> str:
        """Everything that it has noted in this run, as it was told to: `- name: value [source]`, a line each."""
        said = (m.content for m in self.messages if m.role == "assistant")
        lines = [line for text in said for line in text.splitlines() if line.startswith("- ")]
        return "\n".join(dict.fromkeys(lines))

    @property
    def tainted(self) -> bool:
        """Whether it has seen text from outside the run's own instructions."""
        return any(not message.trusted for message in self.messages)

    @property
    def untrusted(self) -> tuple[str, ...]:
        """The texts from outside that it has in its context, in their order."""
        return tuple(message.content for message in self.messages if not message.trusted)

    def hear(self, text: str, *, trusted: bool = True) -> None:
        self.messages.append(ChatMessage("user", text, trusted=trusted))

    async def work(self, task: str, *, trusted: bool = True, purpose: str = "act") -> str:
        """Think, act, observe, until it answers without a tool call: its report or answer. Where it goes in circles, or
        its team has no steps left, it is asked for what it has."""
        self.hear(task, trusted=trusted)
        while True:
            turn = await self._next(purpose, self.specs)
            if not turn.calls:
                return turn.text
            for call in turn.calls:
                result = await self.use(call)
                self.messages.append(self.acting.result(call, result.text, result.trusted))

    async def _next(self, purpose: str, specs: tuple[dict[str, Any], ...]) -> Turn:
        """The next turn of a piece of work: without tools, so that it is the last one, where a limit ends it here."""
        if not self._cut_short(specs):
            turn = await self._turn(purpose, specs)
            if not turn.calls:
                self.allowance.was_done()
                return turn
            if self.allowance.take():
                return turn
            self.messages.pop()  # its colleagues have taken the last steps meanwhile
            self._cut_short(specs)
        self.hear(LAST_STEP)
        return await self._turn(purpose, ())

    def _cut_short(self, specs: tuple[dict[str, Any], ...]) -> bool:
        """Whether a limit ends its piece of work here; it is recorded."""
        circle, met = self.circles.closed(), self.allowance.used_up
        if circle:
            self.record(
                Noted(self.name, IN_CIRCLES, f"{circle}: the same {CIRCLES} times in a row, with the same result")
            )
            met = Met(IN_CIRCLES, CIRCLES, CIRCLES)
        elif met is None or not specs:
            return False
        if circle or self.allowance.met != met:
            self.record(LimitHit(met.kind, met.value, met.limit, self.name))
        self.allowance.met = met
        return True

    async def ask(
        self,
        question: str,
        form: type[F],
        *,
        purpose: str,
        trusted: bool = True,
        otherwise: Assumed[F] | None = None,
    ) -> F:
        """A reply in a fixed form. After a bounded number of repairs it is what `otherwise` assumes, which is noted, or
        raises MalformedOutput."""
        self.hear(question, trusted=trusted)
        asked = len(self.messages)
        try:
            reply, value = await self._readable(purpose, (), schema_of(form), lambda reply: _form(form, reply))
        except MalformedOutput:
            if otherwise is None:
                raise
            del self.messages[asked:]
            self.record(Noted(self.name, MISSING, f"{form.__name__}: {otherwise.words}"))
            return otherwise.value
        self.messages.append(ChatMessage("assistant", reply.text))
        for limit in full(value):
            self.record(Noted(self.name, "at_limit", limit))
        return value

    async def _turn(self, purpose: str, specs: tuple[dict[str, Any], ...]) -> Turn:
        tools, schema = self.acting.offer(specs)
        read = self.acting.read if specs else self._read_text
        reply, turn = await self._readable(purpose, tools, schema, read, self._in_prose)
        self.messages.append(self.acting.said(reply))
        return turn if specs else Turn(turn.text)

    def _read_text(self, reply: Reply) -> Turn:
        turn = self.acting.read(reply)
        if not turn.text.strip():
            raise MalformedOutput("no tool can be called now: reply with text")
        return turn

    def _in_prose(self, reply: Reply) -> Turn | None:
        """What it says in prose where it never acts in the form that was asked for: as with native tool calls, where a
        text without a call is its answer."""
        turn = self.acting.in_prose(reply)
        if turn is not None:
            self.record(Noted(self.name, MISSING, "Action: its prose is taken as its answer"))
        return turn

    async def use(self, call: ToolCall) -> ToolResult:
        """Make a call that it decided on, after a second look where that is its habit."""
        result = await self._made(call)
        self.circles.add(call, result.text)
        return result

    async def refuse(self, call: ToolCall) -> None:
        """A call that an engine did not let through to its tools: refused here too, so that it is in the trace."""
        result = await self.toolbox.call(self.name, self.tools, call, untrusted=self.untrusted)
        self.circles.add(call, result.text)

    async def _made(self, call: ToolCall) -> ToolResult:
        if self.checks_effects and self.toolbox.effect(call.name) is Effect.OUTSIDE:
            problems = await self._check(call)
            if problems:
                return ToolResult(HELD_BACK.format(problems=problems), False, trusted=True)
        action = self.actions.get(call.name)
        if action is not None:
            return await self.toolbox.ask(self.name, call, action.parameters, action.do)
        return await self.toolbox.call(self.name, self.tools, call, untrusted=self.untrusted)

    async def decide(
        self, messages: list[ChatMessage], specs: tuple[dict[str, Any], ...], purpose: str = "act"
    ) -> Turn:
        """One decision on a conversation that somebody else keeps: for engines with a loop of their own. What ends a
        piece of work in `work` ends it here: no tools are offered, so the engine's loop ends with what it says."""
        self.messages = messages
        return await (self._next(purpose, specs) if specs else self._turn(purpose, specs))

    async def _check(self, call: ToolCall) -> str:
        """Its own second look at a call, beside the conversation: the problems, or nothing."""
        said = max(i for i, message in enumerate(self.messages) if message.role == "assistant")
        aside = replace(self, messages=[*self.messages[:said], ChatMessage("assistant", self.messages[said].content)])
        question = CHECK_EFFECT.format(call=f"{call.name}({call.arguments})")
        return problem_lines(await aside.ask(question, Review, purpose="check", otherwise=asking.HELD_BACK))

    async def say(self, question: str, *, trusted: bool = True) -> str:
        """What it answers to a colleague from what it has in mind, beside its work: nothing of it is remembered."""
        aside = self.aside()
        aside.hear(question, trusted=trusted)
        return (await aside._turn("answer", ())).text

    def aside(self) -> Agent:
        """The same agent with all that it has in mind, for something that it will not remember."""
        return replace(self, messages=list(memory.whole(self.messages)))

    def named(self, name: str) -> Agent:
        """The same agent under another name, with nothing said yet: for what is asked on its behalf."""
        return replace(self, name=name, messages=[], used=Usage())

    def fresh(self) -> Agent:
        """The same agent with nothing in mind but its instructions and the request: for bids and reviews."""
        first = next((i for i, message in enumerate(self.messages) if message.role != "system"), 0)
        return replace(self, messages=self.messages[: first + 1])

    async def _readable(
        self,
        purpose: str,
        tools: tuple[dict[str, Any], ...],
        schema: dict[str, Any] | None,
        read: Callable[[Reply], T],
        otherwise: Callable[[Reply], T | None] = lambda reply: None,
    ) -> tuple[Reply, T]:
        """Call the model until its reply can be read, at most 1 + REPAIRS times; then it is what `otherwise` makes of
        the last one, or has failed, as an event."""
        attempt = 0
        while True:
            attempt += 1
            reply = await self._call(purpose, tools, schema)
            try:
                _check_read(reply)
                return reply, read(reply)
            except MalformedOutput as error:
                final = attempt > REPAIRS
                self.record(OutputRejected(self.name, str(error), attempt, final))
                instead = otherwise(reply) if final else None
                if instead is not None:
                    return reply, instead
                if final:
                    raise MalformedOutput(f"{self.name}: no readable reply in {attempt} attempts: {error}") from error
                if reply.text.strip() and reply.finish_reason != UNREAD:
                    self.messages.append(ChatMessage("assistant", reply.text))
                self.hear(f"That reply could not be used: {error}. Reply again, in the form asked for.")

    async def _make_room(self) -> None:
        """Keep the conversation within the model's context window: a hard limit."""
        window = self.model.card.context_window
        room = None if window is None else int(window / self._density)
        if self.sums_up and room is not None:
            await self._sum_up(int(NEARLY_FULL * room))
        self.messages, left_out = memory.within(self.messages, room, REPLY_ROOM)
        if left_out:
            self.record(Noted(self.name, "context_cut", f"{left_out} oldest messages left out to fit the window"))

    async def _sum_up(self, room: int) -> None:
        head, old, new = memory.split(self.messages, room)
        if not old:
            return
        self.sums_up = False  # its own call must not sum up again
        aside = replace(self, messages=[*head, *old])
        notes = (await aside.ask(SUM_UP, Summary, purpose="sum_up", otherwise=asking.NO_SUMMARY)).notes
        if not notes:
            return
        self.sums_up = True
        text = SUMMED_UP.format(notes="\n".join(notes))
        trusted = all(message.trusted for message in old)
        self.messages = [*head, ChatMessage("user", text, trusted=trusted), *new]
        before, after = sum(map(memory.size, old)), memory.tokens_in(text)
        self.record(Noted(self.name, "summed_up", f"{len(old)} messages, about {before:,} tokens, became {after:,}"))

    async def _call(self, purpose: str, tools: tuple[dict[str, Any], ...], schema: dict[str, Any] | None) -> Reply:
        await self._make_room()
        reply = await self.model.chat(Request(self.name, tuple(self.messages), tools, schema, purpose=purpose))
        self.used += reply.usage
        if reply.finish_reason == "length":
            self.record(
                Noted(self.name, "at_limit", f"the reply ended at {reply.usage.output_tokens:,} tokens, unfinished")
            )
        guessed = sum(map(memory.size, self.messages))
        self._density = max(1.0, reply.usage.input_tokens / guessed if guessed else 1.0)
        return reply


def problem_lines(review: Review) -> str:
    """The problems as lines that an agent can be sent; empty when there are none."""
    if review.ok:
        return ""
    return "\n".join(f"* {p.about}: {p.reason}" for p in review.problems) or "* it: is not right yet"


def _check_read(reply: Reply) -> None:
    if reply.finish_reason == UNREAD:
        raise MalformedOutput(f"the server could not read what the model wrote: {reply.text}")


def _form(form: type[F], reply: Reply) -> F:
    check_said(reply)
    return read_form(form, reply.text)


def read_form(form: type[F], text: str) -> F:
    """The form that a model has filled in. Raises MalformedOutput that says what is wrong, in words for the model."""
    value = read_json(text)
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise MalformedOutput(f"{place or form.__name__}: {first['msg']}") from error
