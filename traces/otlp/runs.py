"""Traces of other frameworks as runs: each trace becomes the events that Headcount would have recorded, as far as its
spans say. What they do not say stays unknown: nothing is made up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field, structs

from traces.kernel import (
    NANO,
    AgentCreated,
    AnswerHandedIn,
    Budget,
    Chat,
    Check,
    Evaluated,
    Event,
    Message,
    MessageSent,
    Record,
    Run,
    RunFinished,
    RunStarted,
    ToolExecuted,
    Usage,
)
from traces.otlp import attributes as at
from traces.otlp.prompts import replied, told
from traces.otlp.span import Span
from traces.prompts import PromptDelta

UNKNOWN = "unknown"
HIGHEST = 200  # spans around a span that are looked at


class Foreign(Struct):
    """A trace as a run. `unpriced` and `uncounted` count model calls whose price, or tokens, it does not say; `silent`
    those whose prompt or reply it leaves out."""

    run: Run
    request: str
    started: int  # Unix time in nanoseconds
    moments: list[tuple[int, int, Event]] = field(default_factory=list)
    calls: int = 0
    unpriced: int = 0
    uncounted: int = 0
    silent: int = 0

    @property
    def graded(self) -> bool:
        return any(isinstance(event, Evaluated) for _, _, event in self.moments)

    def records(self, number: int, trial: int) -> list[Record]:
        """Its events, as run `number`."""
        first = RunStarted(structs.replace(self.run, trial=trial), self.request)
        ordered = sorted(self.moments, key=lambda moment: moment[:2])
        return [
            Record(number, seq, round((time - self.started) / NANO, 6), round(time / NANO, 6), event)
            for seq, (time, event) in enumerate([(self.started, first), *((t, event) for t, _, event in ordered)])
        ]


def runs(spans: Iterable[Span], scenario: str) -> list[Foreign]:
    """The traces among these spans that say anything about models, tools or agents, in order of their start."""
    by_trace: dict[str, dict[str, Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, {})[span.span_id] = span
    found = [_Trace(list(trace.values()), scenario).run() for trace in by_trace.values() if _says_something(trace)]
    return sorted(found, key=lambda foreign: foreign.started)


def _says_something(trace: dict[str, Span]) -> bool:
    return any(at.role(span) in ("model", "tool", "agent") for span in trace.values())


class _Trace:
    def __init__(self, spans: list[Span], scenario: str) -> None:
        self._spans = sorted(spans, key=lambda span: (span.start, -span.end))
        self._scenario = scenario
        self._by_id = {span.span_id: span for span in self._spans}
        self._roles = {span.span_id: at.role(span) for span in self._spans}
        self._root = next((span for span in self._spans if span.parent_id not in self._by_id), self._spans[0])
        self._covered = self._wrappers()
        self._prompts = PromptDelta()
        self._messages = 0
        self._seen: dict[str, str] = {}
        self._usage = Usage()

    def run(self) -> Foreign:
        asked = self._request()
        found = Foreign(self._run(asked), asked, min(span.start for span in self._spans))
        for span in self._spans:
            self._take(span, found)
        self._end(found, max([*(span.end for span in self._spans), *(time for time, _, _ in found.moments)]))
        return found

    # --- what it is -------------------------------------------------------------------------------------------

    def _run(self, asked: str) -> Run:
        models = [at.model(span) for span in self._spans if self._roles[span.span_id] == "model"]
        known = {**self._root.resource, **self._root.attributes}
        case = known.get("headcount.case") or (_digest(asked) if asked else self._root.trace_id[:12])
        return Run(
            scenario=str(known.get("headcount.scenario") or self._scenario),
            case=str(case),
            team=self._team(),
            engine=str(known.get("headcount.engine") or _framework(self._spans)),
            model=next((model for model in models if model), UNKNOWN),
            trial=0,
            seed=0,
            budget=Budget(),
            clock="virtual" if known.get("headcount.clock") == "virtual" else "real",
            simulated=bool(known.get("headcount.simulated", False)),
        )

    def _team(self) -> str:
        """What is compared: the workflow's name, else the service's, else the first agent's."""
        names = ("gen_ai.workflow.name", "headcount.team", "traceloop.workflow.name")
        named = next((str(found) for span in self._spans if (found := at.first(span.attributes, names))), "")
        service = str(self._root.resource.get("service.name") or "")
        if named or (service and not service.startswith("unknown_service")):
            return named or service
        return next((name for span in self._spans if (name := at.agent(span))), self._root.name or UNKNOWN)

    def _request(self) -> str:
        asked = _last_user(self._root) or at.asked(self._root)
        if asked:
            return asked
        first = next((span for span in self._spans if self._roles[span.span_id] == "model"), None)
        return _last_user(first) if first is not None else ""

    def _wrappers(self) -> set[str]:
        """Model spans around other model spans, and tool spans within one of the same tool: two instrumentations that
        saw one call. The inner model call and the outer tool call count."""
        covered: set[str] = set()
        for span in self._spans:
            role = self._roles[span.span_id]
            for above in self._above(span):
                if self._roles[above.span_id] != role:
                    continue
                if role == "model":
                    covered.add(above.span_id)
                elif role == "tool" and at.tool_name(above) == at.tool_name(span):
                    covered.add(span.span_id)
        return covered

    def _above(self, span: Span) -> list[Span]:
        found: list[Span] = []
        seen = {span.span_id}
        while span.parent_id in self._by_id and span.parent_id not in seen and len(seen) < HIGHEST:
            span = self._by_id[span.parent_id]
            seen.add(span.span_id)
            found.append(span)
        return found

    def _agent(self, span: Span) -> str:
        """Who did it: the agent that the span names, or the nearest one around it."""
        return next((name for one in (span, *self._above(span)) if (name := at.agent(one))), "") or "agent"

    # --- what happened ----------------------------------------------------------------------------------------

    def _take(self, span: Span, found: Foreign) -> None:
        role = self._roles[span.span_id]
        if span.span_id in self._covered:
            return
        if role == "agent":
            self._agent_span(span, found)
        elif role == "model":
            self._model_call(span, found)
        elif role == "tool":
            self._meet(found, span, self._agent(span))
            self._add(found, span.end, _tool(span, self._agent(span)))
        self._events(span, found)

    def _agent_span(self, span: Span, found: Foreign) -> None:
        """An agent's turn. Where another agent called it, what it was given and gave back are messages."""
        name = self._agent(span)
        self._meet(found, span, name)
        caller = next((other for one in self._above(span) if (other := at.agent(one)) and other != name), None)
        if caller is not None:
            self._meet(found, span, caller)
            given = _last_user(span) or at.asked(span)
            self._say(found, span.start, caller, name, "call", given)
            self._say(found, span.end, name, caller, "result", replied(span).text)

    def _meet(self, found: Foreign, span: Span, name: str) -> None:
        if name not in self._seen:
            self._seen[name] = at.model(span)
            self._add(found, span.start, AgentCreated(name, name, at.model(span) or found.run.model), first=True)

    def _model_call(self, span: Span, found: Foreign) -> None:
        name = self._agent(span)
        self._meet(found, span, name)
        chat, known = _chat(span, name, self._prompts)
        found.calls += 1
        found.unpriced += chat.usage.cost_nano_usd is None
        found.uncounted += not known
        found.silent += (not chat.added and not chat.kept) or not (chat.text or chat.tool_calls or chat.error)
        self._usage += chat.usage
        self._add(found, span.end, chat)

    def _events(self, span: Span, found: Foreign) -> None:
        """Moments within a span: evaluations, and messages as Headcount itself exports them."""
        checks = []
        for event in span.events:
            if event.name == "headcount.message":
                known = event.attributes
                sender, to = str(known.get("from") or ""), known.get("to")
                self._say(found, event.time, sender, to, str(known.get("kind") or ""), at.text(known.get("content")))
            elif event.name == "gen_ai.evaluation.result" and (check := _check(event.attributes)) is not None:
                checks.append(check)
        if checks:
            passed = [check.passed for check in checks]
            self._add(found, span.end, Evaluated(all(passed), sum(passed) / len(passed), tuple(checks)))

    def _say(self, found: Foreign, time: int, sender: str, to: object, kind: str, content: str) -> None:
        self._messages += 1
        message = Message(self._messages, sender, kind, content, to=str(to) if to else None, trusted=False)
        self._add(found, time, MessageSent(message))

    def _end(self, found: Foreign, end: int) -> None:
        root = self._root
        failed = root.error is not None
        answer = replied(root).text
        if answer:
            self._add(found, end, AnswerHandedIn(self._agent(root), answer))
        status: Literal["completed", "failed"] = "failed" if failed else "completed"
        end = max(end, found.started)
        seconds = round((end - found.started) / NANO, 6)
        why = "an error" if failed else "the trace ends here"
        finished = RunFinished(status, why, answer, self._usage, seconds, self._messages, root.error or "")
        evaluations = [moment for moment in found.moments if isinstance(moment[2], Evaluated)]
        found.moments = [moment for moment in found.moments if not isinstance(moment[2], Evaluated)]
        for _, _, event in evaluations[-1:]:  # as in our own traces, the grade comes just before the end
            self._add(found, end, event)
        self._add(found, end, finished)

    @staticmethod
    def _add(found: Foreign, time: int, event: Event, *, first: bool = False) -> None:
        order = 0 if first else len(found.moments) + 1
        found.moments.append((max(time, found.started), order, event))


