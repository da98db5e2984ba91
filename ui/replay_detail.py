"""Everything that there is to see of one step. Text of a run is shown as plain text, never read as markup: markup
could load an image from elsewhere, and with its address tell what was in the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import msgspec
import streamlit as st

from experiments import words
from experiments.reading.steps import TITLES
from traces import kernel as k
from traces import strict
from traces.kernel import NANO, Record
from traces.prompts import prompt_at
from ui import shared

SHORT = 48
UNITS = {"price": "tokens", "amount": "tokens", "seconds": "s"}


def show(moment: Sequence[Record], simulated: bool) -> None:
    """The last event of `moment` in full; the others are those that its prompt is made of (`Store.moment`)."""
    record = moment[-1]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(f"Step {record.seq} · {TITLES[type(record.event)]}", anchor=False, width="content")
        st.caption(f"at {record.t:.2f} s{' of simulated time' if simulated else ''}")
    if isinstance(record.event, k.Chat):
        _model_call(record.event, prompt_at(moment, record.seq))
    else:
        _body(record.event)


def text(title: str, content: str, *, trusted: bool = True) -> None:
    """A text of the run under a title of ours."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(title, width="content")
        if not trusted:
            st.badge("untrusted", color="orange", help="From outside the run's instructions: a document, a tool, mail.")
    if content:
        st.code(content, language=None, wrap_lines=True)
    else:
        st.caption("(empty)")


