"""Which run is replayed: what the address says (`?experiment=&run=&step=`), until the reader picks another.

The address is not bound to the boxes by Streamlit, which takes a value out of it when it is the default: a link to the
newest experiment would come to mean another one. The component writes it (replay.js).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from traces.errors import InputError
from traces.home import home
from traces.rows import ExperimentRow, RunRow
from traces.store import Store
from ui import shared

RUNS_KEPT = 16


def choose(experiments: dict[str, ExperimentRow]) -> RunRow | None:
    """The boxes, and the run that they show; None where an experiment has none. Raises InputError for an address that
    names no run."""
    _follow_address(experiments)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(experiments)
        labels = {name: shared.label(row) for name, row in experiments.items()}
        experiment = _box("Experiment", names, "replay_experiment", 330, labels.__getitem__)
        rows = _rows(experiments[experiment])
        boxes = st.container(horizontal=True, width="content")
        with st.container(width="content", gap="xxsmall"):
            failed_only = st.toggle("failed only", key="replay_failed")
            st.toggle("no graph", key="replay_simple", help="A plain slider in place of graph and timeline.")
    shown = [row for row in rows if row.success is False] if failed_only else rows
    if not shown:
        st.info("No run of this experiment failed." if rows else "No run of this experiment was started yet.")
        return None
    with boxes:
        return _narrowed(shown)


def _narrowed(rows: list[RunRow]) -> RunRow:
    """The one run that the team, the case and the trial in the boxes leave."""
    for label, of, width in (("Team", _team, 150), ("Case", _case, 190)):
        value = _box(label, list(dict.fromkeys(map(of, rows))), f"replay_{label.lower()}", width, str)
        rows = [row for row in rows if of(row) == value]
    outcomes = {_trial(row): f"{_trial(row)} · {_outcome(row)}" for row in rows}
    trial = _box("Trial", list(outcomes), "replay_trial", 140, outcomes.__getitem__)
    return next(row for row in rows if _trial(row) == trial)


def _team(row: RunRow) -> str:
    return row.team if row.engine == "native" else f"{row.team} on {row.engine}"


def _case(row: RunRow) -> str:
    return row.case_id


def _trial(row: RunRow) -> str:
    return str(row.trial)


def _outcome(row: RunRow) -> str:
    return {True: "success", False: "failure", None: row.status}[row.success]


def _box(label: str, options: list[str], key: str, width: int, words: Callable[[str], str]) -> str:
    """A box that keeps what it showed as long as that is among its options."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return str(st.selectbox(label, options, key=key, format_func=words, width=width))


def _rows(experiment: ExperimentRow) -> list[RunRow]:
    if experiment.state in ("running", "pending"):
        return Store().runs(experiment.id)
    return _over(str(home()), experiment.id, experiment.state, experiment.updated)


@st.cache_resource(max_entries=RUNS_KEPT, show_spinner="Reading the list of runs")
def _over(base: str, experiment: str, state: str, updated: float | None) -> list[RunRow]:
    """The runs of an experiment that is over; the other arguments make it be read anew when it has changed."""
    return Store().runs(experiment)


def _follow_address(experiments: dict[str, ExperimentRow]) -> None:
    """Set the boxes to what the address names, once for each address that was not written by this page itself."""
    asked = {name: st.query_params.get(name, "") for name in ("experiment", "run", "step")}
    place = (asked["experiment"], asked["run"])
    if place == st.session_state.get("replay_followed"):
        return
    row = _addressed(asked["experiment"], asked["run"], experiments)
    st.session_state["replay_followed"] = place
    if row is None or _is_shown(row):
        return
    st.session_state["replay_failed"] = False
    st.session_state["replay_experiment"] = row.experiment
    for key, value in (("team", _team(row)), ("case", _case(row)), ("trial", _trial(row))):
        st.session_state[f"replay_{key}"] = value
    st.session_state["replay_asked_step"] = int(asked["step"]) if asked["step"].isdecimal() else 0


def _addressed(experiment: str, run: str, experiments: dict[str, ExperimentRow]) -> RunRow | None:
    if not experiment and not run:
        return None
    if experiment and experiment not in experiments:
        raise InputError(f"There is no experiment {experiment!r} here.")
    experiment = experiment or next(iter(experiments))
    if not run:
        rows = _rows(experiments[experiment])
        return rows[0] if rows else None
    if not run.isdecimal():
        raise InputError(f"{run!r} is no run: runs are numbered from 0.")
    return Store().run(experiment, int(run))


def _is_shown(row: RunRow) -> bool:
    shown = [st.session_state.get(f"replay_{key}") for key in ("experiment", "team", "case", "trial")]
    return shown == [row.experiment, _team(row), _case(row), _trial(row)]


def start(name: str, way: str, count: int) -> int:
    """The step at which the replay of the run called `name` opens: that of the address, else where it was left. The
    same answer for as long as this run is on the page, shown in the same `way`."""
    if st.session_state.get("replay_open") != (name, way):
        st.session_state["replay_open"] = (name, way)
        asked = st.session_state.pop("replay_asked_step", None)
        st.session_state["replay_start"] = asked if asked is not None else _left(name)
    return min(int(st.session_state["replay_start"]), count - 1)


def remember(name: str, step: int) -> None:
    """Where the reader is, in case they come back."""
    st.session_state["replay_left"] = {**st.session_state.get("replay_left", {}), name: step}


def _left(name: str) -> int:
    return int(st.session_state.get("replay_left", {}).get(name, 0))
