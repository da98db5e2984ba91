"""Doing again what was recorded: resume an experiment, verify runs, fork a run."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from commands.experiments import show, watched
from commands.options import Json

cli = typer.Typer()

SET = (
    "What is other there, NAME=VALUE: prompt, instructions, reply, arguments, result, message, approved, model, "
    "budget.tokens, team.FIELD, ...; may be given several times."
)
Experiment = Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")]


@cli.command()
def resume(
    experiment: Experiment = "latest",
    on: Annotated[
        str | None,
        typer.Option(help="Where it goes on: processes, here, ray, or ray://HOST:PORT (default: as planned)."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="How many workers; 0 picks (default: as planned; in another place 0).")
    ] = None,
    retry_broken: Annotated[
        bool, typer.Option("--retry-broken", help="Also do runs that broke off with an error again, from there.")
    ] = False,
    json: Json = False,
) -> None:
    """Go on with an experiment that was stopped or killed. Nothing that was recorded is done again."""
    from experiments import plan as plans
    from experiments.running.resume import resume
    from traces import home

    folder = home.find_experiment(experiment)
    plan = plans.read(folder)
    go_on = partial(resume, on=on, workers=workers, retry_broken=retry_broken)
    show(folder, watched(folder, plan, go_on, quiet=json), plan, json=json)


@cli.command()
def verify(
    experiment: Experiment = "latest",
    run: Annotated[int | None, typer.Argument(help="The run's number (default: all runs).")] = None,
    json: Json = False,
) -> None:
    """Do runs again from their record, without a model. Says where they first differ from it."""
    from experiments.forks.verify import verify
    from experiments.terminal import report
    from traces import home

    folder, verified = home.find_experiment(experiment), []
    for one in verify(folder, run):
        verified.append(one)
        if not json and not one.same:
            print(f"run {one.run} ({one.team}, {one.case}) differs at step {one.step}:")
            print(f"  recorded  {one.recorded}\n  now       {one.now}\n  where     {one.where}")
    differ = sum(not one.same for one in verified)
    if json:
        print(report.as_json(verified))
    else:
        steps = sum(one.steps for one in verified)
        print(f"{len(verified) - differ} of {len(verified)} runs give the same events again ({steps:,} steps)")
    if differ:
        withheld = (folder.read_plan().get("imported") or {}).get("withheld", 0)
        if withheld:
            print(
                f"In {withheld:,} places something was taken out before it came here: runs differ there.",
                file=sys.stderr,
            )
        raise SystemExit(1)


@cli.command()
def fork(
    experiment: Experiment,
    run: Annotated[int, typer.Argument(help="The run's number in the experiment.")],
    at: Annotated[int, typer.Option("--at", help="The step at which it forks (headcount replay shows them).")],
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET)] = None,
    trials: Annotated[int, typer.Option(help="How many forks; more than one draw anew each.")] = 1,
    json: Json = False,
) -> None:
    """Run a run again from a step on, with a change there. What came before the step is shared with it."""
    from experiments import plan as plans
    from experiments.forks import fork as forks
    from experiments.running.conduct import conduct
    from experiments.terminal import forking
    from traces import home

    parent = home.find_experiment(experiment)
    changes = forks.changes_of(set_ or [])
    folder = forks.prepared(forks.ForkPlan(parent.id, run, at, changes, trials))
    progress = watched(folder, plans.read(folder), conduct, quiet=json)
    if not json and (warning := forks.caveat(parent, changes)):
        print(warning, file=sys.stderr)
    forking.show(folder.id, parent.id, run, progress.outcomes, json=json)
