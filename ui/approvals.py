"""Approvals: what agents want to do and may not without a person's yes, and what they ask."""

from __future__ import annotations

import getpass
import time
from typing import Any

import streamlit as st

from experiments import words
from tools import approvals
from traces import home
from traces.errors import InputError
from ui import inbox, preferences, shared
from ui.inbox import Waiting

REFRESH_S = 2.0
ANSWERED = 20


def page() -> None:
    st.title("Approvals")
    st.write(
        "What agents want to do outside their run, where the scenario's rules leave the decision to a person, and what "
        "they ask. What nobody answers in time is refused, and the run goes on."
    )
    with st.expander("When does something come here?"):
        st.write(
            "Launch with approver “a person” (`--approver person`) on a real model. Under simulated time nothing can "
            "wait for a person: there the scenario's simulated approver decides."
        )
    preferred = preferences.read().name or _user()
    name = st.text_input("Your name, as it is recorded in the trace", preferred, key="approver_name", max_chars=80)
    shared.fragment(_inbox, REFRESH_S)(str(name))
    _history()


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:
        return ""


def _inbox(name: str) -> None:
    everything = inbox.waiting()
    waiting = [one for one in everything if one.alive]
    lost = [one for one in everything if not one.alive]
    if not waiting:
        st.info("Nobody waits for an answer.")
    for one in waiting:
        _request(one, name)
    if lost:
        st.header("Their run has ended", anchor=False)
        st.caption("Nobody waits for these now. An answer is kept, and used if the experiment is resumed.")
        for one in lost:
            _request(one, name)


def _request(one: Waiting, name: str) -> None:
    request = one.request
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            what = "asks a question" if request.kind == "question" else f"wants to call {request.tool}"
            st.markdown(f"**{shared.plain(request.agent)}** {shared.plain(what)}", width="content")
            st.badge("question" if request.kind == "question" else "outside effect", color="orange")
            left = request.until - time.time()
            if one.alive:
                st.caption(
                    f"{words.seconds(left)} left, then it is a no" if left > 0 else "time is over", width="content"
                )
        st.caption(shared.plain(f"team {request.team}, case {request.case}, run {request.run} of {one.experiment}"))
        if request.kind == "question":
            st.text(request.question)
        else:
            st.caption("Exactly this will be done:")
            st.code(_call(request.tool, request.arguments), language=None, wrap_lines=True)
            st.caption(shared.plain(f"Asked because: {request.reason}"))
            _untrusted(request.untrusted)
        _answer(one, name)
        shared.link(
            "replay", "The run so far", experiment=one.experiment, run=request.run, step=max(0, request.step - 1)
        )


def _call(tool: str, arguments: dict[str, Any]) -> str:
    return "\n".join([tool, *(f"  {name} = {value!r}" for name, value in arguments.items())])


def _untrusted(texts: tuple[str, ...]) -> None:
    if not texts:
        st.caption("No text from outside is in the agent's context.")
        return
    count = f"{len(texts)} text{'s' if len(texts) > 1 else ''}"
    with st.expander(f"{count} from outside in the agent's context: could one of them have given the order?"):
        for text in texts:
            st.code(text, language=None, wrap_lines=True)


def _answer(one: Waiting, name: str) -> None:
    request = one.request
    question = request.kind == "question"
    label = "Your answer" if question else "Reason (the agent is told)"
    key = f"{one.experiment}_{request.id}"
    text = st.text_input(label, key=f"text_{key}", max_chars=2000)
    with st.container(horizontal=True):
        if question:
            if st.button("Answer", key=f"yes_{key}", type="primary", disabled=not text):
                _give(one, True, name, str(text))
        else:
            if st.button("Allow it", key=f"yes_{key}", type="primary"):
                _give(one, True, name, str(text))
            if st.button("Refuse", key=f"no_{key}"):
                _give(one, False, name, str(text))


def _give(one: Waiting, approved: bool, name: str, text: str) -> None:
    try:
        folder = home.experiment_folder(one.experiment).path
        approvals.answer(folder, one.request.id, approved=approved, by=name, text=text)
    except InputError as error:
        st.error(shared.sentence(error))
        return
    st.toast("Answered." if one.request.kind == "question" else ("Allowed." if approved else "Refused."))
    st.rerun()


def _history() -> None:
    found = inbox.answered(ANSWERED)
    if not found:
        return
    st.header("Answered", anchor=False)
    rows = [
        {
            "answer": "answered" if request.kind == "question" else ("allowed" if answer.approved else "refused"),
            "by": answer.by,
            "what": request.question if request.kind == "question" else _call(request.tool, request.arguments),
            "reason": answer.text,
            "agent": request.agent,
            "when": words.ago(answer.at),
            "replay": f"/replay?experiment={experiment}&run={request.run}&step={request.step}",
        }
        for experiment, request, answer in found
    ]
    shared.table(rows, caption=f"The newest {len(rows)} answers")
