"""What a finished trial comes to, for the comparison."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from traces.kernel import NANO, Evaluated, Origin, Run, RunFinished
from traces.rows import ANSWERED, RunRow

CUT_OFF = "cut off before its end: its worker was stopped or killed"
NOT_GRADED = "not graded: whether it succeeded is unknown"


class Outcome(Struct, frozen=True):
    """One trial that is over. `status` is completed or limited for one that gave an answer. Any other is missing data:
    failed (it broke off with an error), interrupted (cut off: it has no end), ungraded (whether it succeeded is not
    known). `latency_s` is on the run's clock: simulated for simulated models, without `waited_s`, in which the run only
    waited for a person; `wall_s` is what it took here (0 where that is not known: it is not in the trace). `success`
    and `score` of a run that is `lost` mean nothing; `error` is what broke it off."""

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
    error: str = ""

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
            error=finished.error or evaluated.error,
        )

    @classmethod
    def of_row(cls, row: RunRow) -> Outcome:
        """The outcome of a run in the store, of an experiment that is over or of a run that is."""
        graded = row.success is not None and row.score is not None
        return cls(
            row.run,
            row.team,
            row.engine,
            row.model,
            row.case_id,
            row.trial,
            bool(row.success),
            row.score or 0.0,
            row.tokens,
            row.cost_nano_usd,
            row.latency_s,
            row.messages,
            row.calls,
            row.status if graded or row.status not in ANSWERED else "ungraded",
            row.difficulty,
            row.features,
            row.simulated,
            ended_by=row.ended_by,
            tokens_origin=row.tokens_origin,
            waited_s=row.waited_s,
            error=row.error,
        )

    @property
    def lost(self) -> bool:
        """Whether it gave no answer: missing data, and no failure of its team."""
        return self.status not in ANSWERED

    @property
    def why_lost(self) -> str:
        """What broke it off, in words; empty where it gave an answer."""
        if not self.lost:
            return ""
        known = {"interrupted": CUT_OFF, "ungraded": NOT_GRADED}
        return self.error or known.get(self.status, "an error without a message")

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
    if status == "interrupted":
        return "cut off"
    parts = ended_by.split(": ")
    return " of ".join(parts[:2]) if parts[0] == "budget" else parts[0]


def outcomes_of(rows: Iterable[RunRow], *, foreign: bool = False) -> list[Outcome]:
    """The outcomes of an experiment's runs. Of runs that came from elsewhere (`foreign`) those that nobody graded are
    left out, since who brought them chose which to grade; all of them where none was graded."""
    rows = list(rows)
    if foreign and all(row.success is None for row in rows):
        return []
    found = map(Outcome.of_row, rows)
    return [outcome for outcome in found if not (foreign and outcome.status == "ungraded")]


def named(team: str, engine: str) -> str:
    return team if engine == "native" else f"{team} on {engine}"
