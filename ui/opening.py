"""Opening an experiment from a file that somebody sent."""

from __future__ import annotations

from typing import Any

import streamlit as st

from experiments import sharing
from traces.errors import HeadcountError
from ui import shared


def uploader() -> None:
    """A place for a file; what is in it becomes one of the experiments here."""
    file = st.file_uploader(
        "Or open a file from another installation (headcount export)", type="zip", key="shared_file"
    )
    if file is None:
        return
    try:
        found = _once(file)
    except HeadcountError as error:
        st.error(shared.plain(str(error)))
        return
    _say(found)
    shared.link("compare", "Compare", experiment=found.id)
    shared.link("replay", "Replay", experiment=found.id)


def _once(file: Any) -> sharing.Imported:
    """Take in a file that was uploaded, once, however often the page is drawn."""
    known = st.session_state.get("opened_file")
    if known is None or known[0] != file.file_id:
        known = st.session_state["opened_file"] = (file.file_id, sharing.bring_in(file, file.name))
    return known[1]


def _say(found: sharing.Imported) -> None:
    if found.already:
        st.info(shared.plain(f"It is here already, as {found.id}."))
        return
    st.success(shared.plain(f"{found.id}: {found.manifest.runs:,} runs of {found.manifest.scenario}."))
    if not found.scenario_here:
        st.caption("Its scenario is not here as it was there: its runs can be looked at, not done again.")
