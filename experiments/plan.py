"""What an experiment is to be: which teams, on which cases, how often, with what."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from agents import roles, table
from agents.limits import CALLS
from agents.models import table as models
from agents.settings import Settings
from tasks import checking
from tasks import scenario as scenarios
from tasks.scenario import Scenario
from tools import approvals
from traces.errors import HeadcountError, InputError, ScenarioError, TraceError
from traces.home import ExperimentFolder
from traces.kernel import Budget, Lineage

Approver = Literal["simulated", "person", "terminal", "deny"]
BASELINE = "solo"
APPROVERS: tuple[Approver, ...] = get_args(Approver)

MOST_RUNS = 2_000_000
"""Runs of one experiment: their list is held in memory."""


class Plan(Struct, frozen=True, omit_defaults=True):
    """`trials` is how often each team does each case, every time with another seed. `cases`: a number (the first so
    many), a list of ids, or None for all. `budget` overrides the scenario's, field by field, for each run; `total` is
    what all runs together may use (tokens, dollars). `workers`: how many; 0 picks by the model. `on`: where they are:
    processes, here (threads of this process), ray or ray://HOST:PORT. `approver`: who decides on the outside effects
    that the scenario's rules leave open: the scenario's simulated approver, a person (in the app), a person (in this
    terminal, or the app), or deny: nobody. What no person answers within `approver_wait_s` seconds is refused. `fork`:
    its runs are forks of one run. `stop_early`: it ends once every team is better than one agent beyond doubt or cannot
    be better by more than this (0.05 is 5 points), looked at after each whole case; None: all runs are done.
    `exhaustive`: its cases are all there are, so that the verdict is about them alone."""

    scenario: str
    teams: tuple[str, ...] = ("solo", "supervisor", "market")
    engines: tuple[str, ...] = ("native",)
    model: str = models.DEFAULT
    api_base: str | None = None
    cases: int | tuple[str, ...] | None = None
    trials: int = 5
    seed: int = 1
    budget: Budget = Budget()
    workers: int = 0
    on: str = "processes"
    total: Budget = Budget()
    approver: Approver = "simulated"
    approver_wait_s: float = approvals.WAIT_S
    fork: Lineage | None = None
    stop_early: float | None = None
    exhaustive: bool = False

    @property
    def asks_a_person(self) -> bool:
        return self.approver in ("person", "terminal")


class Trial(Struct, frozen=True):
    """One run to be: number `run` of the experiment."""

    run: int
    team: str
    engine: str
    case: str
    trial: int


def read(folder: ExperimentFolder) -> Plan:
    """The plan that an experiment was made with. Raises TraceError where that cannot be read."""
    try:
        return msgspec.convert(folder.read_plan().get("plan"), Plan)
    except msgspec.ValidationError as error:
        raise TraceError(f"{folder.plan_file}: is not an experiment's plan: {error}") from None


def recorded_in(written: Mapping[str, Any]) -> Plan | None:
    """The plan in what an experiment's folder says of it (experiment.json): fields that are as always are left out
    there. None for what is no experiment with teams, such as a simulated market."""
    try:
        return msgspec.convert(written.get("plan"), Plan)
    except msgspec.ValidationError:
        return None


def again(folder: ExperimentFolder) -> Plan:
    """The plan of an experiment whose runs are to be done again. Raises InputError for one that came from elsewhere
    without its scenario."""
    plan, imported = read(folder), folder.read_plan().get("imported")
    if imported and imported.get("kind") == "otlp":
        raise InputError(f"{folder.id} has traces of another framework: they can be looked at, not done again")
    if imported:
        try:
            scenarios.find(plan.scenario)
        except InputError:
            raise InputError(
                f"{folder.id} was imported, and its scenario {plan.scenario!r} is not here, so its runs cannot be done "
                "again. If you have it: headcount import FILE --scenario FOLDER"
            ) from None
    return plan


def scenario_of(folder: ExperimentFolder) -> Scenario | None:
    """The scenario of an experiment; None where it is not here, or is not the one that an imported experiment had."""
    try:
        scenario = scenarios.load(read(folder).scenario)
    except HeadcountError:
        return None
    imported = folder.read_plan().get("imported")
    return scenario if imported is None or imported.get("scenario_digest") == scenario.digest else None


def check(plan: Plan) -> Scenario:
    """The plan's scenario, after everything in the plan has been looked at. Raises InputError at the first mistake."""
    scenario = scenarios.load(plan.scenario)
    _check_scenario(scenario)
    if plan.trials < 1:
        raise InputError(f"--trials: {plan.trials} is too few: give at least 1")
    if not plan.teams:
        raise InputError("--teams: give at least one team")
    if not plan.engines:
        raise InputError("--engines: give at least one engine")
    case_ids(plan, scenario)
    _check_budget(plan)
    _check_approver(plan)
    _check_stopping(plan)
    _check_teams(plan)
    for engine in plan.engines:
        for team in plan.teams:
            why = table.engine(engine)().offers(team)
            if why:
                raise InputError(f"team {team!r} on engine {engine!r}: {why}")
    models.resolve(plan.model, plan.api_base)
    return scenario


