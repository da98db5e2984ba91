"""Capacity: what a pool of simulated servers can take, and how many replicas a load needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from commands.options import Json, Seed, words
from traces.errors import InputError

cli = typer.Typer()
T = TypeVar("T", int, float)


@cli.command()
def capacity(
    model: Annotated[
        str, typer.Argument(help="A simulated model with its servers, e.g. sim:medium,slots=8,batch_slowdown=0.05.")
    ] = "sim:medium",
    replicas: Annotated[str | None, typer.Option(help="How many servers, e.g. 1,2,4.")] = None,
    load: Annotated[str | None, typer.Option(help="Requests a second, e.g. 0.5,1,3.")] = None,
    agents: Annotated[str | None, typer.Option(help="Instead: agents at once, each waiting for its replies.")] = None,
    pause: Annotated[float, typer.Option(help="With --agents: mean seconds between a reply and the next request.")] = 0,
    speed: Annotated[str, typer.Option(help="How many times as fast each replica is, e.g. 1,2.")] = "1",
    source: Annotated[
        str | None, typer.Option("--from", help="An experiment whose calls' lengths are taken (an id, or latest).")
    ] = None,
    prompt_tokens: Annotated[int | None, typer.Option(help="Or: mean tokens of a prompt (default: 1500).")] = None,
    output_tokens: Annotated[int | None, typer.Option(help="Mean tokens of a reply (default: 250).")] = None,
    gpu_hour: Annotated[float | None, typer.Option(help="USD for an hour of one replica.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="Seconds that 95 % of requests may take: how many replicas does it need?")
    ] = None,
    requests: Annotated[int, typer.Option(help="Requests in each of six simulations of a point.")] = 1500,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Say what a pool of simulated servers can take. Latency, waiting, use and cost over replicas, load and speed."""
    from experiments.terminal import capacity_report as report
    from experiments.terminal.report import as_json

    question = report.Question(
        model,
        _numbers("--replicas", replicas, int),
        _numbers("--load", load, float),
        _numbers("--agents", agents, int),
        _numbers("--speed", speed, float),
        source,
        prompt_tokens,
        output_tokens,
        pause,
        gpu_hour,
        max_latency,
        requests,
        seed,
    )
    found = report.work_out(question)
    if json:
        print(as_json(report.plain(found)))
    else:
        report.show(found)


def _numbers(option: str, text: str | None, kind: Callable[[str], T]) -> tuple[T, ...]:
    try:
        return tuple(kind(word) for word in words(text or ""))
    except ValueError:
        what, example = ("whole numbers", "1,2,4") if kind is int else ("numbers", "0.5,1,3")
        raise InputError(f"{option}: {text!r} should be {what} with commas between them, e.g. {example}") from None
