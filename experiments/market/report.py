"""What the command line shows of a simulated market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from experiments.market.recording import Simulated
from experiments.market.tally import Lot, Summary
from experiments.words import ordinal


@contextmanager
def progress_bar(jobs: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr: jobs that have ended."""
    columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("jobs", total=jobs)
        yield lambda ended: bar.update(task, completed=ended)
        bar.update(task, completed=jobs)


def show(found: Simulated) -> None:
    """The summary, how each strategy fared, and where to go from here."""
    console, summary = Console(), found.summary
    console.print(
        f"{summary.tasks:,} jobs, {summary.agents:,} simulated bidders, {summary.mechanism}, seed {summary.seed} "
        f"({found.wall_s:,.0f} s here, {summary.seconds:,.0f} s simulated)\n",
        highlight=False,
    )
    for name, text in _lines(summary):
        console.print(f"  {name:<12} {text}", highlight=False)
    console.print()
    console.print(_strategies(summary))
    console.print(
        "early, late: the share of all awards, in the first and the last tenth of the jobs; profit: tokens each\n"
        f"\nRecorded: every {ordinal(found.every)} job whole, {found.events:,} events. All figures are simulated.\n"
        f"headcount replay {found.experiment} 0",
        highlight=False,
    )


def _lines(summary: Summary) -> Iterator[tuple[str, str]]:
    failures = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in summary.failures.items()) or "none"
    yield "settled", f"{summary.settled:,} of {summary.tasks:,}; {summary.given_up:,} given up after their last try"
    yield "failures", f"{_percent(summary.failure_rate)} of awards: {failures}; {summary.unanswered:,} calls in vain"
    yield "welfare", f"{summary.welfare_per_job:,.0f} tokens a job"
    yield "efficiency", f"{_percent(summary.efficiency)} of what the best assignment among those asked would reach"
    yield (
        "price",
        f"{_percent(summary.price)} of the reserve in the mean, {_percent(summary.price_median)} in the median",
    )
    yield "idle", f"{_percent(summary.idle)} of the bidders' time"
    yield "earnings", f"Gini {summary.gini:.2f}, Herfindahl-Hirschman {summary.hhi:.4f}"


def _strategies(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("strategy", "bidders", "awards", "early", "late", "accepted", "profit", "reputation"):
        table.add_column(column, justify="left" if column == "strategy" else "right", no_wrap=True)
    for name, lot in summary.strategies.items():
        table.add_row(name, *_cells(lot))
    return table


def _cells(lot: Lot) -> tuple[str, ...]:
    shares = (_percent(value) for value in (lot.early, lot.late, lot.accepted))
    reputation = "" if lot.reputation is None else f"{lot.reputation:.2f}"
    return (f"{lot.traders:,}", f"{lot.awards:,}", *shares, f"{lot.profit:,.0f}", reputation)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