def _check_scenario(scenario: Scenario) -> None:
    wrong = [*checking.unknown_roles(scenario, roles.roles()), *scenario.problems]
    if wrong:
        raise ScenarioError.first_of(wrong)


def _check_budget(plan: Plan) -> None:
    given = {f"--max-{name}": value for name, value in msgspec.structs.asdict(plan.budget).items()}
    given |= {"--total-tokens": plan.total.tokens, "--total-cost_usd": plan.total.cost_usd}
    for option, value in given.items():
        if value is not None and value <= 0:
            raise InputError(f"{option.removesuffix('_usd')}: {value:g} leaves nothing to work with: give more than 0")


def _check_approver(plan: Plan) -> None:
    if plan.approver not in APPROVERS:
        raise InputError(f"--approver: {plan.approver!r} is none of {', '.join(APPROVERS)}")
    if plan.approver_wait_s <= 0:
        raise InputError(f"--approver-wait: {plan.approver_wait_s:g} is too short: give seconds above 0")
    if plan.asks_a_person and models.simulated(plan.model):
        raise InputError(
            f"--approver {plan.approver}: {plan.model} runs in simulated time, which cannot wait for a person; "
            "use --approver simulated or deny, or a real model"
        )


def _check_stopping(plan: Plan) -> None:
    if plan.stop_early is None:
        return
    if not 0 < plan.stop_early < 1:
        raise InputError(f"--stop-early: {plan.stop_early:g} should be between 0 and 1, such as 0.05 for 5 points")
    if BASELINE not in map(table.name_of, plan.teams) or len(plan.teams) < 2:
        raise InputError(f"--stop-early: there is nothing to decide: give {BASELINE} and at least one other team")
    if plan.exhaustive:
        raise InputError(
            "--stop-early answers for cases like these, of which it does only some: leave out --exhaustive, or it"
        )


def _check_teams(plan: Plan) -> None:
    """Every team is known, called by a name of its own, and thinks with models of the experiment's kind."""
    names: dict[str, str] = {}
    for given in plan.teams:
        team = table.team(given)
        if team.name in names:
            raise InputError(f"--teams: {names[team.name]!r} and {given!r} are both called {team.name!r} in results")
        names[team.name] = given
        if team.settings.trade.outside and models.simulated(plan.model):
            raise InputError(
                f"team {given!r}: {plan.model} runs in simulated time, which cannot wait for agents from outside; use "
                "a real model"
            )
        for model in models_of(team.settings):
            if models.simulated(model) != models.simulated(plan.model):
                raise InputError(
                    f"team {given!r} uses {model}, the experiment {plan.model}: simulated and real models cannot be "
                    "mixed, since their time is not the same; name another one in the team's file"
                )
            models.resolve(model)


def to_probe(plan: Plan) -> list[str]:
    """The commands that would look at the servers of the plan's models that were never probed."""
    if models.simulated(plan.model):
        return []
    others = {name for team in plan.teams for name in models_of(table.team(team).settings)} - {plan.model}
    others |= set(models.fallbacks(plan.model)) - {plan.model}
    found = [probe_command(name) for name in sorted(others) if models.unprobed(name)]
    first = [probe_command(plan.model, plan.api_base)] if models.unprobed(plan.model, plan.api_base) else []
    return first + found


def probe_command(model: str, api_base: str | None = None) -> str:
    base = f" --api-base {shlex.quote(api_base)}" if api_base else ""
    return f"headcount probe {shlex.quote(model)}{base}"


def models_of(settings: Settings) -> set[str]:
    """The models that a team names beside the experiment's, with those of the teams that it routes to."""
    found = {member.model for member in settings.people} | {settings.agent.fallback}
    for route in settings.routes:
        found |= models_of(table.team(route.team).settings)
    return {model for model in found if model is not None and model != models.SMALLER}


