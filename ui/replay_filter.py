"""Which runs Replay offers: those that came out so, in which an agent took part, of which something was said, or in
which something stands."""

from __future__ import annotations

import streamlit as st

from traces.home import home
from traces.labels import Labels
from traces.rows import ExperimentRow
from traces.store import Wanted
from ui import shared

OUTCOMES: dict[str, Wanted] = {
    "success": {"success": True},
    "failure": {"success": False},
    "not graded": {"graded": False},
}
KEYS = tuple(f"replay_filter_{name}" for name in ("outcome", "agent", "label", "text"))


def choose(experiment: ExperimentRow) -> Wanted:
    """The filter behind its button, and what it asks of runs."""
    outcome, agent, label, text = (st.session_state.get(key) or "" for key in KEYS)
    given = sum(map(bool, (outcome, agent, label, text)))
    with st.popover(f"Filter · {given}" if given else "Filter", help="Which runs are offered."):
        _boxes(experiment.id)
        st.button("Show all runs", on_click=clear, disabled=not given)
    wanted = OUTCOMES.get(outcome, {})
    if not (agent or label or text.strip()):
        return wanted
    runs = _runs(str(home()), experiment.id, experiment.state, experiment.updated, agent, text.strip())
    return wanted | {"runs": runs if not label else sorted(_labelled(experiment.id, label).intersection(runs))}


@st.cache_data(max_entries=32, show_spinner="Looking through the runs")
def _runs(base: str, experiment: str, state: str, updated: float | None, agent: str, text: str) -> list[int]:
    """The runs in which something stands and somebody took part. They are looked for once, however many boxes ask;
    `base`, `state` and `updated` make it be done anew when there are others."""
    return [run for (run,) in shared.store().kinds(experiment, ("run",), agent=agent or None, text=text or None)]


def clear() -> None:
    """Offer all runs again."""
    for key in KEYS:
        st.session_state[key] = "" if key.endswith("text") else None


def _boxes(experiment: str) -> None:
    offered = (list(OUTCOMES), shared.store().agents(experiment), _labels(experiment))
    for title, options, key in zip(("Outcome", "Agent", "Label"), offered, KEYS, strict=False):
        if st.session_state.get(key) not in options:
            st.session_state[key] = None
        st.selectbox(title, options, index=None, key=key, placeholder="any")
    st.text_input("Text", key=KEYS[-1], placeholder="what stands in one of its events")


def _labels(experiment: str) -> list[str]:
    return sorted({said.name for said in Labels().of(experiment)})


def _labelled(experiment: str, label: str) -> set[int]:
    return {said.run for said in Labels().of(experiment) if said.name == label}
