"""`headcount capacity`: what is asked, worked out, and said in a table and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from rich.table import Table

from agents.models import table as models
from agents.models.simulated import profile as profiles
from agents.models.simulated.servers import Servers
from experiments import words
from experiments.servers import capacity, capacity_answers
from experiments.servers.capacity import Demand, Lengths, Point, Setting
from experiments.servers.capacity_answers import Most, Needed
from experiments.terminal import printing
from traces import home
from traces.errors import InputError
from traces.store import Store

LOADS = 5
FACTOR = 2.0
"""Without a latency that is asked for: so many times the p95 of a request alone."""


class Question(Struct, frozen=True):
    """What is asked. Empty tuples and None take what the model's settings say, or what shows the range."""

    model: str = models.DEFAULT
    replicas: tuple[int, ...] = ()
    loads: tuple[float, ...] = ()
    agents: tuple[int, ...] = ()
    speeds: tuple[float, ...] = (1.0,)
    experiment: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    pause_s: float = 0.0
    gpu_hour: float | None = None
    max_latency_s: float | None = None
    requests: int = 1500
    seed: int = 1


class Found(Struct, frozen=True):
    """`limit_s`: the latency that 95 % of requests should keep; asked for, or FACTOR times that of a request alone."""

    model: str
    servers: Servers
    lengths_of: str
    mean_tokens: tuple[float, float]
    limit_s: float
    limit_asked: bool
    points: list[Point]
    most: list[Most]
    needed: list[Needed]


def work_out(question: Question) -> Found:
    """Raises InputError where the question makes no sense, or the model is not a simulated one."""
    _check(question)
    setting, servers = _setting(question)
    given = servers.replicas
    replicas = question.replicas or ((given,) if servers.limited else (given, 2 * given, 4 * given))
    demands = _demands(question, setting, servers, replicas)
    points = [
        capacity.point(setting, n, speed, demand) for speed in question.speeds for n in replicas for demand in demands
    ]
    limit = question.max_latency_s or FACTOR * capacity.alone_p95(setting, min(question.speeds))
    most = [capacity_answers.most(setting, n, speed, demands[0], limit) for speed in question.speeds for n in replicas]
    asked = demands if question.max_latency_s and not servers.limited else []
    needed = [capacity_answers.needed(setting, speed, demand, limit) for speed in question.speeds for demand in asked]
    lengths = setting.lengths
    return Found(
        f"sim:{setting.profile.name}",
        servers,
        lengths.of,
        lengths.mean,
        limit,
        question.max_latency_s is not None,
        points,
        most,
        needed,
    )


def _check(question: Question) -> None:
    if not models.simulated(question.model):
        raise InputError(
            f"{question.model} is not simulated, and only simulated servers can be asked what they would do: give a "
            "sim: model with your server's settings, or make one like yours from its runs (headcount calibrate)"
        )
    if question.loads and question.agents:
        raise InputError("--load and --agents: give one of them, requests a second or agents at once")
    if question.experiment and (question.prompt_tokens or question.output_tokens):
        raise InputError("--from and --prompt-tokens, --output-tokens: the lengths are recorded or given, not both")
    least = {
        "--replicas": question.replicas,
        "--load": question.loads,
        "--agents": question.agents,
        "--speed": question.speeds,
        "--prompt-tokens": (question.prompt_tokens,),
        "--output-tokens": (question.output_tokens,),
        "--max-latency": (question.max_latency_s,),
    }
    for option, values in least.items():
        for value in values:
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{option}: {value:g} should be a number above 0")
    if question.pause_s < 0 or (question.gpu_hour or 0) < 0:
        raise InputError("--pause and --gpu-hour: should be 0 or more")
    if question.requests < 100:
        raise InputError(f"--requests: {question.requests} are too few to tell a 99th percentile: give 100 or more")