def facts(values: dict[str, Any]) -> None:
    """Names and values, short ones side by side; those that are not set are left out. The names must be ours."""
    given = {name: _plain(value) for name, value in values.items() if value not in ("", None, (), [], {})}
    short = {name: value for name, value in given.items() if len(value) <= SHORT and "\n" not in value}
    if short:
        with st.container(horizontal=True, gap="medium"):
            for name, value in short.items():
                with st.container(width="content", gap=None):
                    st.caption(name, width="content")
                    st.text(value, width="content")
    for name, value in given.items():
        if name not in short:
            text(name, value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _pretty(arguments: str) -> str:
    """JSON, indented; what is no JSON, as it came."""
    try:
        return json.dumps(strict.loads(arguments), indent=2, ensure_ascii=False)
    except ValueError:
        return arguments


# --- the model call ---------------------------------------------------------------------------------------------


def _model_call(event: k.Chat, prompt: Sequence[k.ChatMessage]) -> None:
    usage = event.usage
    facts(
        {
            "agent": event.agent,
            "purpose": event.purpose,
            "model": event.model,
            "tokens": words.usage(usage),
            "cost": words.money(usage.cost_usd),
            "latency": words.call_time(usage),
            "context": words.context(event),
            "server": event.server,
            "tried again": usage.retries or None,
            "ended by": event.finish_reason,
            "tools offered": event.tools,
        }
    )
    if event.fault:
        st.warning("The simulated model was made to err here; the true label:")
        facts({"mode": event.fault.mode, "step": event.fault.step, "detail": event.fault.detail})
    if event.error:
        st.error("The call failed:")
        text("error", event.error)
    left, right = st.columns(2, gap="medium")
    with left:
        _prompt(prompt, event.kept)
    with right:
        _reply(event)


def _prompt(messages: Sequence[k.ChatMessage], kept: int) -> None:
    st.markdown(f"**Prompt**: {len(messages)} messages, {len(messages) - kept} of them new in this call")
    for number, message in enumerate(messages, 1):
        new = ", new" if number > kept else ""
        text(f"message {number} · {message.role}{new}", message.content, trusted=message.trusted)
        _calls(message.tool_calls)


def _reply(event: k.Chat) -> None:
    st.markdown("**Reply**")
    if event.text or not event.tool_calls:
        text("text", event.text)
    _calls(event.tool_calls)


def _calls(calls: Sequence[k.ToolCall]) -> None:
    for call in calls:
        st.caption("asks for a tool")
        st.code(f"{call.name}\n{_pretty(call.arguments)}", language=None, wrap_lines=True)


# --- all others -------------------------------------------------------------------------------------------------


@singledispatch
def _body(event: Any) -> None:
    values = msgspec.to_builtins(event)
    facts({name.replace("_", " "): _with_unit(name, value) for name, value in values.items() if name != "type"})


def _with_unit(name: str, value: Any) -> Any:
    return f"{_plain(value)} {UNITS[name]}" if name in UNITS and value is not None else value


@_body.register
def _(event: k.RunStarted) -> None:
    run = msgspec.to_builtins(event.run)
    budget = run.pop("budget")
    limits = {f"budget: {name}": f"{value:,}" for name, value in budget.items() if value is not None}
    facts({name.replace("_", " "): value for name, value in run.items()} | limits)
    text("request", event.request)


@_body.register
def _(event: k.MessageSent) -> None:
    message = event.message
    facts(
        {
            "from": message.sender,
            "to": message.to,
            "topic": message.topic,
            "kind": message.kind,
            "number": message.id,
            "reply to": message.reply_to,
        }
    )
    text("content", message.content, trusted=message.trusted)


@_body.register
def _(event: k.OutputRejected) -> None:
    facts({"agent": event.agent, "attempt": event.attempt, "final": event.final})
    text("reason", event.reason)


@_body.register
def _(event: k.EffectIntended) -> None:
    facts({"agent": event.agent, "tool": event.tool, "call": event.call_id, "idempotency key": event.key})
    _arguments(event.arguments)


@_body.register
def _(event: k.ToolExecuted) -> None:
    facts(
        {
            "agent": event.agent,
            "tool": event.tool,
            "effect": event.effect,
            "ok": event.ok,
            "latency": f"{event.latency_s:.2f} s",
            "call": event.call_id,
        }
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _arguments(event.arguments)
        _chunks(event.chunks)
    with right:
        text("result", event.result, trusted=event.trusted)


def _arguments(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        st.caption("argument")
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        st.code(f"{name}:\n{shown}", language=None, wrap_lines=True)


def _chunks(chunks: Sequence[k.Chunk]) -> None:
    if not chunks:
        return
    import pandas as pd

    st.caption(f"{len(chunks)} passages were found; a higher score is better, rank 1 is the best")
    rows = [
        {
            "place": place,
            "passage": chunk.id,
            "score": round(chunk.score, 4),
            "vector rank": chunk.vector_rank,
            "text rank": chunk.text_rank,
            "title": chunk.title,
        }
        for place, chunk in enumerate(chunks, 1)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


@_body.register
def _(event: k.TaskPosted) -> None:
    facts({"posting": event.posting, "for a": event.role, "needs": event.needs, "by": event.by})
    text("goal", event.goal)


@_body.register
def _(event: k.TaskDelivered) -> None:
    facts({"posting": event.posting, "agent": event.agent, "attempt": event.attempt})
    text("content", event.content)


@_body.register
def _(event: k.AnswerHandedIn) -> None:
    facts({"agent": event.agent})
    text("content", event.content)


@_body.register
def _(event: k.Noted) -> None:
    facts({"agent": event.agent, "kind": event.kind})
    text("text", event.text)


@_body.register
def _(event: k.Evaluated) -> None:
    import pandas as pd

    if event.error:
        st.warning("Not graded: whether the run succeeded is unknown.")
        text("why", event.error)
    else:
        (st.success if event.success else st.error)(
            f"{'Success' if event.success else 'Failure'}: score {event.score:.2f}, "
            f"{sum(check.passed for check in event.checks)} of {len(event.checks)} checks passed"
        )
    rows = [{"check": c.name, "passed": _passed(c), "weight": c.weight, "detail": c.detail} for c in event.checks]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _passed(check: k.Check) -> str:
    if check.failed:
        return "the grader failed"
    return "yes" if check.passed else "NO"


@_body.register
def _(event: k.RunFinished) -> None:
    usage = event.usage
    facts(
        {
            "status": shared.status(event.status),
            "ended by": event.ended_by,
            "tokens": words.usage(usage),
            "model calls": usage.calls,
            "cost": words.money(None if usage.cost_nano_usd is None else usage.cost_nano_usd / NANO),
            "latency": f"{event.latency_s:.2f} s",
            "waiting for a person": f"{event.waited_s:.2f} s, not in the latency" if event.waited_s else "",
            "messages": event.messages,
        }
    )
    text("answer", event.answer)
    if event.error:
        text("error", event.error)
