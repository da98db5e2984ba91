"""What the framework costs: the same team on another engine, against the native one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from experiments.judging.comparing import on_these
from experiments.judging.missing import answered
from experiments.judging.statistics import Difference
from experiments.judging.summaries import groups
from experiments.outcome import Outcome

NATIVE = "native"


class Framework(Struct, frozen=True):
    """A team on a framework against the same team on native: ratios of means per run. `overhead_ms` is the framework's
    own time for each model call, beyond native's, on this machine: None for real models, whose time covers it.
    `success`: how much more often it succeeds on these cases, paired by case and trial."""

    team: str
    engine: str
    calls: float
    tokens: float
    tokens_per_call: float
    overhead_ms: float | None
    success: Difference | None


def compare(outcomes: Sequence[Outcome]) -> list[Framework]:
    """Every team that ran on native and on another engine, in order of first appearance."""
    by_group = groups(outcomes)
    return [
        _against(by_group[team, engine], by_group[team, NATIVE])
        for team, engine in by_group
        if engine != NATIVE
        and (team, NATIVE) in by_group
        and answered(by_group[team, engine])
        and answered(by_group[team, NATIVE])
    ]


def _against(framework: Sequence[Outcome], native: Sequence[Outcome]) -> Framework:
    both = framework, native
    framework, native = answered(framework), answered(native)
    calls, tokens = _ratio(framework, native, "calls"), _ratio(framework, native, "tokens")
    return Framework(
        framework[0].team,
        framework[0].engine,
        calls,
        tokens,
        tokens / calls if calls else 0.0,
        1000 * (_wall_per_call(framework) - _wall_per_call(native)) if framework[0].simulated else None,
        on_these(*both),
    )


def _mean(outcomes: Sequence[Outcome], field: str) -> float:
    return float(sum(getattr(outcome, field) for outcome in outcomes) / len(outcomes))


def _ratio(a: Sequence[Outcome], b: Sequence[Outcome], field: str) -> float:
    return _mean(a, field) / (_mean(b, field) or 1.0)


def _wall_per_call(outcomes: Sequence[Outcome]) -> float:
    """Seconds; the median over runs, since the first run of a process pays for imports."""
    return median(outcome.wall_s / max(1, outcome.calls) for outcome in outcomes)


def in_words(found: Framework) -> str:
    """One line for the command line."""
    parts = [f"{found.calls:.2f}x the calls", f"{found.tokens_per_call:.2f}x the tokens a call"]
    parts.append(f"{found.tokens:.2f}x the tokens")
    if found.overhead_ms is not None:
        parts.append(f"{found.overhead_ms:+.2f} ms of its own time a call")
    if found.success is not None:
        d = found.success
        parts.append(f"success {100 * d.value:+.1f} points ({100 * d.low:+.1f} to {100 * d.high:+.1f})")
    return f"{found.team} on {found.engine}, against native: {', '.join(parts)}"
