"""How errors grow with the length of the prompt and the number of tools: whether runs can tell it, and what they say.

What is read of real and of simulated runs alike is the slope of the logarithm of the failure rate (Poisson regression
with an intercept for each skill, cases as clusters: Zeger & Liang 1986). A profile's number is moved until both agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from experiments.failures.attempts import Attempt, Reading
from experiments.profiles.callfits import FEWEST, Estimate, kept

FREE = 4
"""Tools that cost nothing: a profile's `per_extra_tool` is for each beyond."""
LARGEST = 10.0
FIELDS = ("per_1k_context", "per_extra_tool")


class Slope(Struct, frozen=True):
    """Of the logarithm of the failure rate over `x`, the attempts' thousands of tokens of prompt or tools beyond FREE,
    with its standard error."""

    value: float
    error: float
    x: np.ndarray[Any, Any]


class Slopes(Struct, frozen=True):
    """Those that could be read, by the profile's field; for the others why not."""

    read: dict[str, Slope]
    missing: dict[str, str]
    attempts: int


def slopes(readings: Sequence[Reading]) -> Slopes:
    rows = [(number, reading, a) for number, reading in enumerate(readings) for a in _at_work(reading)]
    failing = {a.skill for _, _, a in rows if a.kind != "right"}
    rows = [row for row in rows if row[2].skill in failing]
    attempts = [a for _, _, a in rows]
    failed = sum(a.kind != "right" for a in attempts)
    if failed < FEWEST:
        few = f"only {failed} attempts failed (under {FEWEST})"
        return Slopes({}, dict.fromkeys(FIELDS, few), len(attempts))
    missing = _constant(attempts)
    columns = {name: values for name, values in _columns(attempts).items() if name not in missing}
    if not columns:
        return Slopes({}, missing, len(attempts))
    skills = np.array([[a.skill == skill for skill in sorted(failing)] for a in attempts], float)
    design = np.column_stack([skills, *columns.values()])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return Slopes({}, {**missing, **dict.fromkeys(columns, "it varies with the skill alone")}, len(attempts))
    return Slopes(_fitted(design, columns, rows), missing, len(attempts))


def _at_work(reading: Reading) -> list[Attempt]:
    """Without the last words that an agent is asked for, which come without tools."""
    able = [a for a in reading.attempts if a.tools]
    return able or reading.attempts


def _fitted(
    design: np.ndarray[Any, Any], columns: dict[str, Any], rows: Sequence[tuple[int, Reading, Attempt]]
) -> dict[str, Slope]:
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    cases = [reading.case for _, reading, _ in rows]
    groups = cases if len(set(cases)) >= 5 else [number for number, _, _ in rows]
    codes = np.unique(groups, return_inverse=True)[1]
    wrong = np.array([a.kind != "right" for _, _, a in rows], float)
    fit = GLM(wrong, design, family=Poisson()).fit(cov_type="cluster", cov_kwds={"groups": codes})
    first = design.shape[1] - len(columns)
    return {
        name: Slope(float(fit.params[first + i]), float(fit.bse[first + i]), values)
        for i, (name, values) in enumerate(columns.items())
    }


def _columns(attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "per_1k_context": np.array([a.context / 1000 for a in attempts]),
        "per_extra_tool": np.array([max(0, a.tools - FREE) for a in attempts], float),
    }


def _constant(attempts: Sequence[Attempt]) -> dict[str, str]:
    """Why a slope cannot be read where the attempts do not vary in it."""
    why = {}
    if len({a.context for a in attempts}) == 1:
        why["per_1k_context"] = f"every prompt had {attempts[0].context:,} tokens"
    numbers = {max(FREE, a.tools) for a in attempts}
    if numbers == {FREE}:
        why["per_extra_tool"] = f"no attempt had more than {FREE} tools"
    elif len(numbers) == 1:
        why["per_extra_tool"] = f"every attempt had {max(numbers)} tools"
    return why


def told(seen: Slopes, made: Slopes, data: dict[str, Any]) -> dict[str, str]:
    """Why each number stays the base's; those that are not in it can be fitted. `made` is read of runs of the base's
    growth. Runs tell more than the base where their interval is narrower than its number, or does not hold it."""
    why = dict(seen.missing)
    for name, slope in seen.read.items():
        if name not in made.read:
            why[name] = f"in the simulation {made.missing[name]}"
            continue
        base = float(data[name])
        low, high = _interval(slope, made.read[name], base)
        if low <= base <= high and (high - low) / 2 > base:
            why[name] = f"the runs leave {low:.2g} to {high:.2g}, with the base's in it"
    return why


def towards(data: dict[str, Any], seen: Slopes, made: Slopes, why: dict[str, str]) -> None:
    """One step of those that can be fitted."""
    for name in FIELDS:
        if name not in why and name in made.read:
            data[name] = _moved(seen.read[name], made.read[name], float(data[name]))


def estimates(data: dict[str, Any], seen: Slopes, made: Slopes, why: dict[str, str]) -> list[Estimate]:
    found = []
    for name in FIELDS:
        value = float(data[name])
        if name in why or name not in made.read:
            found.append(kept(name, value, seen.attempts, why.get(name) or f"in the simulation {made.missing[name]}"))
        else:
            low, high = _interval(seen.read[name], made.read[name], value)
            found.append(Estimate(name, value, min(low, value), max(high, value), seen.attempts))
    return found


def _moved(seen: Slope, made: Slope, value: float, by: float = 0.0) -> float:
    """The number with which the simulation, which has the slope `made` with `value`, would have the slope that was seen
    (and `by` more)."""
    return _number(_slope(value, seen.x) + seen.value - made.value + by, seen.x)


def _interval(seen: Slope, made: Slope, value: float) -> tuple[float, float]:
    half = 1.96 * float(np.hypot(seen.error, made.error))
    return _moved(seen, made, value, -half), _moved(seen, made, value, half)


def _slope(number: float, x: np.ndarray[Any, Any]) -> float:
    """That of the logarithm of a rate that is as 1 + number * x, by least squares."""
    off = x - x.mean()
    return float(off @ np.log1p(number * x) / (off @ off))


def _number(slope: float, x: np.ndarray[Any, Any]) -> float:
    """Its inverse, from 0 to LARGEST."""
    low, high = 0.0, LARGEST
    if slope >= _slope(high, x):
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(middle, x) < slope else (low, middle)
    return low
