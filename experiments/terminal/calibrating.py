"""`headcount calibrate` and `headcount backtest`: files and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from agents.models.simulated import profile as profiles
from experiments import plan
from experiments.outcome import named
from experiments.profiles import calibration
from experiments.profiles.backtest import Measured, Prediction, backtest
from experiments.profiles.calibration import Calibration
from experiments.profiles.callfits import Estimate
from experiments.terminal import printing
from experiments.terminal.report import as_json
from experiments.words import money
from tasks import scenario as scenarios
from traces import home, paths
from traces.errors import InputError
from traces.store import Store

FEWEST_RUNS = 100


def calibrate(experiments: Sequence[str], into: Path, base: str, *, runs: int, json: bool) -> None:
    """Fit, write the profile's file, and say what was found. Raises InputError where there is nothing to fit to, or the
    file is there already."""
    if paths.exists(into):
        raise InputError(f"--into: {into} is there already: give another name, or remove it")
    _enough(runs)
    store, parts, ids = Store(), [], []
    for folder in dict.fromkeys(map(home.find_experiment, experiments)):
        parts.append(calibration.evidence(store, folder.id, scenarios.load(plan.read(folder).scenario)))
        ids.append(folder.id)
    fitted = calibration.calibrate(parts, profiles.load(base), into.stem, runs)
    into.write_text(_as_yaml(fitted, ids, base), encoding="utf-8")
    if json:
        print(as_json({"file": str(into), "estimates": fitted.estimates, "sparse": fitted.sparse}))
        return
    _show(fitted)
    scenario = parts[0].scenario.name
    printing.console().print(f"\nUse it: headcount compare {scenario} --model sim:{into}", highlight=False)


def show_backtest(experiment: str, base: str, *, runs: int, json: bool) -> None:
    _enough(runs)
    folder = home.find_experiment(experiment)
    fitted, predictions = backtest(folder, profiles.load(base), runs)
    if json:
        print(as_json({"estimates": fitted.estimates, "predictions": predictions}))
        return
    table = Table(title="Predicted (simulated) against actual", box=None)
    for column in ("team", "success: predicted", "actual (95 % interval)", "error", "tokens", "latency", "cost"):
        table.add_column(column)
    for one in predictions:
        table.add_row(*_row(one))
    console = printing.console()
    console.print(table, highlight=False)
    held = [one for one in predictions if one.held_out]
    error = sum(abs(one.error) for one in held) / len(held)
    agree = sum(one.agrees for one in held)
    console.print(
        f"\nMean error over {len(held)} teams that were not calibrated on: {100 * error:.1f} points; {agree} of "
        f"{len(held)} predictions lie in the actual interval. Calibrated on {fitted.runs} runs of one agent.",
        highlight=False,
    )


def _enough(runs: int) -> None:
    if runs < FEWEST_RUNS:
        raise InputError(f"--runs: {runs} simulated runs are too few to fit to: give {FEWEST_RUNS} or more")


def _row(one: Prediction) -> tuple[str, ...]:
    p, a = one.predicted, one.actual
    name = named(one.team, one.engine) + ("" if one.held_out else " (calibrated on)")
    return (
        name,
        f"{100 * p.success.value:.1f} %",
        f"{100 * a.success.value:.1f} % ({100 * a.success.low:.0f} to {100 * a.success.high:.0f})",
        f"{100 * one.error:+.1f}",
        f"{p.tokens:,.0f} / {a.tokens:,.0f}",
        f"{p.latency_s:.1f} / {a.latency_s:.1f} s",
        _costs(p, a),
    )


def _costs(predicted: Measured, actual: Measured) -> str:
    return f"{money(predicted.cost_usd)} / {money(actual.cost_usd)}"


def _show(fitted: Calibration) -> None:
    table = Table(title=f"Fitted to {fitted.runs} runs of one agent on {fitted.cases} cases", box=None)
    for column in ("number", "value", "95 % interval", "from", ""):
        table.add_column(column)
    for one in fitted.estimates:
        interval = "" if one.kept else f"{one.low:.4g} to {one.high:.4g}"
        table.add_row(one.name, f"{one.value:.4g}", interval, f"{one.n:,}", _remark(one))
    console = printing.console()
    console.print(table, highlight=False)
    observed, simulated = fitted.success
    console.print(f"Success: {100 * observed:.1f} % observed, {100 * simulated:.1f} % by the profile.", highlight=False)
    if fitted.sparse:
        shown = ", ".join(fitted.sparse[:8]) + (" ..." if len(fitted.sparse) > 8 else "")
        console.print(f"Steps tried less than three times: {shown}", highlight=False)


def _remark(one: Estimate) -> str:
    return f"kept: {one.why}" if one.kept else ""


def _as_yaml(fitted: Calibration, experiments: Sequence[str], base: str) -> str:
    """A profile's file; each fitted number with its interval beside it."""
    data: dict[str, Any] = fitted.profile.model_dump(exclude={"name"}, exclude_none=True)
    data["note"] = f"fitted to {fitted.runs} runs of experiment {' and '.join(experiments)}"
    lines = [
        f"# Fitted by: headcount calibrate {' '.join(experiments)} --base {base}",
        f"# {fitted.runs} runs of one agent on {fitted.cases} cases. What is not listed here is the base profile's.",
    ]
    lines += [
        f"#   {one.name}: {one.value:.4g} "
        + (_remark(one) if one.kept else f"({one.low:.4g} to {one.high:.4g}, {one.n} observations)")
        for one in fitted.estimates
    ]
    return "\n".join(lines) + "\n" + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
