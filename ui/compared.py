"""An experiment judged for the Compare page, once for as long as it does not change."""

from __future__ import annotations

import streamlit as st
from msgspec import Struct

from experiments.judging.details import Endings, endings
from experiments.judging.judged import outcomes_in, verdict_on
from experiments.judging.summaries import TeamSummary, summarise
from experiments.judging.verdict import Verdict
from experiments.outcome import Outcome
from traces import home
from traces.rows import ExperimentRow
from ui import shared


class Compared(Struct, frozen=True):
    """`teams` are the names on charts, in order; equal indices have equal colours everywhere."""

    outcomes: list[Outcome]
    verdict: Verdict
    summaries: list[TeamSummary]
    simulated: bool
    endings: list[Endings]

    @property
    def teams(self) -> list[str]:
        return [summary.name for summary in self.summaries]


def compared(row: ExperimentRow) -> Compared | None:
    """None where no run is over yet, and of traces of another framework where none was graded."""
    return _judged(str(home.home()), row.id, row.state, row.done, row.updated, row)


@st.cache_resource(show_spinner="Reading and judging the runs", max_entries=16)
def _judged(
    base: str, experiment: str, state: str, done: int, updated: float | None, _row: ExperimentRow
) -> Compared | None:
    """`base`, `state`, `done` and `updated` make an experiment be judged anew when it has changed."""
    rows = shared.store().team_rows(experiment)
    outcomes = outcomes_in(_row.plan, rows)
    if not outcomes:
        return None
    simulated = shared.is_simulated(_row)
    verdict = verdict_on(_row.plan, outcomes)
    summaries = summarise(outcomes) if verdict.kind != "nothing_measured" else []
    return Compared(outcomes, verdict, summaries, simulated, endings(rows))
