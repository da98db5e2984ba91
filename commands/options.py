"""Options that several verbs take, in one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from traces.errors import InputError

if TYPE_CHECKING:
    from experiments import plan as plans

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Scenario = Annotated[str, typer.Argument(help="A shipped scenario's name, or the path of a scenario's folder.")]
Engines = Annotated[str, typer.Option(help="Engines to run them on, separated by commas.")]
Cases = Annotated[str | None, typer.Option(help="How many cases, or their ids separated by commas.")]
Model = Annotated[
    str, typer.Option(help="sim:small|medium|large|oracle, local, or a LiteLLM name such as openai/gpt-4o-mini.")
]
ApiBase = Annotated[str | None, typer.Option(help="Base address of your own server, for hosted_vllm/... and the like.")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal simulated runs.")]
MaxTokens = Annotated[int | None, typer.Option(help="Token budget of each run (default: the scenario's).")]
MaxCost = Annotated[float | None, typer.Option(help="Dollar budget of each run.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Time budget of each run, on its own clock.")]
MaxCalls = Annotated[int | None, typer.Option(help="Model calls of each run, at most.")]
TotalTokens = Annotated[int | None, typer.Option(help="Token budget of the whole experiment, over all workers.")]
TotalCost = Annotated[float | None, typer.Option(help="Dollar budget of the whole experiment, over all workers.")]
Approver = Annotated[
    str,
    typer.Option(
        help="Who decides on outside effects that the rules leave open: simulated, person (in the app), terminal, deny."
    ),
]
Exhaustive = Annotated[
    bool, typer.Option("--exhaustive", help="These cases are all there are: the verdict is about them alone.")
]
ApproverWait = Annotated[float, typer.Option(help="Seconds that a person has for an answer; then it is a no.")]


def words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def approver(name: str) -> plans.Approver:
    from experiments import plan

    if name not in plan.APPROVERS:
        raise InputError(f"--approver: {name!r} is none of {', '.join(plan.APPROVERS)}")
    return name


def cases(text: str | None) -> int | tuple[str, ...] | None:
    if text is None:
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    return words(text)
