"""Models: the cards of those that have a name here, whether they answer, and one to try."""

from __future__ import annotations

import asyncio

import streamlit as st

from agents.models import table
from agents.models.model import Model, Reply, Request
from experiments import doctor, modelcards, words
from experiments.doctor import Finding
from traces.errors import HeadcountError
from traces.kernel import ChatMessage
from ui import capacity, launch_about, preferences, probing, shared

OTHER = "another model"
LONGEST = 1024
TOLD = ("context window", "price", "knowledge cutoff", "parameters", "runs")
STATES = {"ok": ("works", "green"), "off": ("not here", "gray"), "missing": ("missing", "red")}


def page() -> None:
    st.title("Models")
    st.write("Who thinks. Simulated models are free and need nothing; real ones need a server or a provider's key.")
    name, api_base = _pick()
    if name:
        try:
            card = launch_about.card(name, api_base)
        except HeadcountError as error:
            st.error(shared.sentence(error))
        else:
            launch_about.model(card)
            _try(name, api_base, card.simulated)
            probing.section(name, api_base)
            capacity.section(name)
    _health()
    _all()


def _pick() -> tuple[str, str | None]:
    offered = table.offered()
    names = [*offered, OTHER]
    asked = st.query_params.get("model", preferences.read().model)
    start = names.index(asked) if asked in names else len(names) - 1
    picked = st.selectbox(
        "Model", names, start, format_func=lambda n: f"{n}: {offered[n]}" if n in offered else n, key="models_picked"
    )
    if picked != OTHER:
        return str(picked), None
    name = st.text_input("LiteLLM name", "" if asked in offered else asked, placeholder="openai/gpt-4o-mini")
    base = st.text_input("Base address (own servers only)", placeholder="http://localhost:8000/v1")
    return str(name).strip(), str(base).strip() or None


def _try(name: str, api_base: str | None, simulated: bool) -> None:
    st.header("Try it", anchor=False)
    if simulated:
        st.info(
            "A simulated model follows the reference plan of a case, with errors at its profile's rates. It cannot "
            "answer a free prompt; give it a case."
        )
        shared.link("launch", "Launch a case with it")
        return
    prompt = st.text_area("Prompt", "What is a credit note? One sentence.", key="prompt", max_chars=20_000)
    tokens = st.number_input("Tokens of the reply, at most", 1, LONGEST, 128, key="prompt_tokens", width=220)
    st.caption("This is a real call: it goes where the card says, and costs what the card says.")
    if st.button("Ask", type="primary", disabled=not prompt):
        _ask(table.resolve(name, api_base)(None, 0, 0), str(prompt), int(tokens))


def _ask(model: Model, prompt: str, tokens: int) -> None:
    request = Request("app", (ChatMessage("user", prompt),), max_tokens=tokens)
    try:
        with st.spinner("Waiting for the reply"):
            reply: Reply = asyncio.run(model.chat(request))
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    usage = reply.usage
    shared.badge(False)
    st.code(reply.text or "(no text)", language=None, wrap_lines=True)
    shared.facts(
        {
            "tokens in": f"{usage.input_tokens:,}",
            "tokens out": f"{usage.output_tokens:,}",
            "time": words.call_time(usage),
            "cost": words.money(usage.cost_usd),
            "ended": reply.finish_reason,
            "server": reply.server,
        }
    )


def _health() -> None:
    st.header("Health", anchor=False)
    for finding in _findings():
        word, colour = STATES.get(finding.state, (finding.state, "gray"))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(word, color=colour)  # type: ignore[arg-type]
            st.markdown(f"**{shared.plain(finding.name)}**", width="content")
            st.write(shared.plain(finding.detail + (f". To get it: {finding.how}" if finding.how else "")))
    if st.button("Look again"):
        _findings.clear()
        st.rerun()


@st.cache_data(show_spinner="Looking which models answer", ttl=60)
def _findings() -> list[Finding]:
    return doctor.models()


def _all() -> None:
    """The cards side by side, of those that can be told without asking anybody."""
    rows = []
    for name, what in table.offered().items():
        if table.simulated(name):
            facts = modelcards.facts(launch_about.card(name, None))
            rows.append({"model": name, **{key: facts[key] for key in TOLD}, "what": what})
        else:
            rows.append({"model": name, "what": what})
    st.header("All that have a name here", anchor=False)
    shared.table(
        rows,
        caption="Names of your own stand in models.yaml (docs/models.md). What is empty here is on the model's card.",
    )