def _chat(span: Span, agent: str, prompts: PromptDelta) -> tuple[Chat, bool]:
    """The model call, and whether its tokens are known."""
    given, made, cached = at.tokens(span)
    cost = at.cost_usd(span)
    reply = replied(span)
    kept, added = prompts.delta(agent, told(span))
    usage = Usage(
        given or 0,
        made or 0,
        cached or 0,
        1,
        None if cost is None else round(cost * NANO),
        _seconds(span),
        errors=int(span.error is not None),
        origin="measured" if given is not None and made is not None else "unknown",
    )
    chat = Chat(
        agent,
        str(span.attributes.get("headcount.purpose") or "act"),
        at.model(span) or UNKNOWN,
        kept,
        added,
        reply.text,
        usage,
        reply.tool_calls,
        at.finish_reason(span),
        error=span.error or "",
        server=str(span.attributes.get("server.address") or ""),
    )
    return chat, given is not None and made is not None


def _tool(span: Span, agent: str) -> ToolExecuted:
    return ToolExecuted(
        agent,
        at.tool_name(span),
        at.tool_call_id(span),
        UNKNOWN,
        at.tool_arguments(span),
        span.error is None,
        at.tool_result(span) or span.error or "",
        _seconds(span),
        tuple(structs.replace(chunk, text="") for chunk in at.chunks(span)),
    )


