"""What the Launch page tells of a choice: the scenario with its cases, the teams drawn, the model's card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import streamlit as st

from agents import table
from agents.models.model import Card
from experiments import modelcards
from tasks.scenario import Scenario
from traces.errors import HeadcountError
from ui import drawn, shared


def scenario(found: Scenario) -> None:
    """Its story, and a case to read."""
    st.header(shared.plain(found.file.title), anchor=False)
    st.text("\n\n".join(" ".join(part.split()) for part in found.file.story.split("\n\n")))
    ids = [case.id for case in found.cases]
    titles = {case.id: f"{case.title} ({case.difficulty})" for case in found.cases}
    picked = st.selectbox(f"A case to read, of {len(ids)}", ids, format_func=titles.__getitem__, key="case_shown")
    case = found.case(str(picked))
    st.caption("The request, as every team hears it")
    st.code(case.request.strip(), language=None, wrap_lines=True)
    needs = sum(len(task.needs) for task in case.plan)
    drawn.show(
        drawn.task_graph(case),
        f"The task graph: {len(case.plan)} subtasks, {needs} of them joined by “needs the result of”. "
        "Features: " + shared.plain(", ".join(case.features) or "none") + ".",
    )


def teams(names: list[str], found: Scenario | None) -> None:
    """Each team with who talks to whom."""
    case = found.cases[0] if found else None
    for team in known(names):
        with st.container(border=True):
            st.markdown(f"**{shared.plain(team.name)}**")
            drawn.show(drawn.team(team.settings, case), shared.plain(team.settings.about or "a team of your own"))


def known(names: Iterable[str]) -> Iterator[table.Team]:
    """Those of the teams that can be read: a file or function of the reader's may have gone since."""
    for name in names:
        try:
            yield table.team(name)
        except HeadcountError:
            continue


def model(card: Card) -> None:
    """The card in short."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{shared.plain(card.name)}**", width="content")
            if card.simulated:
                shared.badge(True)
            else:
                st.badge("real model", color="blue", help="Its calls go where the card says.")
        shared.facts(modelcards.facts(card))


@st.cache_resource(show_spinner="Looking the model up", max_entries=64, ttl=300)
def card(name: str, api_base: str | None) -> Card:
    """The model's card. Raises HeadcountError where there is no such model."""
    return modelcards.card(name, api_base)
