"""Whether a scenario works: every mistake in its files, and what came instead where the oracle, which makes no errors,
follows the reference plan and does not get where the case says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from agents import roles
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running.trial import Bench, run_trial
from tasks import checking, yamlfile
from tasks import scenario as scenarios
from tasks.case import Case, Fact, Step
from tasks.reading import read
from tasks.scenario import Scenario
from tasks.yamlfile import Loc, Problem
from traces import clock
from traces.errors import HeadcountError, InputError, ScenarioError
from traces.kernel import Evaluated, Record, RunFinished, ToolExecuted
from traces.recorder import Recorder

TEAMS = ("solo", "supervisor")
SHOWN = 300  # characters of a tool's result in a message


class Mistake(Struct, frozen=True):
    """One thing that is wrong, and where; `line` is None where a whole file or folder is meant."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        return str(ScenarioError(self.file, self.message, line=self.line, field=self.field))


class Validated(Struct, frozen=True):
    """A scenario that was looked at: `runs` of the oracle, over `cases`, and all `mistakes`, by file and line."""

    scenario: str
    cases: int
    runs: int
    mistakes: tuple[Mistake, ...]


def mistakes_in(errors: Iterable[ScenarioError]) -> tuple[Mistake, ...]:
    """The errors and what they have as `more`, each once, by file and line."""
    found = [Mistake(one.path, one.line, one.field, one.message) for error in errors for one in error.all]
    return tuple(sorted(dict.fromkeys(found), key=lambda m: (m.file, m.line or 0)))


def validate(name: str, *, run: bool = True) -> Validated:
    """The scenario by its name or folder. With `run` the oracle does every case, alone and as a team; its tools are
    called, and outside effects that the scenario's rules allow are made. Raises InputError where there is none."""
    folder = scenarios.find(name)
    scenario, errors = scenarios.read(folder)
    cases, runs = 0, 0
    if scenario is not None:
        errors += [*checking.unknown_roles(scenario, roles.roles()), *scenario.problems]
        cases = len(scenario.cases)
        if run and scenario.cases and not _of_all(scenario, errors):
            wrong = {Path(error.path) for error in errors}
            sound = [case for case, file in zip(scenario.cases, scenario.files, strict=True) if file not in wrong]
            errors += solve(scenario, sound)
            runs = len(sound) * len(TEAMS)
    return Validated(str(folder), cases, runs, mistakes_in(errors))


def _of_all(scenario: Scenario, errors: Sequence[ScenarioError]) -> bool:
    """Whether something is wrong that no case can be done with."""
    own = {str(path) for path in (scenario.folder / "cases").glob("*")}
    return any(error.path not in own for error in errors)


def solve(scenario: Scenario, cases: Sequence[Case] | None = None) -> list[ScenarioError]:
    """What keeps the oracle from solving the cases (all, where none are named), alone and as a team. Nothing is kept of
    these runs. What is found in a run alone is not looked for once more in the team's."""
    chosen = scenario.cases if cases is None else cases
    if not chosen:
        return []
    names = tuple(case.id for case in chosen)
    plan = Plan(str(scenario.folder), TEAMS, model="sim:oracle", trials=1, cases=names)
    bench = Bench(plan)
    bench.scenario = scenario
    try:
        _ = bench.retriever
    except ScenarioError as error:
        return [error]
    except InputError as error:
        return [yamlfile.error_at(scenario.folder / "scenario.yaml", ["knowledge"], str(error))]
    found: list[ScenarioError] = []
    stuck: set[str] = set()
    for trial in sorted(plans.trials(plan, scenario), key=lambda trial: TEAMS.index(trial.team)):
        if trial.case in stuck:
            continue
        case = scenario.case(trial.case)
        placed = yamlfile.place_of(scenario.path_of(case))
        wrong = [placed(loc, message) for loc, message in _mistakes(trial, bench, case)]
        if wrong:
            stuck.add(trial.case)
        found += wrong
    return found


def _mistakes(trial: plans.Trial, bench: Bench, case: Case) -> list[Problem]:
    try:
        recorder = clock.run(_one(trial, bench), virtual=True)
    except HeadcountError as error:
        return [([], f"the run as {trial.team} cannot begin: {error}")]
    steps = list(_steps(case, recorder.records))
    return steps or list(_ends(trial.team, case, recorder.records))


async def _one(trial: plans.Trial, bench: Bench) -> Recorder:
    recorder = Recorder(trial.run, keep=True)
    await run_trial(trial, bench, recorder)
    return recorder


def _steps(case: Case, records: Sequence[Record]) -> Iterator[Problem]:
    """Calls of the plan that failed or gave something else than the case says."""
    made: dict[str, ToolExecuted] = {}
    for record in records:
        if isinstance(record.event, ToolExecuted):
            made.setdefault(record.event.call_id.rpartition(".")[0], record.event)
    for number, subtask in enumerate(case.plan):
        for place, step in enumerate(subtask.steps):
            call = made.get(step.id)
            if step.tool is not None and call is not None and call.tool == step.tool:
                for loc, message in _differs(step, call):
                    yield ["plan", number, "steps", place, *loc], f"step {step.id!r}: {message}"


def _differs(step: Step, call: ToolExecuted) -> Iterator[Problem]:
    if not call.ok:
        yield ["tool"], f"{step.tool} says: {_short(call.result)}"
        return
    found = read(step, call.result)
    for name, fact in step.facts.items():
        if name not in found:
            yield ["facts", name], f"{step.tool} gives no {_wanted(fact)}; it gives: {_short(call.result)}"
        elif found[name].value != fact.value:
            yield ["facts", name], f"{step.tool} gives {found[name].value!r}, not {fact.value!r}"


def _wanted(fact: Fact) -> str:
    return repr(fact.value) if fact.pattern is None else f"{fact.value!r} (nothing fits {fact.pattern!r})"


def _ends(team: str, case: Case, records: Sequence[Record]) -> Iterator[Problem]:
    """How the run ended, where that is no success."""
    who = "the reference answer" if team == TEAMS[0] else f"the answer of the team {team}"
    for record in records:
        event = record.event
        if isinstance(event, RunFinished) and event.status != "completed":
            yield ["plan"], f"the run as {team} ends with: {event.error or event.ended_by}"
        if isinstance(event, Evaluated):
            if event.error and not event.checks:
                yield ["expect"], f"{who} could not be graded: {event.error}"
            for number, check in enumerate(event.checks):
                if not check.passed:
                    yield _expect(case, number), f"{who} fails {check.name}: {_short(check.detail)}"


def _expect(case: Case, number: int) -> Loc:
    return ["expect", number] if number < len(case.expect) else ["expect"]


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}..."
