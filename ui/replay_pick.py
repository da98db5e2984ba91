"""Which run is replayed: what the address says (`?experiment=&run=&step=`), until the reader picks another.

The address is not bound to the boxes by Streamlit, which takes a value out of it when it is the default: a link to the
newest experiment would come to mean another one. The component writes it (replay.js).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from experiments.outcome import named
from traces.errors import InputError
from traces.rows import ExperimentRow, RunRow
from traces.store import Wanted
from ui import replay_filter, shared

MOST = 1000  # trials of one team on one case that the box offers


def choose(experiments: dict[str, ExperimentRow]) -> RunRow | None:
    """The boxes, and the run that they show; None where there is none. Raises InputError for an address that names no
    run."""
    _follow_address(experiments)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(experiments)
        labels = {name: shared.label(row) for name, row in experiments.items()}
        experiment = _box("Experiment", names, "replay_experiment", 330, labels.__getitem__)
        boxes = st.container(horizontal=True, width="content")
        with st.container(width="content", gap="xxsmall"):
            wanted = replay_filter.choose(experiments[experiment])
            st.toggle("no graph", key="replay_simple", help="A plain slider in place of graph and timeline.")
    total, shown = (shared.store().count_runs(experiment, **which) for which in (Wanted(), wanted))
    if not shown:
        st.info("No run passes the filter." if total else "No run of this experiment was started yet.")
        return None
    with boxes:
        found = _narrowed(experiment, wanted)
    if shown < total:
        st.caption(f"{shown:,} of {total:,} runs pass the filter")
    return found


def _narrowed(experiment: str, wanted: Wanted) -> RunRow:
    """The one run that the team, the case and the trial in the boxes leave."""
    store = shared.store()
    teams = {named(*one): one for one in store.kinds(experiment, ("team", "engine"), **wanted)}
    team, engine = teams[_box("Team", list(teams), "replay_team", 150, str)]
    wanted = wanted | {"team": team, "engine": engine}
    cases = [case for (case,) in store.kinds(experiment, ("case_id",), **wanted)]
    wanted = wanted | {"case": _box("Case", cases, "replay_case", 190, str)}
    rows = {_trial(row): row for row in store.runs(experiment, limit=MOST, **wanted)}
    return rows[
        _box("Trial", list(rows), "replay_trial", 140, lambda trial: f"{trial} · {shared.outcome(rows[trial])}")
    ]


def _trial(row: RunRow) -> str:
    return str(row.trial)


def _box(label: str, options: list[str], key: str, width: int, words: Callable[[str], str]) -> str:
    """A box that keeps what it showed as long as that is among its options."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return str(st.selectbox(label, options, key=key, format_func=words, width=width))


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
    replay_filter.clear()
    st.session_state["replay_experiment"] = row.experiment
    for key, value in (("team", named(row.team, row.engine)), ("case", row.case_id), ("trial", _trial(row))):
        st.session_state[f"replay_{key}"] = value
    st.session_state["replay_asked_step"] = int(asked["step"]) if asked["step"].isdecimal() else 0


def _addressed(experiment: str, run: str, experiments: dict[str, ExperimentRow]) -> RunRow | None:
    if not experiment and not run:
        return None
    if experiment and experiment not in experiments:
        raise InputError(f"There is no experiment {experiment!r} here.")
    experiment = experiment or next(iter(experiments))
    if not run:
        return next(iter(shared.store().runs(experiment, limit=1)), None)
    if not run.isdecimal():
        raise InputError(f"{run!r} is no run: runs are numbered from 0.")
    return shared.store().run(experiment, int(run))


def _is_shown(row: RunRow) -> bool:
    shown = [st.session_state.get(f"replay_{key}") for key in ("experiment", "team", "case", "trial")]
    return shown == [row.experiment, named(row.team, row.engine), row.case_id, _trial(row)]


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
