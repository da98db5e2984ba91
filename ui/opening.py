"""Opening what somebody sent: an experiment of another installation, or traces of another framework.

What reads them is imported with the first file: Home, where the place for files is, should show at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from traces.errors import HeadcountError
from ui import shared

if TYPE_CHECKING:
    from experiments.exchange.foreign import Brought
    from experiments.exchange.sharing import Imported

LABEL = "A file of headcount export (.zip), or OpenTelemetry traces (.json, .jsonl, .pb)"
TYPES = ["zip", "json", "jsonl", "pb"]


def uploader() -> None:
    """A place for a file; what is in it becomes one of the experiments here."""
    file = st.file_uploader(LABEL, TYPES, key="shared_file")
    if file is None:
        return
    try:
        found = _once(file)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    _say(found)
    shared.link("compare", "Compare", experiment=found.id)
    shared.link("replay", "Replay", experiment=found.id)


def _once(file: Any) -> Imported | Brought:
    """Take in a file that was uploaded, once, however often the page is drawn."""
    known = st.session_state.get("opened_file")
    if known is None or known[0] != file.file_id:
        known = st.session_state["opened_file"] = (file.file_id, _taken_in(file))
    return known[1]


def _taken_in(file: Any) -> Imported | Brought:
    from experiments.exchange import foreign, sharing

    if file.name.endswith(".zip"):
        return sharing.bring_in(file, file.name)
    return foreign.bring_in(Path(file.name), file.name, file.getvalue())


def _say(found: Imported | Brought) -> None:
    from experiments.exchange import foreign

    if found.already:
        st.info(shared.plain(f"It is here already, as {found.id}."))
    elif isinstance(found, foreign.Brought):
        st.success(shared.plain(f"{found.id}: {found.runs:,} runs, {found.calls:,} model calls."))
        for what in foreign.untold(found):
            st.caption(shared.plain(f"Not in the traces: {what}."))
    else:
        st.success(shared.plain(f"{found.id}: {found.manifest.runs:,} runs of {found.manifest.scenario}."))
        if not found.scenario_here:
            st.caption("Its scenario is not here as it was there: its runs can be looked at, not done again.")
