"""What the command line shows of a simulated market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from experiments.market.known import Finding
from experiments.market.recording import Simulated
from experiments.market.tally import Lot, Summary
from experiments.terminal.report import as_json
from experiments.words import ordinal
from marketplace.mechanisms import MECHANISMS


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


def show_finding(found: Finding) -> None:
    """A known result done again: the claim, the figures, and whether it holds."""
    console = Console()
    console.print(f"{found.claim}\n", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    for column in (found.unit, "found", "95 % interval", "theory", ""):
        table.add_column(column, justify="left" if column == found.unit else "right")
    for row in found.rows:
        theory = "" if row.expected is None else f"{row.expected:.4f}"
        between = f"{row.found.low:.4f} to {row.found.high:.4f}"
        table.add_row(row.name, f"{row.found.value:.4f}", between, theory, _HOLDS[row.holds])
    console.print(table)
    verdict = "It holds here" if found.holds else "Not all of it holds here"
    console.print(f"{verdict}: seed {found.seed}, {found.markets:,} simulated markets.", highlight=False)


def show_names(names: dict[str, str], *, json: bool) -> None:
    """A list of names with what they mean."""
    texts = {name: " ".join(text.split()) for name, text in names.items()}
    if json:
        print(as_json(texts))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, text in texts.items():
        table.add_row(name, text)
    Console().print(table)


def show_mechanisms(*, json: bool) -> None:
    """The mechanisms with their properties."""
    if json:
        print(as_json(MECHANISMS))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    properties = ("truthful", "efficient", "rational", "balanced")
    for column in ("mechanism", "what it does", *properties):
        table.add_column(column)
    for name, known in MECHANISMS.items():
        table.add_row(name, known.about, *("yes" if getattr(known, held) else "-" for held in properties))
    Console().print(table)
    print("rational: a winner is paid at least its bid; balanced: posters pay what winners get (docs/market.md)")


_HOLDS = {True: "holds", False: "fails", None: ""}


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
    balance = "0, as it must" if not summary.imbalance else f"{summary.imbalance:,}, which is wrong"
    below = "none" if not summary.overdrawn else f"{summary.overdrawn:,}"
    yield "money", f"fees {summary.fees:,}, penalties {summary.penalties:,} tokens; all accounts sum to {balance}"
    yield "overdrawn", f"{below} of the accounts"
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
