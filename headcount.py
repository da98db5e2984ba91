"""Headcount on the command line: do we need many agents, or is one enough? Run it and see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from traces.errors import HeadcountError, InputError, ModelError

if TYPE_CHECKING:
    from experiments.conduct import Progress
    from experiments.plan import Plan
    from traces.home import ExperimentFolder

cli = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Model = Annotated[
    str, typer.Option(help="sim:small|medium|large|oracle, local, or a LiteLLM name such as openai/gpt-4o-mini.")
]
ApiBase = Annotated[str | None, typer.Option(help="Base address of your own server, for hosted_vllm/... and the like.")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal simulated runs.")]
MaxTokens = Annotated[int | None, typer.Option(help="Token budget of each run (default: the scenario's).")]
MaxCost = Annotated[float | None, typer.Option(help="Dollar budget of each run.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Time budget of each run, on its own clock.")]
MaxCalls = Annotated[int | None, typer.Option(help="Model calls of each run, at most.")]


@cli.command()
def compare(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or the path of a scenario's folder.")],
    teams: Annotated[str, typer.Option(help="Teams to compare, separated by commas.")] = "solo,supervisor,market",
    engines: Annotated[str, typer.Option(help="Engines to run them on, separated by commas.")] = "native",
    model: Model = "sim:medium",
    api_base: ApiBase = None,
    cases: Annotated[str | None, typer.Option(help="How many cases, or their ids separated by commas.")] = None,
    trials: Annotated[int, typer.Option(help="How often each team does each case.")] = 5,
    seed: Seed = 1,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    max_calls: MaxCalls = None,
    workers: Annotated[int, typer.Option(help="Worker processes; 0 picks.")] = 0,
    json: Json = False,
) -> None:
    """Run a scenario with several teams and say which is worth it."""
    from experiments.plan import Plan
    from traces.kernel import Budget

    plan = Plan(
        scenario=scenario,
        teams=_words(teams),
        engines=_words(engines),
        model=model,
        api_base=api_base,
        cases=_cases(cases),
        trials=trials,
        seed=seed,
        budget=Budget(max_tokens, max_cost, max_seconds, max_calls),
        workers=workers,
    )
    folder, progress = _run_plan(plan, quiet=json)
    from agents.models import table as models
    from experiments import report

    result = report.result(folder.id, progress.outcomes, progress.digest, models.simulated(model))
    if json:
        print(report.as_json(result))
    else:
        report.show(result, plan)
    _fail_if(result.failed == len(progress.outcomes))


@cli.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or the path of a scenario's folder.")],
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
    json: Json = False,
) -> None:
    """Do one case with one team, and show what came out."""
    from experiments import report
    from experiments.plan import Plan
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
    )
    folder, progress = _run_plan(plan, quiet=json)
    report.show_run(folder.id, progress.outcomes[0], json=json)
    _fail_if(progress.outcomes[0].status == "failed")


@cli.command()
def replay(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    run: Annotated[int, typer.Argument(help="The run's number in the experiment.")] = 0,
    step: Annotated[int | None, typer.Option(help="Show one step in full.")] = None,
    json: Json = False,
) -> None:
    """Show a run step by step: every message, model call, tool call, bid and award."""
    from experiments import report
    from traces import home

    report.show_steps(home.find_experiment(experiment).id, run, step, json=json)


@cli.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="experiments, scenarios, teams, models, or an experiment's id for its runs.")
    ] = "experiments",
    json: Json = False,
) -> None:
    """List experiments, scenarios, teams, models, or the runs of an experiment."""
    from experiments import listing

    listing.show(what, json=json)


@cli.command()
def calibrate(
    experiment: Annotated[str, typer.Argument(help="An experiment with runs of a single agent.")] = "latest",
    into: Annotated[Path, typer.Option(help="The profile's file to write.")] = Path("profile.yaml"),
    base: Annotated[str, typer.Option(help="The profile whose numbers stay where there are too few data.")] = "medium",
    json: Json = False,
) -> None:
    """Make a simulated model that is like the one in these runs."""
    from experiments import calibrating

    calibrating.calibrate(experiment, into, base, json=json)


@cli.command()
def backtest(
    experiment: Annotated[str, typer.Argument(help="An experiment with a single agent and teams.")] = "latest",
    base: Annotated[str, typer.Option(help="The profile whose numbers stay where there are too few data.")] = "medium",
    json: Json = False,
) -> None:
    """Predict the teams from the single agent's runs, and compare with what the teams did."""
    from experiments import calibrating

    calibrating.show_backtest(experiment, base, json=json)


@cli.command()
def doctor(
    deep: Annotated[bool, typer.Option(help="Also start the local model and ask it something.")] = False,
    json: Json = False,
) -> None:
    """Say which models, sandboxes and optional parts work here, and how to get those that don't."""
    from experiments import listing

    listing.show_doctor(deep=deep, json=json)


@cli.command()
def app(port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501) -> None:
    """Open the app in a browser: launch, watch, compare, replay."""
    from traces import home

    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("app.py"))]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    environment = {**os.environ, "HEADCOUNT_HOME": str(home.home())}
    print(f"The app is at http://127.0.0.1:{port} (Ctrl-C ends it; experiments that run go on).", flush=True)
    raise SystemExit(subprocess.call(command + options, env=environment))


@cli.command(hidden=True)
def work(experiment: str) -> None:
    """Conduct an experiment that was prepared before (what the app starts)."""
    from experiments.conduct import conduct
    from traces import home

    conduct(home.find_experiment(experiment))


def _fail_if(broken: bool) -> None:
    """End with ModelError's code where no run got to its end."""
    if broken:
        raise SystemExit(ModelError.exit_code)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _cases(text: str | None) -> int | tuple[str, ...] | None:
    if text is None:
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    return _words(text)


def _run_plan(plan: Plan, *, quiet: bool) -> tuple[ExperimentFolder, Progress]:
    """Prepare and conduct, with a progress bar on the terminal (on stderr, so that stdout is the result alone)."""
    from experiments.conduct import conduct, prepare

    folder = prepare(plan)
    if quiet:
        return folder, conduct(folder)
    from experiments.report import progress_bar

    with progress_bar(folder) as watch:
        return folder, conduct(folder, watch)


def main(arguments: list[str] | None = None) -> Any:
    """The command `headcount`. A HeadcountError becomes one line on stderr and its exit code."""
    from agents.models import quiet

    quiet.environment()
    try:
        return cli(arguments, standalone_mode=True)
    except HeadcountError as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        print(f"headcount: {kind}{error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
