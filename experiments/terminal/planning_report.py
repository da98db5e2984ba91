"""A design on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from experiments import words
from experiments.design.planning import Design, Need, Question
from experiments.terminal.report import as_json

BASES = {
    "past": "past runs",
    "other team": "another team's runs",
    "pilot": "simulated pilot",
}


def show(found: Design, *, json: bool) -> None:
    if json:
        print(as_json(found))
        return
    console = Console()
    console.print(f"[bold]{answer(found)}[/bold]", highlight=False)
    console.print(cost(found), highlight=False)
    console.print(_table(found))
    console.print(f"  {found.command}", highlight=False, soft_wrap=True)


def answer(found: Design) -> str:
    """How many trials, in one sentence."""
    asked = f"{100 * found.difference:g} points are seen with {100 * found.wanted:g} % power"
    if found.trials is not None:
        return f"{asked} by {found.trials:,} trials of {_cases(found)}: {found.runs:,} runs in all."
    most = [need.cases for need in found.needs]
    if None in most:
        return f"{asked} by no number of trials of these {found.cases:,} cases, nor by 10,000 cases like them."
    return (
        f"{asked} by no number of trials of these {found.cases:,} cases, which differ too much among themselves: about "
        f"{max(n for n in most if n is not None):,} cases like them with {found.planned:,} trials each would do."
    )


def _cases(found: Design) -> str:
    return f"each of the {found.cases:,} cases" if found.cases > 1 else "the one case"


def cost(found: Design) -> str:
    """What these runs will use, in one line."""
    if found.tokens is None:
        return "What they will cost is not known: a team of this plan has never run."
    mark = " (simulated)" if found.simulated else ""
    runs = f"{found.runs:,} runs" if found.trials is not None else f"{found.runs:,} runs with {found.planned:,} trials"
    parts = [f"{words.count(found.tokens)} tokens", f"{words.money(found.cost_usd)}{mark}"]
    if found.latency_s:
        parts.append(f"{words.seconds(found.latency_s)}{mark} one after the other")
    return f"{runs}: {', '.join(parts)}."


def seen(needs: Sequence[Need], trials: int) -> str:
    """How small a difference so many trials show, and how many would show the one asked for, in words."""
    question = Question()
    smallest = [need.detectable for need in needs]
    if None in smallest:
        shown = "no difference, however large"
    else:
        shown = f"differences of {100 * max(s for s in smallest if s is not None):.0f} points or more"
    enough = [need.trials for need in needs]
    if None in enough:
        more = "no number of trials of these cases shows 5 points: add cases"
    else:
        more = f"5 points take {max(n for n in enough if n is not None):,}"
    whence = ", ".join(dict.fromkeys(BASES[need.basis] for need in needs))
    return f"{trials:,} trials show {shown} ({100 * question.power:g} % power; {more}). Known from: {whence}."


def _table(found: Design) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("team", no_wrap=True)
    for name in ("trials needed", f"power with {found.planned}", f"seen with {found.planned}", "pairs", "known from"):
        table.add_column(name, justify="right")
    for need in found.needs:
        table.add_row(
            need.team,
            "no number" if need.trials is None else f"{need.trials:,}",
            f"{need.power:.0%}",
            "nothing" if need.detectable is None else f"{100 * need.detectable:.1f} points",
            f"{need.spread.pairs:,}",
            BASES[need.basis],
        )
    table.caption = f"each comparison at {found.alpha:.2%} (5 % over {len(found.needs)})"
    return table