def _setting(question: Question) -> tuple[Setting, Servers]:
    profile = profiles.load(question.model.partition(":")[2] or "medium")
    servers = profile.servers or Servers()
    if question.gpu_hour is not None:
        servers = servers.model_copy(update={"gpu_hour": question.gpu_hour})
    lengths = recorded(question.experiment) if question.experiment else _given(question, servers)
    profile = profile.model_copy(update={"servers": servers})
    return Setting(profile, lengths, question.requests, question.seed), servers


def _given(question: Question, servers: Servers) -> Lengths:
    prompt = question.prompt_tokens or round(servers.load.input_tokens)
    output = question.output_tokens or round(servers.load.output_tokens)
    return Lengths(((prompt, output),), True, "given, exponential around these means")


def recorded(experiment: str) -> Lengths:
    """The lengths of an experiment's calls. Raises InputError where it has none."""
    folder = home.find_experiment(experiment)
    rows = Store().ask(
        folder.id,
        """SELECT coalesce((e.body->>'$.usage.input_tokens')::BIGINT, 0) AS input,
            coalesce((e.body->>'$.usage.output_tokens')::BIGINT, 0) AS output
        FROM events e WHERE e.part = $part AND e.type = 'chat' AND coalesce(e.body->>'$.error', '') = ''
        ORDER BY e.run, e.seq""",
    )
    pairs = tuple((row["input"], row["output"]) for row in rows if row["input"])
    if not pairs:
        raise InputError(f"experiment {folder.id} has no finished call to take lengths from")
    return Lengths(pairs, False, f"those of the {len(pairs):,} calls of experiment {folder.id}")


def _demands(question: Question, setting: Setting, servers: Servers, replicas: Sequence[int]) -> list[Demand]:
    if question.agents:
        return [Demand(n, "agents", question.pause_s) for n in question.agents]
    if question.pause_s:
        raise InputError("--pause goes with --agents: requests a second come whether or not others are done")
    own = servers.load.calls_per_s
    return [Demand(load) for load in question.loads or ((own,) if own else _range(question, setting, replicas))]


def _range(question: Question, setting: Setting, replicas: Sequence[int]) -> list[float]:
    """Loads from a third of what the weakest pool can serve to nine tenths of what the strongest can."""
    most = [
        capacity.most_per_s(capacity.faster(setting.profile, speed, n), setting.lengths)
        for speed in question.speeds
        for n in replicas
    ]
    return sorted({float(f"{load:.2g}") for load in np.geomspace(min(most) / 3, 0.9 * max(most), LOADS)})


# --- in a table and in words -------------------------------------------------------------------------------------


def show(found: Found) -> None:
    console = printing.console()
    console.print(_table(found), highlight=False)
    console.print(f"\n{about(found)}", highlight=False)
    for line in saturated(found):
        console.print(line, highlight=False)
    for line in answers(found):
        console.print(line, highlight=False, style="bold")


def plain(found: Found) -> dict[str, Any]:
    """For JSON: everything that the text says, and more digits."""
    data: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(found, name) for name in found.__struct_fields__ if name != "servers"}
    )
    return {
        **data,
        "simulated": True,
        "servers": found.servers.model_dump(exclude={"load"}),
        "answers": [*saturated(found), *answers(found)],
    }


def about(found: Found) -> str:
    """What the figures rest on."""
    prompt, output = found.mean_tokens
    wait = " (in brackets by Erlang C)" if any(p.theory_s is not None for p in found.points) else ""
    if any(p.theory_s is not None and not p.exact for p in found.points):
        wait = " (in brackets by Erlang C times (1 + cv²) / 2, since lengths are not exponential)"
    price = "rent by the hour, idle time included" if found.servers.gpu_hour is not None else "the profile's for tokens"
    return (
        f"Simulated. Lengths: {found.lengths_of}; mean {prompt:,.0f} tokens in, {output:,.0f} out. Seconds, waiting "
        f"included; mean wait{wait}; TTFT: time to first token, p95. Dollars for 1,000 requests: {price}."
    )


