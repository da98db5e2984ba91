"""What waits for a person, over all experiments: for the Approvals page, and for the notices on other pages."""

from __future__ import annotations

import os

import streamlit as st
from msgspec import Struct

from tools import approvals
from tools.approvals import Answer, Request
from traces import home
from traces.errors import HeadcountError
from traces.home import ExperimentFolder
from ui import shared


class Waiting(Struct, frozen=True):
    """A request without an answer; `alive`: its run is there to hear one."""

    experiment: str
    request: Request
    alive: bool


def waiting(experiment: str | None = None) -> list[Waiting]:
    """What nobody has answered, of one experiment or of all, oldest first."""
    found = []
    for folder in _folders(experiment):
        requests = approvals.waiting(folder.path)
        if requests:
            alive = shared.store().experiment(folder.id).state in shared.UNDER_WAY
            found += [Waiting(folder.id, request, alive) for request in requests]
    return sorted(found, key=lambda one: one.request.asked)


def title() -> str:
    """The Approvals page in the menu, with how many runs wait."""
    try:
        count = sum(one.alive for one in waiting())
    except HeadcountError:  # the page says what is wrong
        count = 0
    return f"Approvals ({count})" if count else "Approvals"


def answered(limit: int) -> list[tuple[str, Request, Answer]]:
    """The newest answers over all experiments."""
    found = [
        (folder.id, request, answer)
        for folder in _folders(None)
        for request, answer in approvals.all_of(folder.path)
        if answer is not None
    ]
    return sorted(found, key=lambda one: one[2].at, reverse=True)[:limit]


def notice(experiment: str | None = None) -> None:
    """Says that somebody waits, with a link; nothing where nobody does."""
    count = sum(one.alive for one in waiting(experiment))
    if count:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge(f"{count} waiting", color="orange")
            st.write("An agent waits for a person's answer." if count == 1 else "Agents wait for a person's answer.")
            shared.link("approvals", "Answer")


def _folders(experiment: str | None) -> list[ExperimentFolder]:
    base = home.home() / "experiments"
    if experiment is not None:
        return [home.experiment_folder(experiment)]
    names = os.listdir(base) if base.is_dir() else []
    return [ExperimentFolder(base / name) for name in names if (base / name / approvals.FOLDER).is_dir()]