def _seconds(span: Span) -> float:
    return round(max(0, span.end - span.start) / NANO, 6)


def _check(known: dict[str, object]) -> Check | None:
    """An evaluation that says whether it passed; a score alone does not."""
    label = str(known.get("gen_ai.evaluation.score.label", "")).lower()
    if label not in ("pass", "passed", "fail", "failed"):
        return None
    why = str(known.get("gen_ai.evaluation.explanation") or "")
    return Check(str(known.get("gen_ai.evaluation.name") or "evaluation"), label.startswith("pass"), why)


def _last_user(span: Span) -> str:
    return next((one.content for one in reversed(told(span)) if one.role == "user"), "")


def _framework(spans: Sequence[Span]) -> str:
    """Whose instrumentation it was, by its name: `openinference.instrumentation.langchain` → `langchain`."""
    agents = [span for span in spans if at.role(span) in ("agent", "workflow")]
    for span in [*agents, *spans]:
        name = re.sub(r"^(@\w+/)?(opentelemetry|openinference)[.-](instrumentation[.-])?", "", span.scope)
        if name and at.is_ours(span):
            return re.sub(r"[^\w-]+", "-", name)
    return "otel"


def _digest(asked: str) -> str:
    """The same request is the same case."""
    return f"request-{hashlib.blake2b(' '.join(asked.split()).encode(), digest_size=4).hexdigest()}"
