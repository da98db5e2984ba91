"""A step of a run in words: one line (`headline`), or everything that there is to see (`describe`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import msgspec

from experiments import words
from traces import kernel as k
from traces.kernel import Record
from traces.prompts import prompt_at

TITLES: dict[type[Any], str] = {
    k.RunStarted: "Run starts",
    k.AgentCreated: "Agent joins",
    k.MessageSent: "Message",
    k.DeadLetter: "Message not delivered",
    k.Chat: "Model call",
    k.OutputRejected: "Reply rejected",
    k.EffectIntended: "Effect intended",
    k.ApprovalDecided: "Approval",
    k.ToolExecuted: "Tool call",
    k.TaskPosted: "Task posted",
    k.TaskOpened: "Task open for bids",
    k.BidMade: "Bid",
    k.TaskAwarded: "Award",
    k.TaskStarted: "Work begins",
    k.TaskReposted: "Posted again",
    k.TaskDelivered: "Delivery",
    k.TaskReviewed: "Acceptance",
    k.TaskClosed: "Task closed",
    k.MoneyMoved: "Money",
    k.ReputationChanged: "Reputation",
    k.AnswerHandedIn: "Answer handed in",
    k.LimitHit: "Limit",
    k.Noted: "Note",
    k.Evaluated: "Evaluation",
    k.RunFinished: "Run ends",
}


def headline(record: Record) -> str:
    """Who did what, in one line."""
    return _line(record.event)


def describe(record: Record, records: Sequence[Record] = ()) -> list[str]:
    """The step in full. For a model call, `records` (those of its run) give the exact prompt."""
    lines = [f"step {record.seq} at {record.t:.2f} s: {headline(record)}", ""]
    if isinstance(record.event, k.Chat) and records:
        lines.append("--- prompt ---")
        for message in prompt_at(records, record.seq):
            mark = "" if message.trusted else " (untrusted text)"
            lines += [f"[{message.role}]{mark} {message.content}", *(f"  call {_call(c)}" for c in message.tool_calls)]
        lines.append("--- reply ---")
    return lines + _body(record.event)


def _call(call: k.ToolCall) -> str:
    return f"{call.name}({call.arguments})"


def _short(text: str, length: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


@singledispatch
def _line(event: Any) -> str:
    return str(type(event).__name__)


@_line.register
def _(event: k.RunStarted) -> str:
    return f"{event.run.team} starts on {event.run.case}: {_short(event.request)}{_origin(event.run.parent)}"


def _origin(parent: k.Lineage | None) -> str:
    """Where a fork comes from."""
    if parent is None:
        return ""
    changes = ", ".join(f"{name}={_short(value, 40)}" for name, value in parent.changes.items()) or "nothing"
    return f" [fork of run {parent.run} of {parent.experiment} at step {parent.step}; changed: {changes}]"


@_line.register
def _(event: k.AgentCreated) -> str:
    return f"{event.agent} joins as {event.role} on {event.model}; tools: {', '.join(event.tools) or 'none'}"


@_line.register
def _(event: k.MessageSent) -> str:
    message = event.message
    return f"{message.sender} → {message.to or message.topic or 'all'} ({message.kind}): {_short(message.content)}"


@_line.register
def _(event: k.DeadLetter) -> str:
    return f"{event.message.sender}'s message to {event.to} was not delivered: {event.reason}"


@_line.register
def _(event: k.Chat) -> str:
    said = "; ".join(map(_call, event.tool_calls)) or event.text
    wrong = f" [{event.fault.mode}]" if event.fault else ""
    used = words.tokens(event.usage.tokens, event.usage.tokens_origin)
    return f"{event.agent} thinks ({event.purpose}, {used} tokens){wrong}: {_short(event.error or said)}"


@_line.register
def _(event: k.OutputRejected) -> str:
    return f"{event.agent}'s reply could not be used (attempt {event.attempt}): {_short(event.reason)}"


@_line.register
def _(event: k.EffectIntended) -> str:
    return f"{event.agent} is about to {event.tool}"


@_line.register
def _(event: k.ApprovalDecided) -> str:
    decided = "approved" if event.approved else "refused"
    return f"{event.tool} by {event.agent} {decided} by {event.approver}: {event.reason}"


@_line.register
def _(event: k.ToolExecuted) -> str:
    return f"{event.agent} uses {event.tool}{'' if event.ok else ' (failed)'}: {_short(event.result)}"


@_line.register
def _(event: k.TaskPosted) -> str:
    return f"{event.by} posts {event.posting} for a {event.role}: {_short(event.goal)}"


@_line.register
def _(event: k.TaskOpened) -> str:
    return f"{event.posting} is open for bids"


@_line.register
def _(event: k.BidMade) -> str:
    return f"{event.agent} bids {event.price:g} tokens for {event.posting} (sure: {event.confidence:.0%})"


@_line.register
def _(event: k.TaskAwarded) -> str:
    return f"{event.posting} goes to {event.agent} for {event.price:g} tokens: {event.reason}"


@_line.register
def _(event: k.TaskStarted) -> str:
    return f"{event.agent} begins {event.posting}"


@_line.register
def _(event: k.TaskReposted) -> str:
    return f"{event.posting} is taken from {event.agent} and open for bids again: {_short(event.reason)}"


@_line.register
def _(event: k.TaskDelivered) -> str:
    return f"{event.agent} delivers {event.posting}: {_short(event.content)}"


@_line.register
def _(event: k.TaskReviewed) -> str:
    return f"{event.by} {'accepts' if event.accepted else 'sends back'} {event.posting} {_short(event.reason)}".rstrip()


@_line.register
def _(event: k.TaskClosed) -> str:
    return f"{event.posting} is {event.state} {event.reason}".rstrip()


@_line.register
def _(event: k.MoneyMoved) -> str:
    return f"{event.kind}: {event.payer} → {event.payee}, {event.amount:,} for {event.posting or 'a start'}"


@_line.register
def _(event: k.ReputationChanged) -> str:
    return f"{event.agent} is now trusted with {event.skill} at {event.mean:.0%} ± {event.deviation:.0%}"


@_line.register
def _(event: k.AnswerHandedIn) -> str:
    return f"{event.agent} hands in: {_short(event.content)}"


@_line.register
def _(event: k.LimitHit) -> str:
    return f"limit: {event.kind} {event.value:g} of {event.limit:g}"


@_line.register
def _(event: k.Noted) -> str:
    return f"{event.agent}: {event.kind}: {_short(event.text)}"


@_line.register
def _(event: k.Evaluated) -> str:
    if event.error:
        return f"not graded: {event.error}"
    return f"graded: {'success' if event.success else 'failure'} (score {event.score:.2f})"


@_line.register
def _(event: k.RunFinished) -> str:
    return f"{event.status}: {event.ended_by} {event.error}".rstrip()


@singledispatch
def _body(event: Any) -> list[str]:
    return msgspec.json.format(msgspec.json.encode(event), indent=2).decode().splitlines()


@_body.register
def _(event: k.Chat) -> list[str]:
    lines = [event.text, *(f"  call {_call(call)}" for call in event.tool_calls)]
    usage = event.usage
    seen = [f"tokens: {words.usage(usage)}", words.call_time(usage)]
    seen += [part for part in (words.context(event), event.server) if part]
    seen += [f"tried again {usage.retries} times"] if usage.retries else []
    lines.append(f"--- {', '.join(seen)} ---")
    if event.fault:
        lines.append(f"simulated error: {event.fault.mode} at {event.fault.step}: {event.fault.detail}")
    return lines


@_body.register
def _(event: k.MessageSent) -> list[str]:
    return [event.message.content]


@_body.register
def _(event: k.ToolExecuted) -> list[str]:
    lines = [f"{name} = {value}" for name, value in event.arguments.items()]
    if not event.chunks:
        return [*lines, "", event.result]
    chunks = [
        f"[{c.id}] score {c.score:.4f} (vector {c.vector_rank}, text {c.text_rank}) {c.title}" for c in event.chunks
    ]
    return [*lines, "", *chunks, "", event.result]


@_body.register
def _(event: k.Evaluated) -> list[str]:
    lines = [f"{_passed(check)} {check.name}  {check.detail}".rstrip() for check in event.checks]
    if event.error:
        return [*lines, f"not graded, so whether it succeeded is unknown: {event.error}"]
    return [*lines, f"{'success' if event.success else 'failure'}, score {event.score:.2f}"]


def _passed(check: k.Check) -> str:
    if check.failed:
        return "ERROR "
    return "ok    " if check.passed else "MISSED"
