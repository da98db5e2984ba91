"""A run as OpenTelemetry spans, with the names of its semantic conventions for generative AI (version 1.41 of the
conventions, all of them still in development there):

invoke_workflow TEAM          the run
  invoke_agent AGENT          a turn: what an agent does until it hands something on
    chat MODEL                a model call
    execute_tool TOOL         a tool call

What has no word there begins with `headcount.`. Span ids are made from the experiment and the event's number: exported
twice, a run gives the same spans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from traces.kernel import (
    AgentCreated,
    AnswerHandedIn,
    ApprovalDecided,
    BidMade,
    Chat,
    Evaluated,
    Event,
    LimitHit,
    Message,
    MessageSent,
    Record,
    Run,
    RunFinished,
    RunStarted,
    TaskAwarded,
    TaskDelivered,
    TaskReviewed,
    ToolExecuted,
)
from traces.otlp.messages import as_json, message, reply, said
from traces.otlp.span import Span, SpanEvent
from traces.prompts import prompts

NANO = 1_000_000_000
_HANDS_ON = MessageSent | TaskDelivered | TaskReviewed | BidMade | AnswerHandedIn


def spans_of(experiment: str, records: Sequence[Record], *, content: bool = False) -> list[Span]:
    """The spans of one run from its records, in order, parents first. Without `content`, what was said (prompts,
    replies, arguments, results, messages) is left out. A run without a start has none."""
    started = records[0].event if records else None
    if not isinstance(started, RunStarted):
        return []
    return _Tree(experiment, records, started.run, content).spans()


class _Turn:
    """An agent's calls, until it hands something on."""

    def __init__(self, agent: str, number: int, span_id: str) -> None:
        self.agent, self.number, self.id = agent, number, span_id
        self.children: list[Span] = []
        self.events: list[SpanEvent] = []


