"""Thumbs, labels and comments on a step or on the whole run, and what they make as data."""

from __future__ import annotations

import streamlit as st

from experiments.exchange import labelled
from traces.errors import HeadcountError
from traces.labels import THUMBS, Kind, Labels, Said
from traces.rows import RunRow
from ui import shared

STEP, RUN = "this step", "the whole run"
FORMS = {"cases": "Evaluation cases", "sft": "Fine-tuning (SFT)", "dpo": "Preferences (DPO)"}


def panel(row: RunRow, step: int) -> None:
    """What was said here, a place to say more, everything that was said about the run, and the export."""
    about = st.segmented_control("About", [STEP, RUN], default=STEP, key="labels_about", required=True)
    at = step if about == STEP else None
    said = Labels().of(row.experiment, row.run)
    _thumb(row, at, [one for one in said if one.step == at])
    _words(row, at)
    _all(row, said)
    _export(row.experiment)


def _place(row: RunRow, at: int | None) -> str:
    return f"{row.experiment}-{row.run}-{at}"


def _thumb(row: RunRow, at: int | None, here: list[Said]) -> None:
    known = next((one for one in here if one.kind == "thumb"), None)
    key = f"thumb-{_place(row, at)}-{known.id if known else 0}"
    now = known.value if known else None
    picked = st.pills("Thumb", list(THUMBS), default=now, format_func=THUMBS.__getitem__, key=key)
    if picked == now:
        return
    if picked is None and known is not None:
        Labels().take_back(known)
    elif picked is not None:
        Labels().say(row.experiment, row.run, at, "thumb", picked)
    st.rerun(scope="fragment")


def _words(row: RunRow, at: int | None) -> None:
    left, right = st.columns([1, 2])
    with left.form(f"label-{_place(row, at)}", clear_on_submit=True, border=False):
        label = st.text_input("Label", placeholder="wrong price", max_chars=60)
        if st.form_submit_button("Add label") and label.strip():
            _say(row, at, "label", label)
    with right.form(f"comment-{_place(row, at)}", clear_on_submit=True, border=False):
        comment = st.text_input("Comment", placeholder="It read the price list of last year.")
        if st.form_submit_button("Add comment") and comment.strip():
            _say(row, at, "comment", comment)


def _say(row: RunRow, at: int | None, kind: Kind, value: str) -> None:
    try:
        Labels().say(row.experiment, row.run, at, kind, value)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    st.rerun(scope="fragment")


def _all(row: RunRow, said: list[Said]) -> None:
    """Everything about the run, to be narrowed, and taken back one by one."""
    if not said:
        st.caption("Nothing is said about this run yet.")
        return
    names = list(dict.fromkeys(one.name for one in said))
    wanted = st.multiselect("Show", names, key="labels_shown", placeholder=f"all {len(said):,}")
    shown = [one for one in said if not wanted or one.name in wanted]
    for one in shown:
        with st.container(horizontal=True, vertical_alignment="center"):
            place = "run" if one.step is None else f"step {one.step}"
            st.caption(place, width=70)
            st.text(one.value if one.kind == "comment" else one.name, width="content")
            if st.button("take back", type="tertiary", key=f"back-{one.id}"):
                Labels().take_back(one)
                st.rerun(scope="fragment")
    st.caption(f"{len(shown):,} of {len(said):,} shown")


def _export(experiment: str) -> None:
    if not st.toggle("export what is said about this experiment", key="labels_export"):
        return
    for form, title in FORMS.items():
        try:
            found = labelled.export(experiment, form)
        except HeadcountError as error:
            st.caption(shared.plain(f"{title}: {error}"))
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                title,
                found.text,
                f"{experiment}-{form}.jsonl",
                "application/jsonl",
                disabled=not found.lines,
                key=f"labels-{form}",
            )
            taken = f"{found.secrets:,} secrets and {found.personal:,} places with personal data taken out"
            st.caption(f"{len(found.lines):,} lines; {taken}", width="content")