def case_ids(plan: Plan, scenario: Scenario) -> list[str]:
    ids = [case.id for case in scenario.cases]
    if plan.cases is None:
        return ids
    if isinstance(plan.cases, int):
        if plan.cases < 1:
            raise InputError(f"--cases: {plan.cases} is too few: give at least 1")
        return ids[: plan.cases]
    return [scenario.case(name).id for name in plan.cases]


def trials(plan: Plan, scenario: Scenario) -> list[Trial]:
    """Every run of the experiment, by number; experiments/order.py says what is done first. Raises InputError where
    there are more than MOST_RUNS."""
    cases = case_ids(plan, scenario)
    runs = plan.trials * len(cases) * len(plan.engines) * len(plan.teams)
    if runs > MOST_RUNS:
        raise InputError(f"--trials: {runs:,} runs are more than the {MOST_RUNS:,} of an experiment: give fewer")
    todo = [
        (team, engine, case, trial)
        for trial in range(plan.trials)
        for case in cases
        for engine in plan.engines
        for team in plan.teams
    ]
    return [Trial(run, *one) for run, one in enumerate(todo)]


def dealt(trials: Sequence[Trial], share: int, of: int) -> list[Trial]:
    """The share of one of so many workers. Each gets as many runs of each team as the others, and in turn the same
    cases: teams differ in what their runs take, and cases too."""
    teams = {pair: n for n, pair in enumerate(dict.fromkeys((trial.team, trial.engine) for trial in trials))}
    cases = {case: n for n, case in enumerate(dict.fromkeys(trial.case for trial in trials))}
    return [t for t in trials if (teams[t.team, t.engine] + cases[t.case] + t.trial) % of == share]


def draws(plan: Plan, trial: Trial) -> int:
    """The number that names a run's random draws. One fork alone draws as its parent did, so that only what was changed
    makes a difference; many draw anew each."""
    if plan.fork is None:
        return trial.trial
    return plan.fork.draws if plan.trials == 1 else plan.fork.draws + 1_000_003 * (trial.trial + 1)


def fork_line(fork: Lineage, trials: int) -> str:
    """The command that makes so many such forks."""
    words = ["headcount", "fork", fork.experiment, str(fork.run), "--at", str(fork.step)]
    for name, value in fork.changes.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words + (["--trials", str(trials)] if trials > 1 else []))


def budget_of(plan: Plan, scenario: Scenario) -> Budget:
    """The budget of each run: the scenario's, with what the plan overrides; a fork's is its own. A budget in which
    nothing must end a run (a price may be unknown) has a limit of calls besides."""
    own = {k: v for k, v in msgspec.structs.asdict(plan.budget).items() if v is not None}
    given = plan.budget if plan.fork is not None else msgspec.structs.replace(scenario.file.budget.kernel(), **own)
    ends = (given.tokens, given.seconds, given.calls) != (None, None, None)
    return given if ends else msgspec.structs.replace(given, calls=CALLS)


def command_line(plan: Plan) -> str:
    """The command that does the same."""
    if plan.fork is not None:
        return fork_line(plan.fork, plan.trials)
    default = Plan(plan.scenario)
    words = ["headcount", "compare", plan.scenario, "--teams", ",".join(plan.teams)]
    options: list[tuple[str, Any, Any]] = [
        ("--engines", ",".join(plan.engines), ",".join(default.engines)),
        ("--model", plan.model, None),
        ("--api-base", plan.api_base, None),
        ("--cases", ",".join(plan.cases) if isinstance(plan.cases, tuple) else plan.cases, None),
        ("--trials", plan.trials, None),
        ("--seed", plan.seed, default.seed),
        ("--workers", plan.workers, default.workers),
        ("--on", plan.on, default.on),
        ("--approver", plan.approver, default.approver),
        ("--approver-wait", plan.approver_wait_s, default.approver_wait_s),
        ("--max-tokens", plan.budget.tokens, None),
        ("--max-cost", plan.budget.cost_usd, None),
        ("--max-seconds", plan.budget.seconds, None),
        ("--max-calls", plan.budget.calls, None),
        ("--total-tokens", plan.total.tokens, None),
        ("--total-cost", plan.total.cost_usd, None),
        ("--stop-early", plan.stop_early, None),
    ]
    for option, value, unless in options:
        if value is not None and value != unless:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    if plan.exhaustive:
        words.append("--exhaustive")
    return shlex.join(words)
