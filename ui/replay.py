"""Replay: one run, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pandas as pd
import streamlit as st

from experiments.steps import headline
from traces import kernel as k
from traces.kernel import NANO, Record
from traces.prompts import prompt_at
from traces.rows import RunRow
from traces.store import Store
from ui import replay_component, shared

FAILED_SHOWN = 30


@shared.guarded
def page() -> None:
    st.title("Replay")
    row = shared.choose_experiment()
    if row is None:
        return
    total = Store().count_runs(row.id)
    if not total:
        st.info("No run of this experiment was started yet.")
        return
    run = _choose_run(row.id, total)
    if run is None:
        return
    records = Store().events(row.id, run.run)
    if not records:
        st.info("Nothing of this run was recorded yet.")
        return
    _summary(run)
    st.fragment(_steps)(f"{row.id}/{run.run}", records)


def _choose_run(experiment: str, total: int) -> RunRow | None:
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        number = st.number_input(f"Run (0 to {total - 1:,})", 0, key="run", bind="query-params", step=1)
    with right, st.popover("Failed runs"):
        failed = Store().runs(experiment, success=False, limit=FAILED_SHOWN)
        for one in failed:
            shared.link("replay", f"{one.run}: {one.case_id}, {one.team}", experiment=experiment, run=one.run)
        if not failed:
            st.caption("None failed.")
        elif len(failed) == FAILED_SHOWN:
            count = Store().count_runs(experiment, success=False)
            st.caption(f"{FAILED_SHOWN} of {count:,} shown; Compare lists all.")
    if int(number) >= total:
        st.warning(f"This experiment has runs 0 to {total - 1:,}.")
        return None
    return Store().run(experiment, int(number))


def _summary(run: RunRow) -> None:
    outcome = {True: "success", False: "failure", None: "not graded"}[run.success]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{run.case_id}** · {run.team} · trial {run.trial}")
        st.badge(outcome, color={"success": "green", "failure": "red"}.get(outcome, "gray"))  # type: ignore[arg-type]
        shared.badge(run.simulated)
        st.caption(
            f"{run.status} · {run.tokens:,} tokens · {shared.money(run.cost_usd)} · {shared.seconds(run.latency_s)} · "
            f"{run.messages} messages · {run.events} events"
        )


def _steps(name: str, records: Sequence[Record]) -> None:
    asked = st.query_params.get("step", "0")
    start = min(int(asked), len(records) - 1) if asked.isdigit() else 0
    step = min(replay_component.show(name, records, start), len(records) - 1)
    _detail(records, step)


def _detail(records: Sequence[Record], step: int) -> None:
    """Everything that there is to see of a step. Model text is shown as plain text, never as markup."""
    record = records[step]
    event = record.event
    st.subheader(f"Step {step}", anchor=False)
    st.text(headline(record))
    match event:
        case k.Chat():
            _chat(records, step, event)
        case k.ToolExecuted():
            _tool(event)
        case k.MessageSent():
            message = event.message
            _text(
                f"{message.sender} to {message.to or message.topic or 'all'}, {message.kind}",
                message.content,
                trusted=message.trusted,
            )
        case k.TaskDelivered() | k.AnswerHandedIn():
            _text("Text", event.content)
        case k.RunStarted():
            _text("Request", event.request, trusted=False)
            _fields(event.run)
        case k.RunFinished():
            _text("Answer", event.answer or "(none)")
            _fields(event, leave="answer")
        case k.Evaluated():
            st.dataframe(
                pd.DataFrame(
                    [{"check": c.name, "passed": "yes" if c.passed else "NO", "detail": c.detail} for c in event.checks]
                ),
                hide_index=True,
            )
        case _:
            _fields(event)


def _chat(records: Sequence[Record], step: int, event: k.Chat) -> None:
    usage = event.usage
    cost = None if usage.cost_nano_usd is None else usage.cost_nano_usd / NANO
    st.caption(
        f"{event.model} · {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out · {shared.money(cost)} · "
        f"{usage.latency_s:.2f} s · ended with {event.finish_reason}"
    )
    if event.fault:
        st.warning(f"Simulated error: {event.fault.mode} at {event.fault.step}: {event.fault.detail}")
    if event.error:
        st.error(event.error)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What it saw**")
        for message in prompt_at(records, step):
            calls = "".join(f"\ncalls {call.name}({call.arguments})" for call in message.tool_calls)
            _text(message.role, message.content + calls, trusted=message.trusted)
        if event.tools:
            st.caption(f"Tools on offer: {', '.join(event.tools)}")
    with right:
        st.markdown("**What it said**")
        if event.text:
            _text("text", event.text)
        for call in event.tool_calls:
            _text(f"calls {call.name}", call.arguments)


def _tool(event: k.ToolExecuted) -> None:
    st.caption(
        f"{event.tool} · effect: {event.effect or 'none'} · {'ok' if event.ok else 'failed'} · {event.latency_s:.2f} s"
    )
    for name, value in event.arguments.items():
        _text(name, str(value))
    if event.chunks:
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "passage": c.id,
                        "title": c.title,
                        "score": round(c.score, 4),
                        "vector rank": c.vector_rank,
                        "text rank": c.text_rank,
                    }
                    for c in event.chunks
                ]
            ),
            hide_index=True,
        )
    _text("Result", event.result, trusted=event.trusted)


def _text(title: str, text: str, *, trusted: bool = True) -> None:
    """Model or outside text, as it is: `st.code` shows it without reading markup into it."""
    st.caption(title if trusted else f"{title} · untrusted text")
    st.code(text, language=None, wrap_lines=True)


def _fields(event: Any, leave: str = "") -> None:
    values = {name: value for name, value in msgspec.to_builtins(event).items() if name not in (leave, "type")}
    for name, value in values.items():
        if value not in ("", None, [], {}):
            shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            _text(name, shown)
