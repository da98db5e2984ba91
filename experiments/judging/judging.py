"""A verdict once more, from what is recorded: under another margin or limits, with everything that it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from agents.models.simulated.index import index_of
from experiments import plan as plans
from experiments.judging import details
from experiments.judging.answering import Compared
from experiments.judging.comparing import at_every_look, equivalent
from experiments.judging.details import Details
from experiments.judging.judged import margin_of, outcomes_in, verdict_on
from experiments.judging.measures import RunMeasures, TeamMeasures, of_run, of_teams
from experiments.judging.missing import answered, bounded
from experiments.judging.recommending import Advice, Limits, recommend
from experiments.judging.statistics import case_differences, mcnemar, pass_hat_k
from experiments.judging.summaries import TeamSummary, groups, summarise
from experiments.judging.verdict import Verdict
from experiments.outcome import Outcome
from experiments.plan import BASELINE
from traces import home
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.store import Store

LONGEST_K = 8
NO_LIMITS = Limits()


class Pair(Struct, frozen=True):
    """A team against one agent, in more ways than the verdict needs. `equivalent`: as good on these cases up to the
    margin, either way. `mcnemar_p` is None where a case was done more than once: its trials depend on one another.
    `at_any_time` is the interval for cases like these either end of which holds at 95 % after each whole case in a
    fixed order; a look while the experiment runs, trial by trial over all cases, is not covered."""

    team: str
    engine: str
    equivalent: bool
    mcnemar_p: float | None
    at_any_time: tuple[float, float]


class Judgement(Struct, frozen=True):
    """`consistency`: per team, pass^1, pass^2, ... up to the trials of a case; `measures`: how each works together.
    `ungraded` runs of another framework are left out: whether they succeeded is unknown."""

    experiment: str
    margin: float
    simulated: bool
    verdict: Verdict
    teams: list[TeamSummary]
    pairs: list[Pair]
    consistency: dict[str, list[float]]
    measures: list[TeamMeasures]
    advice: Advice
    details: Details
    ungraded: int = 0


def again(
    experiment: str,
    margin: float | None = None,
    limits: Limits = NO_LIMITS,
    baseline: str = BASELINE,
    exhaustive: bool | None = None,
) -> Judgement:
    """`margin`: the plan's, or 5 points, where none is given; `exhaustive`: whether its cases are all there are, as its
    plan says where it is not given. Raises InputError for a margin that is none, and where no
    run was graded."""
    if margin is not None and not 0 < margin < 1:
        raise InputError(f"--margin: {margin:g} should be between 0 and 1, such as 0.05 for 5 points")
    folder, store = home.find_experiment(experiment), Store()
    rows = store.team_rows(folder.id)
    recorded = folder.read_plan()
    outcomes = outcomes_in(recorded, rows)
    if not outcomes:
        raise InputError(f"experiment {folder.id} has no graded run yet")
    margin = margin or margin_of(recorded)
    known = answered(outcomes)
    verdict = verdict_on(recorded, outcomes, margin, baseline, exhaustive)
    teams = summarise(outcomes) if verdict.kind != "nothing_measured" else []
    return Judgement(
        folder.id,
        margin,
        outcomes[0].simulated,
        verdict,
        teams,
        _pairs(verdict, outcomes, baseline, margin),
        {group[0].name: _consistency(group) for group in groups(known).values()},
        list(of_teams(_measured(folder, store, known), baseline).values()),
        recommend(verdict, teams, limits, baseline),
        details.of(folder, store, rows, outcomes, baseline),
        len(rows) - len(outcomes),
    )


def _pairs(verdict: Verdict, outcomes: Sequence[Outcome], baseline: str, margin: float) -> list[Pair]:
    by_group = groups(outcomes)
    return [
        _pair(compared, by_group[compared.team, compared.engine], _base(by_group, compared, baseline), margin)
        for compared in verdict.differences
    ]


def _base(by_group: dict[tuple[str, str], list[Outcome]], compared: Compared, baseline: str) -> list[Outcome]:
    """What the team was compared with: one agent on its engine, else where there is one."""
    first = next(group for key, group in by_group.items() if key[0] == baseline)
    return by_group.get((baseline, compared.engine), first) if compared.team != baseline else first


def _pair(compared: Compared, team: list[Outcome], base: list[Outcome], margin: float) -> Pair:
    by_case = case_differences(team, base)
    once = all(len(found) == 1 for found in by_case.values())
    looked = at_every_look(team, base, list(bounded(team, base).low))
    return Pair(
        compared.team,
        compared.engine,
        equivalent(team, base, margin),
        mcnemar(team, base) if once else None,
        (looked.low, looked.high) if looked else (-1.0, 1.0),
    )


def _consistency(outcomes: Sequence[Outcome]) -> list[float]:
    found = [pass_hat_k(outcomes, k) for k in range(1, LONGEST_K + 1)]
    return [value for value in found if value is not None]


def _measured(folder: ExperimentFolder, store: Store, outcomes: Sequence[Outcome]) -> list[RunMeasures]:
    scenario = plans.scenario_of(folder)
    known = {case.id: index_of(case) for case in scenario.cases} if scenario else {}
    cases = {outcome.run: outcome.case for outcome in outcomes}
    read = store.each_run(folder.id, sorted(cases))
    found = [of_run(records, known.get(cases[run])) for run, records in read]
    return [one for one in found if one is not None]
