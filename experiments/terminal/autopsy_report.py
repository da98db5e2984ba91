"""Autopsies on the command line: one run, an experiment's failures by team, and how good the labels are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.failures import autopsy as autopsies
from experiments.failures.autopsy import Autopsy, TeamFailures, short, title
from experiments.failures.autopsy_score import Score, Share, score
from experiments.judging import missing
from experiments.outcome import Outcome
from experiments.terminal import printing
from experiments.terminal.report import as_json
from traces import home
from traces.errors import InputError
from traces.store import Store

PARTS = {
    "introduced": "introduced it",
    "passed_on": "passed it on",
    "saw": "was told the wrong value",
    "let_through": "reviewed wrong work and let it through",
    "caught": "reviewed wrong work and objected",
}


def show_run(experiment: str, run: int, *, json: bool) -> None:
    """Print one run's autopsy. Raises InputError where there is no such run, or no reference solution for it."""
    folder = home.find_experiment(experiment)
    found = autopsies.of_run(folder, run)
    if json:
        print(as_json(_as_data(found) if found is not None else None))
    elif found is None:
        print(f"run {run} of {folder.id} was not graded a failure: there is nothing to explain")
    else:
        _print_run(found, folder.id)


def _as_data(one: Autopsy) -> dict[str, Any]:
    from msgspec import to_builtins

    return {**to_builtins(one), "label": one.label, "title": title(one.label)}


def _print_run(one: Autopsy, experiment: str) -> None:
    console = printing.console(highlight=False)
    broke_off = one.ended.startswith("failed")
    how = "broke off" if broke_off else "failed"
    console.print(f"run {one.run} of {experiment}: {one.team} on {one.case}, {how}\n", markup=False)
    if broke_off:
        console.print(f"The run broke off: {one.ended.partition(': ')[2]}", markup=False)
        console.print("It gave no answer, so no agent is to blame, and no verdict counts it as a failure.")
        return
    if one.ended:
        console.print(f"It ended before its team was done: {one.ended}", markup=False)
    if one.decisive is None:
        console.print(f"The rules find no error {'of an agent before that' if one.ended else 'that explains it'}.")
        return
    error = one.decisive
    console.print(f"Decisive: step {error.seq}, {error.agent}: {title(one.label)}", markup=False)
    console.print(f"  {error.detail}" + (f" (reference step {error.step})" if error.step else ""), markup=False)
    for link in one.chain:
        console.print(f"  step {link.seq:>4}  {link.agent} {PARTS[link.part]}", markup=False)
    others = [e for e in one.errors if e is not error]
    if others:
        console.print("\nOther errors:")
    for other in others:
        console.print(f"  step {other.seq:>4}  {other.agent}: {title(other.label)}: {other.detail}", markup=False)
    console.print(f"\nheadcount replay {experiment} {one.run} --step {error.seq}", markup=False)


def show_experiment(experiment: str, *, json: bool) -> None:
    """Print why an experiment's runs failed, by team. Raises InputError where its scenario is not here."""
    folder, store = home.find_experiment(experiment), Store()
    graded = Counter((r.team, r.engine) for r in store.team_rows(folder.id) if r.success is not None)
    found = list(autopsies.of_experiment(folder, store))
    teams = autopsies.by_team(found)
    if json:
        print(as_json({"experiment": folder.id, "teams": teams, "runs": [_as_data(one) for one in found]}))
        return
    lost = missing.losses(map(Outcome.of_row, store.team_rows(folder.id)))
    if without := missing.in_total(lost):
        print(f"{without} and are not explained here, since they have no result: {'; '.join(missing.by_team(lost))}")
    if not found:
        print(f"no run of {folder.id} was graded a failure: there is nothing to explain")
        return
    console = printing.console(highlight=False)
    console.print(_labels(teams, graded))
    console.print(_people(teams))
    if any("careless" in team.labels or "repeats" in team.labels for team in teams):
        console.print(f"{title('careless')}\n{title('repeats')}: classes of modes that leave the same trace\n")
    console.print(f"headcount autopsy {folder.id} RUN has one run: {_some(found)}", markup=False)


def _some(found: list[Autopsy]) -> str:
    shown = ", ".join(str(one.run) for one in found[:8])
    return shown if len(found) <= 8 else f"{shown}, ... ({len(found)} failed)"


def _labels(teams: list[TeamFailures], graded: Counter[tuple[str, str]]) -> Table:
    table = _table("Decisive errors: runs of each team", "", *(team.name for team in teams))
    total: Counter[str] = Counter()
    for team in teams:
        total.update(team.labels)
    for label, _ in total.most_common():
        table.add_row(short(label), *(str(team.labels.get(label, "")) for team in teams))
    table.add_section()
    table.add_row("failed", *(f"{t.failed} of {graded[t.team, t.engine]}" for t in teams))
    return table


def _people(teams: list[TeamFailures]) -> Table:
    table = _table(
        "Who, in failed runs", "team", "introduced by", "passed on", "shown to a reviewer", "caught, in vain"
    )
    for team in teams:
        roles = ", ".join(f"{role} {n}" for role, n in team.agents.items())
        passed, shown = (f"{n} of {team.failed}" for n in (team.passed_on, team.shown))
        table.add_row(team.name, roles, passed, shown, f"{team.caught} of {team.shown}")
    return table


def show_score(experiment: str, *, json: bool) -> None:
    """Print the labels beside the true ones. Raises InputError for an experiment without simulated failures."""
    folder, store = home.find_experiment(experiment), Store()
    if not any(row.simulated for row in store.team_rows(folder.id)):
        raise InputError(f"experiment {folder.id}: errors of real models carry no true label to score against")
    found = score(autopsies.with_records(folder, store))
    if json:
        confusion = [{"true": true, "label": label, "calls": n} for (true, label), n in found.confusion.items()]
        print(as_json({**_plain(found), "confusion": confusion}))
        return
    console = printing.console(highlight=False)
    console.print(f"{folder.id}: {found.runs} failed runs (simulated)\n", markup=False)
    console.print(_shares("Recall", "true mode", "errors", found.recall))
    console.print(_shares("Precision", "label", "given", found.precision))
    console.print(_confusion(found))
    for what, value in (
        ("failed runs with a decisive error", found.explained),
        ("decisive errors at a call with a true error", found.located),
        ("decisive errors with the right label", found.decisive),
    ):
        console.print(f"{what}: {_in_words(value)}", markup=False)


def _plain(found: Score) -> dict[str, Any]:
    from msgspec import structs

    return {name: value for name, value in structs.asdict(found).items() if name != "confusion"}


def _shares(heading: str, what: str, count: str, shares: dict[str, Share]) -> Table:
    table = _table(heading, what, count, heading.lower(), "95 % interval")
    for name, value in shares.items():
        table.add_row(short(name), str(value.whole), f"{value.value:.1%}", f"{value.low:.0%} to {value.high:.0%}")
    return table


def _confusion(found: Score) -> Table:
    table = _table("Confusion", "true mode", "label", "model calls")
    for (mode, label), calls in found.confusion.items():
        table.add_row(short(mode), short(label), str(calls))
    return table


def _in_words(value: Share) -> str:
    if value.value is None:
        return "none"
    return f"{value.value:.1%} ({value.part} of {value.whole}; 95 % {value.low:.0%} to {value.high:.0%})"


def _table(heading: str, *columns: str) -> Table:
    table = Table(title=heading, title_justify="left", title_style="bold", box=box.SIMPLE)
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if number == 0 else "right", no_wrap=number == 0)
    return table
