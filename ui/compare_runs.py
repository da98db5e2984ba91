"""The runs behind the figures of the Compare page: a window at a time, narrowed by boxes or by a click on a chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from agents import table
from experiments import plan as plans
from experiments import words
from experiments.failures.autopsy import TeamFailures, by_team, of_experiment
from experiments.outcome import named
from traces import home
from traces.rows import ExperimentRow
from traces.store import Wanted
from ui import shared

PAGE = 50
ALL = "all"
OUTCOMES = [ALL, "success", "failure"]
STATUSES = [ALL, "completed", "limited", "failed", "interrupted"]


def narrow(team: str | None, kind: str | None) -> None:
    """Narrow the table to a team and a kind of case (`difficulty: hard`, `feature: tempting`), from a click."""
    if team:
        st.session_state["runs_team"] = team.partition(" on ")[0]
    st.session_state["runs_kind"] = kind or ALL
    st.session_state["runs_page"] = 1


@shared.fragment
def show(row: ExperimentRow) -> None:
    """The table with its boxes; what is chosen there draws it alone anew."""
    st.header("Runs", anchor=False)
    store = shared.store()
    plan = plans.recorded_in(row.plan)
    boxes = st.columns(5)
    team = _box(boxes[0], "Team", [ALL, *map(table.name_of, plan.teams if plan else ())], "runs_team")
    outcome = _box(boxes[1], "Outcome", OUTCOMES, "runs_outcome")
    status = _box(boxes[2], "How it ended", STATUSES, "runs_status", shared.status)
    kind = _box(boxes[3], "Kind of case", [ALL, *_kinds(str(home.home()), row.id, row.state)], "runs_kind")
    case = boxes[4].text_input("Case", key="runs_case", placeholder=ALL)
    label, _, value = kind.partition(": ")
    wanted: Wanted = {
        "team": None if team == ALL else team,
        "case": str(case).strip() or None,
        "success": None if outcome == ALL else outcome == "success",
        "status": None if status == ALL else status,
        "difficulty": value if label == "difficulty" else None,
        "feature": value if label == "feature" else None,
    }
    total = store.count_runs(row.id, **wanted)
    if not total:
        st.info("No run is like that. Set the boxes to “all” to see every run.")
        return
    pages = -(-total // PAGE)
    if st.session_state.get("runs_page", 1) > pages:
        st.session_state["runs_page"] = pages
    number = int(st.number_input(f"Page of {pages:,}", 1, pages, key="runs_page", width=160)) if pages > 1 else 1
    found = store.runs(row.id, limit=PAGE, offset=(number - 1) * PAGE, **wanted)
    shared.table(
        [
            {
                "replay": f"/replay?experiment={row.id}&run={r.run}",
                "run": r.run,
                "team": named(r.team, r.engine),
                "case": r.case_id,
                "trial": r.trial,
                "outcome": shared.outcome(r),
                "score": "" if r.score is None else f"{r.score:.2f}",
                "ended": shared.status(r.status),
                "tokens": words.tokens(r.tokens, r.tokens_origin),
                "cost": words.money(r.cost_usd),
                "latency": words.seconds(r.latency_s),
                "messages": r.messages,
                "error": r.error,
            }
            for r in found
        ],
        caption=f"{len(found):,} of {total:,} runs shown",
    )


def _box(place: Any, label: str, options: list[str], key: str, words: Callable[[str], str] = str) -> str:
    """A box that starts over where what it showed is not among its options."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return str(place.selectbox(label, options, key=key, format_func=words))


@st.cache_data(show_spinner=False, max_entries=64)
def _kinds(base: str, experiment: str, state: str) -> list[str]:
    """The difficulties and features that an experiment's cases have; `base` and `state` make it be read anew."""
    rows = shared.store().team_rows(experiment)
    levels = [level for level in ("easy", "medium", "hard") if any(r.difficulty == level for r in rows)]
    features = sorted({feature for row in rows for feature in row.features})
    return [*(f"difficulty: {level}" for level in levels), *(f"feature: {name}" for name in features)]


def failures(row: ExperimentRow) -> list[TeamFailures]:
    """Why the failed runs of each team failed; empty while the experiment runs. Raises InputError where its scenario is
    not here, and with it what would have been right."""
    return [] if row.state in shared.UNDER_WAY else _failures(str(home.home()), row.id, row.updated)


@st.cache_data(show_spinner="Reading why runs failed", max_entries=16)
def _failures(base: str, experiment: str, updated: float | None) -> list[TeamFailures]:
    """`base` and `updated` make it be read anew."""
    return by_team(of_experiment(home.find_experiment(experiment), shared.store()))
