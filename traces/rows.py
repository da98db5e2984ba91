"""What the store answers with: an experiment and a run, each as one row of plain values."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from traces import bounds
from traces.home import ExperimentFolder, State, state
from traces.kernel import NANO, Evaluated, Origin, Run, RunFinished, Usage


class ExperimentRow(Struct, frozen=True):
    """One experiment as it is now. `created` and `updated` are Unix time; `done` of `total` counts runs. `damage`
    says what of its journals cannot be read, in words."""

    id: str
    created: float
    scenario: str
    command: str
    plan: dict[str, Any]
    state: State
    done: int = 0
    total: int = 0
    updated: float | None = None
    message: str = ""
    damage: tuple[str, ...] = ()


ANSWERED = ("completed", "limited")
"""The statuses of runs that gave an answer: what any other was graded says nothing about its team."""


class RunRow(Struct, frozen=True):
    """One run and its outcome. `status` is completed, limited or failed as the run's last event says, interrupted
    without one, or running while its experiment runs; `success` and `score` are None until it was graded, and of a run
    that gave no answer (it broke off). `parent_...` and `changes` (a JSON object) say where a fork comes from.
    `tokens_origin` says who counted the tokens, `waited_s` how long the run only waited for a person, which is not in
    `latency_s`."""

    experiment: str
    run: int
    scenario: str
    case_id: str
    team: str
    engine: str
    model: str
    trial: int
    seed: int
    simulated: bool
    clock: str
    difficulty: str
    features: tuple[str, ...]
    status: str
    ended_by: str
    success: bool | None
    score: float | None
    input_tokens: int
    output_tokens: int
    calls: int
    cost_nano_usd: int | None
    latency_s: float
    messages: int
    events: int
    answer: str
    error: str
    parent_experiment: str | None = None
    parent_run: int | None = None
    parent_step: int | None = None
    changes: str | None = None
    tokens_origin: Origin = "measured"
    waited_s: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost_usd(self) -> float | None:
        return None if self.cost_nano_usd is None else self.cost_nano_usd / NANO


def experiment_row(folder: ExperimentFolder, now: float) -> ExperimentRow:
    """An experiment as its folder shows it at Unix time `now`; raises TraceError if its plan cannot be read."""
    plan = folder.read_plan() if folder.plan_file.exists() else {}
    status = folder.read_status()
    created = plan.get("created")
    return ExperimentRow(
        id=folder.id,
        created=float(created) if bounds.is_moment(created) else folder.path.stat().st_mtime,
        scenario=str(plan.get("scenario") or ""),
        command=str(plan.get("command") or ""),
        plan=plan,
        state=state(folder, now),
        done=status.done if status else 0,
        total=status.total if status else 0,
        updated=status.updated if status else None,
        message=status.message if status else "",
        damage=folder.damage(),
    )


def run_row(
    experiment: str,
    number: int,
    run: Run,
    *,
    unfinished: str,
    unreadable: str = "",
    finished: RunFinished | None,
    graded: Evaluated | None,
    usage: Usage,
    latency_s: float,
    messages: int,
    events: int,
) -> RunRow:
    """A run's row from its first and last events. `usage`, `latency_s` and `messages` are what was seen so far, and
    hold only for a run that has no last event; `unfinished` is the status that such a run has, `unreadable` what of it
    cannot be read."""
    used = finished.usage if finished else usage
    graded = graded if finished is not None and finished.status in ANSWERED else None
    parent = run.parent
    return RunRow(
        experiment=experiment,
        run=number,
        scenario=run.scenario,
        case_id=run.case,
        team=run.team,
        engine=run.engine,
        model=run.model,
        trial=run.trial,
        seed=run.seed,
        simulated=run.simulated,
        clock=run.clock,
        difficulty=run.difficulty,
        features=run.features,
        status=finished.status if finished else unfinished,
        ended_by=finished.ended_by if finished else "",
        success=graded.success if graded and not graded.error else None,
        score=graded.score if graded and not graded.error else None,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        calls=used.calls,
        cost_nano_usd=used.cost_nano_usd,
        latency_s=finished.latency_s if finished else latency_s,
        messages=finished.messages if finished else messages,
        events=events,
        answer=finished.answer if finished else "",
        error=finished.error or (graded.error if graded else "") if finished else unreadable,
        parent_experiment=parent.experiment if parent else None,
        parent_run=parent.run if parent else None,
        parent_step=parent.step if parent else None,
        changes=msgspec.json.encode(parent.changes).decode() if parent else None,
        tokens_origin=used.tokens_origin,
        waited_s=finished.waited_s if finished else 0.0,
    )