class _Tree:
    def __init__(self, experiment: str, records: Sequence[Record], run: Run, content: bool) -> None:
        self._records, self._run, self._content = records, run, content
        self._key = f"{experiment}/{records[0].run}"
        self._trace = hashlib.blake2b(self._key.encode(), digest_size=16).hexdigest()
        self._base = round(records[0].wall * NANO) - round(records[0].t * NANO)
        self._root = self._id("run")
        self._resource = {"service.name": "headcount", "headcount.experiment": experiment}
        self._turns: list[_Turn] = []
        self._open: dict[str, _Turn] = {}
        self._events: list[SpanEvent] = []
        self._prompts = {record.seq: prompt for record, _, prompt in prompts(records)} if content else {}

    def spans(self) -> list[Span]:
        for record in self._records:
            event = record.event
            if isinstance(event, Chat):
                self._turn(event.agent).children.append(self._chat(record, event))
            elif isinstance(event, ToolExecuted):
                self._turn(event.agent).children.append(self._tool(record, event))
            else:
                self._note(record, event)
        found = [span for turn in self._turns for span in (self._turn_span(turn), *turn.children)]
        return [self._run_span(found), *found]

    # --- the parts --------------------------------------------------------------------------------------------

    def _turn(self, agent: str) -> _Turn:
        if agent not in self._open:
            turn = _Turn(agent, len(self._turns), self._id(f"turn {len(self._turns)}"))
            self._turns.append(turn)
            self._open[agent] = turn
        return self._open[agent]

    def _chat(self, record: Record, chat: Chat) -> Span:
        usage = chat.usage
        known: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _provider(chat.model),
            "gen_ai.request.model": chat.model,
            "gen_ai.agent.name": chat.agent,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
            "gen_ai.response.finish_reasons": None if chat.error else [chat.finish_reason],
            "gen_ai.response.time_to_first_chunk": usage.queue_s + usage.first_token_s if usage.first_token_s else None,
            "server.address": chat.server or None,
            "error.type": "model_error" if chat.error else None,
            "headcount.purpose": chat.purpose,
            "headcount.cost_usd": usage.cost_usd,
            "headcount.fault": chat.fault.mode if chat.fault else None,
        }
        if self._content:
            known["gen_ai.input.messages"] = as_json([message(one) for one in self._prompts.get(record.seq, ())])
            known["gen_ai.output.messages"] = as_json([reply(chat)])
        error = (chat.error if self._content else "model_error") if chat.error else None
        return self._span(record, f"chat {chat.model}", "client", usage.latency_s, chat.agent, known, error)

    def _tool(self, record: Record, tool: ToolExecuted) -> Span:
        known: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": tool.call_id,
            "gen_ai.agent.name": tool.agent,
            "error.type": None if tool.ok else "tool_error",
            "headcount.effect": tool.effect or None,
            "headcount.chunks": len(tool.chunks) or None,
        }
        if self._content:
            known["gen_ai.tool.call.arguments"] = as_json(tool.arguments)
            known["gen_ai.tool.call.result"] = tool.result
        error = None if tool.ok else (tool.result if self._content else "tool_error")
        return self._span(record, f"execute_tool {tool.tool}", "internal", tool.latency_s, tool.agent, known, error)

    def _note(self, record: Record, event: Event) -> None:
        """What is no call: an event of its agent's turn, or of the run."""
        note = _noted(event, self._content)
        agent = _who(event)
        if note is not None:
            at = SpanEvent(note[0], self._at(record.t), _known(note[1]))
            place = self._open[agent].events if agent in self._open else self._events
            place.append(at)
        if isinstance(event, _HANDS_ON):
            self._open.pop(agent, None)

    def _span(
        self, record: Record, name: str, kind: Any, seconds: float, agent: str, known: dict[str, Any], error: str | None
    ) -> Span:
        end = self._at(record.t)
        start = max(end - round(seconds * NANO), self._at(self._records[0].t))
        attributes = _known({**known, "headcount.step": record.seq, "headcount.clock": self._run.clock})
        return Span(
            self._trace, self._id(str(record.seq)), self._open[agent].id, name, kind, start, end, attributes, (), error,
            self._resource,
        )  # fmt: skip

    def _turn_span(self, turn: _Turn) -> Span:
        usage = [child.attributes for child in turn.children]
        known = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "headcount",
            "gen_ai.agent.name": turn.agent,
            "gen_ai.usage.input_tokens": sum(a.get("gen_ai.usage.input_tokens", 0) for a in usage),
            "gen_ai.usage.output_tokens": sum(a.get("gen_ai.usage.output_tokens", 0) for a in usage),
            "headcount.clock": self._run.clock,
            "headcount.turn": turn.number,
        }
        start, end = _hull([(child.start, child.end) for child in turn.children])
        end = max([end, *(event.time for event in turn.events)])
        return Span(
            self._trace, turn.id, self._root, f"invoke_agent {turn.agent}", "internal", start, end, known,
            tuple(turn.events), None, self._resource,
        )  # fmt: skip

    def _run_span(self, found: Sequence[Span]) -> Span:
        run = self._run
        events = [record.event for record in self._records]
        finished = next((event for event in events if isinstance(event, RunFinished)), None)
        graded = next((event for event in reversed(events) if isinstance(event, Evaluated)), None)
        known: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.provider.name": "headcount",
            "gen_ai.workflow.name": run.team,
            "gen_ai.conversation.id": self._key,
            "headcount.scenario": run.scenario,
            "headcount.case": run.case,
            "headcount.team": run.team,
            "headcount.engine": run.engine,
            "headcount.model": run.model,
            "headcount.trial": run.trial,
            "headcount.run": self._records[0].run,
            "headcount.seed": str(run.seed),
            "headcount.simulated": run.simulated,
            "headcount.clock": run.clock,
        }
        if finished is not None:
            known |= {
                "headcount.status": finished.status,
                "headcount.ended_by": finished.ended_by,
                "headcount.cost_usd": finished.usage.cost_usd,
                "headcount.tokens": finished.usage.tokens,
                "headcount.waited_s": finished.waited_s or None,
                "error.type": "run_failed" if finished.status == "failed" else None,
            }
        if graded is not None and not graded.error:
            known |= {"headcount.success": graded.success, "headcount.score": float(graded.score)}
        if self._content:
            known |= _asked_and_answered(events)
        error = None
        if finished is not None and finished.status == "failed":
            error = finished.error if self._content else "run_failed"
        moments = [(self._at(record.t),) * 2 for record in self._records]
        start, end = _hull([*moments, *((span.start, span.end) for span in found)])
        return Span(
            self._trace, self._root, "", f"invoke_workflow {run.team}", "internal", start, end, _known(known),
            tuple(self._events), error, self._resource,
        )  # fmt: skip

    # --- below ------------------------------------------------------------------------------------------------

    def _at(self, t: float) -> int:
        return self._base + round(t * NANO)

    def _id(self, what: str) -> str:
        return hashlib.blake2b(f"{self._key}/{what}".encode(), digest_size=8).hexdigest()


