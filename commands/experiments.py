"""Running: compare teams, run a case, conduct what was prepared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from commands import options
from commands.options import (
    ApiBase,
    Approver,
    ApproverWait,
    Cases,
    Engines,
    Exhaustive,
    Json,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    Model,
    Scenario,
    Seed,
    TotalCost,
    TotalTokens,
)
from traces.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.plan import Plan
    from experiments.running.conduct import Progress
    from traces.home import ExperimentFolder

    class Conduct(Protocol):
        def __call__(self, folder: ExperimentFolder, watch: Callable[[Progress], object] = ..., /) -> Progress: ...


cli = typer.Typer()


@cli.command()
def compare(
    scenario: Scenario,
    teams: Annotated[str, typer.Option(help="Teams to compare, separated by commas.")] = "solo,supervisor,market",
    engines: Engines = "native",
    model: Model = "sim:medium",
    api_base: ApiBase = None,
    cases: Cases = None,
    trials: Annotated[int, typer.Option(help="How often each team does each case.")] = 5,
    seed: Seed = 1,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    max_calls: MaxCalls = None,
    total_tokens: TotalTokens = None,
    total_cost: TotalCost = None,
    stop_early: Annotated[
        float | None,
        typer.Option(help="Stop once every team is better beyond doubt, or not by more than this (0.05 is 5 points)."),
    ] = None,
    exhaustive: Exhaustive = False,
    workers: Annotated[int, typer.Option(help="How many workers; 0 picks.")] = 0,
    on: Annotated[str, typer.Option(help="Where they work: processes, here, ray, or ray://HOST:PORT.")] = "processes",
    approver: Approver = "simulated",
    approver_wait: ApproverWait = 900.0,
    json: Json = False,
) -> None:
    """Run a scenario with several teams and say which is worth it."""
    from experiments.plan import Plan
    from traces.kernel import Budget

    plan = Plan(
        scenario=scenario,
        teams=options.words(teams),
        engines=options.words(engines),
        model=model,
        api_base=api_base,
        cases=options.cases(cases),
        trials=trials,
        seed=seed,
        budget=Budget(max_tokens, max_cost, max_seconds, max_calls),
        workers=workers,
        on=on,
        total=Budget(total_tokens, total_cost),
        approver=options.approver(approver),
        approver_wait_s=approver_wait,
        stop_early=stop_early,
        exhaustive=exhaustive,
    )
    show(*_run_plan(plan, quiet=json), plan, json=json)


@cli.command()
def run(
    scenario: Scenario,
    case: Annotated[str | None, typer.Option(help="The case's id (default: the first).")] = None,
    team: Annotated[str, typer.Option(help="The team.")] = "solo",
    engine: Annotated[str, typer.Option(help="The engine.")] = "native",
    model: Model = "sim:medium",
    api_base: ApiBase = None,
    seed: Seed = 1,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    max_calls: MaxCalls = None,
    approver: Approver = "simulated",
    approver_wait: ApproverWait = 900.0,
    json: Json = False,
) -> None:
    """Do one case with one team, and show what came out."""
    from experiments.plan import Plan
    from experiments.terminal import report
    from traces.kernel import Budget

    plan = Plan(
        scenario=scenario,
        teams=(team,),
        engines=(engine,),
        model=model,
        api_base=api_base,
        cases=(case,) if case else 1,
        trials=1,
        seed=seed,
        budget=Budget(max_tokens, max_cost, max_seconds, max_calls),
        workers=1,
        approver=options.approver(approver),
        approver_wait_s=approver_wait,
    )
    folder, progress = _run_plan(plan, quiet=json)
    report.show_run(folder.id, progress.outcomes[0], json=json)
    fail_if(progress.outcomes[0].lost)


@cli.command(hidden=True)
def work(experiment: str, on: Annotated[str | None, typer.Option()] = None) -> None:
    """Conduct an experiment that was prepared before (what the app starts)."""
    from experiments.running.conduct import conduct, moved
    from traces import home

    folder = home.find_experiment(experiment)
    conduct(folder, plan=moved(folder, on))


def fail_if(broken: bool) -> None:
    """End with ModelError's code."""
    if broken:
        raise SystemExit(ModelError.exit_code)


def _run_plan(plan: Plan, *, quiet: bool) -> tuple[ExperimentFolder, Progress]:
    from experiments.running.conduct import conduct, prepare

    _tell_left_out(plan.scenario)
    folder = prepare(plan)
    _tell_unprobed(plan)
    return folder, watched(folder, plan, conduct, quiet=quiet)


def _tell_left_out(name: str) -> None:
    """Say on stderr which files of a scenario's documents cannot be read. Raises InputError where none can be."""
    from tasks import scenario as scenarios
    from tools import documents

    scenario = scenarios.load(name)
    knowledge = scenario.file.knowledge
    for one in documents.survey(scenario.folder / knowledge.folder).left_out if knowledge else ():
        print(f"left out of the documents: {one}", file=sys.stderr)


def _tell_unprobed(plan: Plan) -> None:
    """Say on stderr which of the plan's models are on servers that were never probed."""
    from experiments import plan as plans

    for command in plans.to_probe(plan):
        print(f"headcount: its server was never probed: `{command}` says in a minute what works there", file=sys.stderr)


def watched(folder: ExperimentFolder, plan: Plan, conduct: Conduct, *, quiet: bool) -> Progress:
    """Conduct it, with a progress bar on the terminal (on stderr, so that stdout is the result alone)."""
    if plan.approver == "terminal":
        from experiments.terminal.asking import asked_here

        with asked_here(folder):
            return conduct(folder)
    if quiet:
        return conduct(folder)
    from experiments.terminal.report import progress_bar

    with progress_bar(folder) as watch:
        return conduct(folder, watch)


def show(folder: ExperimentFolder, progress: Progress, plan: Plan, *, json: bool) -> None:
    """Print what came out of an experiment; ends with an error's code where nothing was measured."""
    from agents.models import table as models
    from experiments.terminal import report

    if progress.ended:
        print(f"headcount: {progress.ended}, after {progress.done} of {progress.total} runs", file=sys.stderr)
    if progress.decided:
        print(f"headcount: {progress.decided}: {progress.done} of {progress.total} runs", file=sys.stderr)
    result = report.result(folder, progress.outcomes, progress.digest, models.simulated(plan.model))
    if json:
        print(report.as_json(result))
    else:
        report.show(result, plan)
    fail_if(result.verdict_kind == "nothing_measured")
