"""What a finished trial comes to, for the comparison."""

from __future__ import annotations

from msgspec import Struct

from traces.kernel import NANO, Evaluated, Origin, Run, RunFinished
from traces.rows import RunRow


class Outcome(Struct, frozen=True):
    """One finished trial. `latency_s` is on the run's clock: simulated for simulated models, without
    `waited_s`, in which the run only waited for a person; `wall_s` is what it took
    here (0 where that is not known: it is not in the trace)."""

    run: int
    team: str
    engine: str
    model: str
    case: str
    trial: int
    success: bool
    score: float
    tokens: int
    cost_nano_usd: int | None
    latency_s: float
    messages: int
    calls: int
    status: str
    difficulty: str = ""
    features: tuple[str, ...] = ()
    simulated: bool = False
    wall_s: float = 0.0
    ended_by: str = ""
    tokens_origin: Origin = "measured"
    waited_s: float = 0.0

    @classmethod
    def of(cls, number: int, run: Run, evaluated: Evaluated, finished: RunFinished) -> Outcome:
        usage = finished.usage
        return cls(
            number,
            run.team,
            run.engine,
            run.model,
            run.case,
            run.trial,
            evaluated.success,
            evaluated.score,
            usage.tokens,
            usage.cost_nano_usd,
            finished.latency_s,
            finished.messages,
            usage.calls,
            "ungraded" if evaluated.error and finished.status != "failed" else finished.status,
            run.difficulty,
            run.features,
            run.simulated,
            ended_by=finished.ended_by,
            tokens_origin=usage.tokens_origin,
            waited_s=finished.waited_s,
        )

    @classmethod
    def of_row(cls, row: RunRow) -> Outcome | None:
        """The outcome of a run in the store; None for one that was never graded."""
        if row.success is None or row.score is None:
            return None
        return cls(
            row.run,
            row.team,
            row.engine,
            row.model,
            row.case_id,
            row.trial,
            row.success,
            row.score,
            row.tokens,
            row.cost_nano_usd,
            row.latency_s,
            row.messages,
            row.calls,
            row.status,
            row.difficulty,
            row.features,
            row.simulated,
            ended_by=row.ended_by,
            tokens_origin=row.tokens_origin,
            waited_s=row.waited_s,
        )

    @property
    def cost_usd(self) -> float | None:
        return None if self.cost_nano_usd is None else self.cost_nano_usd / NANO

    @property
    def group(self) -> tuple[str, str]:
        """What is compared with what: the team on its engine."""
        return (self.team, self.engine)

    @property
    def name(self) -> str:
        """The team, with its engine where that is not native."""
        return named(self.team, self.engine)


def ending(status: str, ended_by: str) -> str:
    """What ended a run, without its numbers: `budget: tokens: 61,586 of 60,000 used` is a budget of tokens,
    `max_rounds: 2 of 2` the rule max_rounds."""
    if status == "failed":
        return "an error"
    parts = ended_by.split(": ")
    return " of ".join(parts[:2]) if parts[0] == "budget" else parts[0]


def named(team: str, engine: str) -> str:
    return team if engine == "native" else f"{team} on {engine}"
