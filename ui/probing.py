"""Probing, on the Models page: what works on the model's server, and what to write into models.yaml."""

from __future__ import annotations

import streamlit as st

from agents.models import table as models
from experiments.servers import probing
from experiments.servers.probing import Probe
from traces.errors import HeadcountError
from ui import launch_about, shared

FOUND = "probed"


def section(name: str, api_base: str | None) -> None:
    if models.simulated(name):
        return
    st.header("Probe its server", anchor=False)
    st.caption(
        "One call each with a tool, a form, a history, a stream and a long prompt: about ten, at the model's price."
    )
    if st.button("Probe"):
        _probe(name, api_base)
    found = st.session_state.get(FOUND)
    if isinstance(found, Probe) and (found.model, st.session_state.get("probed_at")) == (name, api_base):
        _show(found)


def _probe(name: str, api_base: str | None) -> None:
    st.session_state.pop(FOUND, None)
    try:
        with st.spinner("Asking the server"):
            st.session_state[FOUND] = probing.run(name, api_base)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    st.session_state["probed_at"] = api_base
    launch_about.card.clear()


def _show(found: Probe) -> None:
    for server, findings in found.findings.items():
        rows = [{"what": one.what, "result": one.state, "detail": one.said} for one in findings]
        shared.table(rows, caption=f"On {shared.plain(server)}")
    if not found.usable:
        st.error("The model cannot be used: neither tool calls nor forms work on its server.")
        return
    if found.entry.name == "local":
        st.write("It comes along with Headcount: nothing has to be written.")
        return
    st.caption("What was found is remembered for experiments here. For models.yaml:")
    st.code(probing.lines(found), language="yaml")
    if st.button("Write it into models.yaml"):
        try:
            path = probing.write(found)
        except HeadcountError as error:
            st.error(shared.sentence(error))
        else:
            st.success(f"Written into {shared.plain(str(path))} as {shared.plain(found.entry.name)}.")


def hint(name: str, api_base: str | None) -> None:
    """On the Launch page: that the model's server was never probed, where that is so."""
    try:
        unknown = models.unprobed(name, api_base)
    except HeadcountError:
        return  # the page says so already
    if unknown:
        st.info("Its server was never probed: that takes a minute, and says what works there and what to set.")
        shared.link("models", "Probe it on the Models page", model=name)
