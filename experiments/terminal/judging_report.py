"""A judgement on the terminal, and a comparison as a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from experiments import words
from experiments.judging import htmlreport, ungraded
from experiments.judging.judged import is_foreign
from experiments.judging.judging import Judgement, Pair, again
from experiments.judging.statistics import Difference
from experiments.judging.verdict import UNJUDGED
from experiments.outcome import named
from experiments.terminal import printing, report
from traces import home
from traces.store import Store


def show(found: Judgement, *, json: bool) -> None:
    """The verdict and what it rests on: teams, how they work together, each against one agent, and advice."""
    if json:
        print(report.as_json(found))
        return
    verdict = found.verdict
    if verdict.kind == "nothing_measured":
        report.show_nothing(found.experiment, verdict.text, verdict.reason, verdict.lost)
        return
    console = printing.console()
    mark = "simulated" if found.simulated else "measured"
    colour = "bold red" if verdict.kind in UNJUDGED else "bold"
    console.print(f"[{colour}]{escape(verdict.text)}[/{colour}]", highlight=False)
    for line in filter(None, (verdict.second, verdict.reason)):
        console.print(line, highlight=False, markup=False)
    if verdict.lost and (again := report.again(found.experiment, verdict.lost)):
        console.print(again.strip(), highlight=False)
    if found.ungraded:
        graded = sum(team.trials + team.lost for team in found.teams)
        console.print(f"{found.ungraded:,} of {graded + found.ungraded:,} runs were not graded, and are left out.")
    console.print(_teams(found, mark))
    if found.pairs:
        console.print(_pairs(found))
    console.print(_together(found))
    console.print(_by_kind(found))
    console.print(_times(found, mark))
    console.print(_endings(found))
    advice = found.advice
    console.print(f"Advice: {advice.team or 'none'}: {advice.why.rstrip('.')}.", highlight=False)
    for team, why in advice.excluded.items():
        console.print(f"  not {team}: {why}", highlight=False)


def show_ungraded(experiment: str, *, json: bool) -> bool:
    """What can be told of an experiment in which no run was graded; False where one was, or none is over."""
    folder = home.find_experiment(experiment)
    found = ungraded.teams(Store().team_rows(folder.id), foreign=is_foreign(folder.read_plan()))
    if not found:
        return False
    if json:
        print(report.as_json({"verdict": ungraded.TEXT, "teams": found}))
        return True
    rows = ungraded.table(found)
    table = _table("Teams (means per run)", *rows[0])
    for row in rows:
        table.add_row(*row.values())
    console = printing.console()
    console.print(f"[bold]{ungraded.TEXT}[/bold]", highlight=False)
    console.print(table)
    return True


def _teams(found: Judgement, mark: str) -> Table:
    table = _table(
        f"Teams ({mark})", "team", "runs", "success", "95 % interval", "all of a case's trials", "cost / success"
    )
    for team in found.teams:
        consistent = found.consistency[team.name]
        table.add_row(
            team.name,
            words.answered(team.trials, team.lost),
            f"{team.success:.1%}",
            f"{team.ci_low:.1%} to {team.ci_high:.1%}",
            f"{consistent[-1]:.1%} (pass^{len(consistent)})" if consistent else "-",
            words.money(team.cost_per_success_usd),
        )
    if any(team.lost for team in found.teams):
        table.caption = "of the runs with a result; the others are no failures"
    return table


def _pairs(found: Judgement) -> Table:
    table = _table(
        "Against one agent, in points",
        "team",
        "difference",
        "these cases",
        "p",
        "cases like these",
        "p",
        "no more than",
        "at any time",
        "as good",
    )
    by_name = {(c.team, c.engine): c for c in found.verdict.differences}
    for pair in found.pairs:
        compared = by_name[pair.team, pair.engine]
        table.add_row(
            compared.name,
            "-" if compared.shown is None else f"{100 * compared.shown.value:+.1f}",
            *_interval_and_p(compared.these),
            *_interval_and_p(compared.like_these),
            "-" if compared.like_these is None else f"{100 * compared.like_these.at_most:.1f}",
            f"{100 * pair.at_any_time[0]:+.1f} to {100 * pair.at_any_time[1]:+.1f}",
            _as_good(pair, found.margin),
        )
    table.caption = (
        "95 % intervals; p is Holm's over teams and classes of cases; no more than: what cases like these rule out; at "
        "any time: holds after each whole case, in a fixed order, not for looks while the experiment runs"
    )
    return table


def _interval_and_p(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return "-", "-"
    p = difference.p if difference.p_adjusted is None else difference.p_adjusted
    return f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}", f"{p:.3f}"


def _as_good(pair: Pair, margin: float) -> str:
    return f"within {100 * margin:g}" if pair.equivalent else "not shown"


def _together(found: Judgement) -> Table:
    table = _table(
        "How they work together", "team", "turns", "overhead", "coordination", "redundancy", "errors x", "caught"
    )
    for one in found.measures:
        table.add_row(
            named(one.team, one.engine),
            f"{one.turns:.1f}",
            *_shares((one.overhead, one.coordination, one.redundancy)),
            "-" if one.error_amplification is None else f"{one.error_amplification:.2f}",
            *_shares((one.catch_rate,)),
        )
    table.caption = (
        "errors x: error amplification, above 1 where the team fails more often than one agent (docs/verdict.md)"
    )
    return table


def _by_kind(found: Judgement) -> Table:
    table = _table("Where a team helps, and where it hurts", "kind of case", *(team.name for team in found.teams))
    rows: dict[str, dict[str, str]] = {}
    for one in found.details.kinds:
        d = one.difference
        against = "" if d is None else f" ({100 * d.low:+.0f} to {100 * d.high:+.0f})"
        rows.setdefault(one.kind, {})[one.team] = f"{one.success:.0%}{against}"
    for kind, by_team in rows.items():
        table.add_row(kind, *(by_team.get(team.name, "-") for team in found.teams))
    table.caption = (
        "in brackets: points more than one agent on these cases, 95 % interval, not corrected: a hint, no verdict"
    )
    return table


def _times(found: Judgement, mark: str) -> Table:
    table = _table("Seconds a run", "team", f"median, {mark}", "95 % within", "median, on the wall", "95 % within")
    for one in found.details.times:
        walls = ("-" if wall is None else f"{wall:.3g}" for wall in (one.wall_p50, one.wall_p95))
        table.add_row(one.team, f"{one.p50:.1f}", f"{one.p95:.1f}", *walls)
    return table


def _endings(found: Judgement) -> Table:
    table = _table("How runs ended", "team", "ended by")
    for one in found.details.endings:
        table.add_row(one.team, ", ".join(f"{how} {share:.1%}" for how, share in one.shares.items()))
    table.caption = f"every run of every team could use the same: {found.details.budget}"
    return table


def _shares(values: Iterable[float | None]) -> list[str]:
    return ["-" if value is None else f"{value:.0%}" for value in values]


def _table(title: str, first: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    return table


def write_page(experiment: str, into: Path) -> Judgement:
    """The comparison as one HTML file; what it says. Raises InputError where there is nothing to compare or the file
    cannot be written."""
    folder = home.find_experiment(experiment)
    found = again(folder.id)
    report.write(into, htmlreport.page(Store().experiment(folder.id), found).encode(), "--into")
    return found
