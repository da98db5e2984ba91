"""What the Launch page tells of a choice: the scenario with its cases, the teams drawn, the model's card."""

from __future__ import annotations

import streamlit as st

from agents import table
from agents.models import table as models
from agents.models.model import Card
from experiments import words
from tasks.scenario import Scenario
from traces.errors import HeadcountError
from ui import drawn, shared


def scenario(found: Scenario) -> None:
    """Its story, and a case to read."""
    st.subheader(shared.plain(found.file.title), anchor=False)
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
    for name in names:
        try:
            team = table.team(name)
        except HeadcountError:
            continue
        with st.container(border=True):
            st.markdown(f"**{shared.plain(team.name)}**")
            drawn.show(drawn.team(team.settings, case), shared.plain(team.settings.about or "a team of your own"))


def model(card: Card) -> None:
    """The card in short."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{shared.plain(card.name)}**", width="content")
            shared.badge(card.simulated)
        shared.facts(card_facts(card))


def card_facts(card: Card) -> dict[str, str]:
    """What is known of a model, in words with units; what is unknown says so where one would look for it."""
    price = card.price
    tokens = (
        f"${price.input:g} in, ${price.output:g} out per million tokens"
        if None not in (price.input, price.output)
        else ""
    )
    hour = f"${price.gpu_hour:g} per hour of its servers" if price.gpu_hour is not None else ""
    return {
        "context window": f"{card.context_window:,} tokens" if card.context_window else "unknown",
        "price": ", ".join(filter(None, (tokens, hour))) or "unknown",
        "knowledge cutoff": card.cutoff or "unknown",
        "runs": card.runs or ("in this process, simulated" if card.simulated else "unknown"),
        "data stays": card.residency,
        "parameters": words.count(card.parameters) if card.parameters else "unknown",
        "trained on": f"{words.count(card.training_tokens)} tokens" if card.training_tokens else "",
        "alignment": card.alignment,
        "reads": ", ".join(card.modalities),
        "tool calls": "native" if card.tool_calls else "as JSON that a schema constrains",
        "KV cache": f"{card.kv_bytes / 1000:,.0f} kB per token" if card.kv_bytes else "",
        "writes": f"{card.decode_tps:g} tokens/s" if card.decode_tps else "",
        "tier": card.tier,
        "adapter of": card.adapter_of,
    }


@st.cache_resource(show_spinner="Looking the model up", max_entries=64, ttl=300)
def card(name: str, api_base: str | None) -> Card:
    """The model's card. Raises HeadcountError where there is no such model."""
    from tasks import scenario as scenarios

    case = scenarios.load(scenarios.shipped()[0]).cases[0] if models.simulated(name) else None
    return models.resolve(name, api_base)(case, 1, 0).card