def saturated(found: Found) -> list[str]:
    """Which pools are asked for more than they can serve, and what they can."""
    full = {(one.replicas, one.speed): one.most_per_s for one in found.points if one.saturated}
    pools = [f"{_pool(found, *pool)} ({most:.3g} requests/s at most)" for pool, most in full.items()]
    return [f"Saturated: {', '.join(pools)}. The queue grows for as long as more is asked."] if pools else []


def answers(found: Found) -> list[str]:
    """What the reader wants to know, in sentences."""
    limit = f"{found.limit_s:.3g} s"
    said = []
    for one in found.most:
        if one.amount is not None:
            own = "" if found.limit_asked else f" (twice a request alone, {one.alone_s:.3g} s)"
            keeps = "keeps" if one.replicas == 1 or found.servers.limited else "keep"
            said.append(
                _sentence(f"{_pool(found, one.replicas, one.speed)} {keeps} p95 under {limit}{own} {_up_to(one)}.")
            )
    for speed, alone in {one.speed: one.alone_s for one in found.most if one.amount is None}.items():
        said.append(
            f"No number of replicas{_fast(speed)} keeps p95 under {limit}: a request alone takes {alone:.3g} s at p95. "
            "Faster replicas or shorter replies would."
        )
    return said + [line for one in found.needed if (line := _needs(found, one))]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _fast(speed: float) -> str:
    return "" if speed == 1 else f" at {speed:g} times the speed"


def _pool(found: Found, replicas: int, speed: float) -> str:
    servers = "the hosted API" if found.servers.limited else f"{replicas} replica{'s' if replicas > 1 else ''}"
    return servers + _fast(speed)


def _up_to(one: Most) -> str:
    most = f"for up to {one.amount:g} {one.unit}" if one.unit == "agents" else f"up to {one.amount:g} {one.unit}"
    return f"{most}, at {words.money(one.usd_per_request)} a request"


def _needs(found: Found, one: Needed) -> str:
    """Empty where a request alone takes too long, which is said once."""
    if one.replicas is None:
        return ""
    hour = found.servers.gpu_hour
    cost = f", {words.money(hour * one.replicas)} an hour" if hour is not None else ""
    needed = f"{one.replicas} replica{'s' if one.replicas > 1 else ''}{_fast(one.speed)}"
    asked = f"{one.demand.amount:g} {one.demand.unit} need"
    if one.demand.amount == 1:
        asked = "1 agent needs" if one.demand.unit == "agents" else "1 request/s needs"
    return f"{asked} {needed}{cost}."


def _table(found: Found) -> Table:
    speeds = len({one.speed for one in found.points}) > 1
    asked = {"requests/s": "req/s", "agents": "agents"}[found.points[0].demand.unit]
    figures = ["p50", "p95", "p99", "mean wait", "TTFT", "used", "tokens/s", "$/1,000"]
    table = Table(title=f"Capacity of {found.model} (simulated)", box=None, collapse_padding=True, pad_edge=False)
    for name in ["replicas", *(["speed"] if speeds else []), asked, *figures]:
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.points:
        cells = [str(one.replicas), *([f"{one.speed:g}x"] if speeds else []), f"{one.demand.amount:g}"]
        table.add_row(*cells, *_figures(one))
    return table


def _figures(one: Point) -> list[str]:
    rest = [f"{one.utilisation:.0%}", f"{one.tokens_per_s:,.0f}", f"{one.usd_per_1000:.3g}"]
    if one.latency is None or one.first_token is None or one.mean_wait is None:
        return ["-", "-", "-", "saturated", "-", *rest]
    theory = f" ({_short(one.theory_s)})" if one.theory_s is not None else ""
    latency = [_short(value) for value in (one.latency.p50, one.latency.p95, one.latency.p99)]
    return [*latency, f"{_short(one.mean_wait.value)}{theory}", _short(one.first_token.p95), *rest]


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.1f}"