def _hull(times: Iterable[tuple[int, int]]) -> tuple[int, int]:
    times = list(times)
    return min(start for start, _ in times), max(end for _, end in times)


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _provider(model: str) -> str:
    """The provider in LiteLLM's way of writing a model's name; ours where there is none."""
    provider, slash, _ = model.partition("/")
    return provider if slash and provider else "headcount"


def _noted(event: Event, content: bool) -> tuple[str, dict[str, Any]] | None:
    """The name and attributes of what is a moment of a span; None for what is not shown."""
    match event:
        case MessageSent():
            return "headcount.message", _of_message(event.message, content)
        case AgentCreated():
            return "headcount.create_agent", {"gen_ai.agent.name": event.agent, "headcount.role": event.role}
        case Evaluated():
            if event.error:
                return "gen_ai.evaluation.result", {
                    "gen_ai.evaluation.name": "headcount",
                    "error.type": "not_graded",
                    "gen_ai.evaluation.explanation": event.error,
                }
            return "gen_ai.evaluation.result", {
                "gen_ai.evaluation.name": "headcount",
                "gen_ai.evaluation.score.value": float(event.score),
                "gen_ai.evaluation.score.label": "pass" if event.success else "fail",
            }
        case BidMade() | TaskAwarded():
            kind = "bid" if isinstance(event, BidMade) else "award"
            return f"headcount.{kind}", {"posting": event.posting, "agent": event.agent, "price": float(event.price)}
        case TaskDelivered() | TaskReviewed():
            kind = "delivery" if isinstance(event, TaskDelivered) else "acceptance"
            accepted = event.accepted if isinstance(event, TaskReviewed) else None
            return f"headcount.{kind}", {"posting": event.posting, "accepted": accepted}
        case ApprovalDecided():
            return "headcount.approval", {"tool": event.tool, "by": event.approver, "approved": event.approved}
        case LimitHit():
            return "headcount.limit", {"kind": event.kind, "value": float(event.value), "limit": float(event.limit)}
    return None


def _who(event: Event) -> str:
    match event:
        case MessageSent():
            return event.message.sender
        case TaskReviewed():
            return event.by
    return str(getattr(event, "agent", ""))


def _of_message(sent: Message, content: bool) -> dict[str, Any]:
    known = {"from": sent.sender, "to": sent.to, "topic": sent.topic, "kind": sent.kind}
    return {**known, "content": sent.content if content else None}


def _asked_and_answered(events: Sequence[Event]) -> dict[str, Any]:
    """The request and the answer of a run."""
    known = {}
    for event in events:
        if isinstance(event, RunStarted):
            known["gen_ai.input.messages"] = as_json([said("user", event.request)])
        elif isinstance(event, RunFinished):
            known["gen_ai.output.messages"] = as_json([{**said("assistant", event.answer), "finish_reason": "stop"}])
    return known
