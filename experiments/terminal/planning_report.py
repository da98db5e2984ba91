"""A design on the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from experiments import words
from experiments.design.planning import Design
from experiments.judging.answering import OVERALL
from experiments.terminal import printing
from experiments.terminal.report import as_json

BASES = {
    "past": "past runs",
    "other team": "another team's runs",
    "pilot": "a simulated pilot",
}
FAR = 0.9  # of the wanted power: with less than that, more cases are proposed first
LARGEST = 5_000  # runs of a pilot that is proposed


def show(found: Design, *, json: bool) -> None:
    if json:
        print(as_json(found))
        return
    console = printing.console(highlight=False)
    console.print(f"[bold]{answer(found)}[/bold]")
    console.print(no_better(found))
    console.print(leeway(found))
    console.print(cost(found))
    console.print(_table(found))
    console.print(f"  {found.command}", soft_wrap=True)


def answer(found: Design) -> str:
    """What to run, in a sentence or two."""
    points, wanted = f"{100 * found.difference:g} points", f"{100 * found.wanted:g} % power"
    if found.trials is None:
        return f"{_no_number(found, points, wanted)} {_more_cases(found, 'Add cases')}."
    run, power = f"{_trials(found.trials)} of {_cases(found)}, {found.runs:,} runs in all", f"{100 * found.power:.0f} %"
    if found.power >= FAR * found.wanted or found.cases_runs is None:
        return f"Run {run}: {points} are then seen with {power} power{_about(found)}."
    return (
        f"{_more_cases(found, 'Add cases')}, show {points} with {wanted}. These alone may not be enough, however often "
        f"they run: {run}, have {power}."
    )


def _about(found: Design) -> str:
    if found.about == "these":
        return f", for {'this case' if found.cases == 1 else f'these {found.cases:,} cases'} alone"
    return " for cases like these"


def _no_number(found: Design, points: str, wanted: str) -> str:
    these = "this one case" if found.cases == 1 else f"these {found.cases:,} cases"
    said = f"No number of trials of {these} shows {points} with {wanted}{_about(found)}:"
    if found.cases < found.least_for_worth:
        return f"{said} that takes {found.least_for_worth} cases at least (or --exhaustive, for these alone)."
    return f"{said} they are too few, or differ too much among themselves (--exhaustive asks about these alone)."


def no_better(found: Design) -> str:
    """How surely a team that is no better is shown not to be."""
    margin = f"{100 * found.difference:g} points"
    if found.cases < found.least_for_enough:
        return (
            f"That no team is better by {margin} takes {found.least_for_enough:,} cases at least, for cases like these."
        )
    trials = found.trials or found.planned
    return f"A team that is no better is shown not to be {margin} better with {found.enough:.0%} ({_trials(trials)})."


def leeway(found: Design) -> str:
    """How far the number of trials is known, and what to do about it."""
    whence = " and ".join(dict.fromkeys(BASES[need.basis] for need in found.needs))
    if found.trials is None or found.least == found.most:
        said = [f"Known from {whence}."]
    else:
        most = "or no number" if found.most is None else f"or {found.most:,} be needed"
        said = [f"As few as {_trials(found.least or 1)} may be enough, {most}: {whence} cannot tell."]
    return " ".join(said + _next(found, any(need.basis != "pilot" for need in found.needs)))


def _next(found: Design, past: bool) -> list[str]:
    said = []
    far = found.trials is not None and (found.most is None or found.most > 2 * found.trials)
    if far and found.cases_runs is not None and found.cases_runs < found.runs and found.power >= FAR * found.wanted:
        said.append(f"{_more_cases(found, 'More cases take fewer runs')}.")
    larger = 5 * found.groups * min(need.spread.pairs for need in found.needs)
    if not past and not found.simulated:
        said.append(f"After a first experiment on {found.model} ask again: it tells more.")
    elif far and past:
        said.append("After these runs ask again: they tell more.")
    elif far and larger <= LARGEST:
        said.append(f"A larger pilot tells more: headcount plan --pilot {larger}.")
    return said


def _more_cases(found: Design, why: str) -> str:
    """The other way to see more, which always helps."""
    if found.cases_runs is None:
        return f"{why}: more than 10,000 like these"
    runs = f"{found.cases_runs:,} runs in all"
    if found.cost_usd is not None:
        runs += f" for {words.money(found.cost_usd / found.runs * found.cases_runs)}{_mark(found)}"
    return f"{why}: {found.cases_needed:,} like these with {_trials(found.planned)} each, {runs}"


def _mark(found: Design) -> str:
    return " (simulated)" if found.simulated else ""


def _trials(number: int) -> str:
    return f"{number:,} trial{'s' if number > 1 else ''}"


def _cases(found: Design) -> str:
    return f"each of the {found.cases:,} cases" if found.cases > 1 else "the one case"


def cost(found: Design) -> str:
    """What these runs will use, in one line."""
    if found.tokens is None:
        return "What they will cost is not known: a team of this plan has never run."
    mark = _mark(found)
    runs = f"{found.runs:,} runs" if found.trials is not None else f"{found.runs:,} runs with {found.planned:,} trials"
    price = "cost unknown" if found.cost_usd is None else f"{words.money(found.cost_usd)}{mark}"
    parts = [f"{words.count(found.tokens)} tokens", price]
    if found.latency_s:
        parts.append(f"{words.seconds(found.latency_s)}{mark} one after the other")
    return f"{runs}: {', '.join(parts)}."


def seen(found: Design) -> str:
    """How small a difference the trials that are planned show, in words."""
    smallest = [need.detectable for need in found.needs]
    if None in smallest:
        shown = "no difference, however large"
    else:
        shown = f"differences of {100 * max(s for s in smallest if s is not None):.0f} points or more"
    return f"{_trials(found.planned)} show {shown} with {100 * found.wanted:g} % power."


def _table(found: Design) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("team", no_wrap=True)
    for name in (
        "trials",
        "range",
        f"power with {found.planned}",
        f"seen with {found.planned}",
        "pairs",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for need in found.needs:
        table.add_row(
            need.team,
            _number(need.trials),
            "" if need.least == need.most else f"{_number(need.least)} to {_number(need.most)}",
            f"{need.power:.0%}",
            "nothing" if need.detectable is None else f"{100 * need.detectable:.1f} points",
            f"{need.spread.pairs:,}",
        )
    table.caption = f"each comparison at {found.alpha:.2%}: {OVERALL:.0%} of the 5 % over {len(found.needs)}"
    return table


def _number(trials: int | None) -> str:
    return "none" if trials is None else f"{trials:,}"
