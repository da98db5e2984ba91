"""What the command line shows of an experiment: progress, the comparison, a run step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from experiments import damage, words
from experiments.judging import frameworks, missing
from experiments.judging.answering import Compared
from experiments.judging.frameworks import Framework
from experiments.judging.judged import verdict_on, with_cut_off
from experiments.judging.missing import Lost
from experiments.judging.summaries import TeamSummary, summarise
from experiments.judging.verdict import UNJUDGED
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.reading.steps import describe, headline
from experiments.running import conduct
from experiments.terminal import printing
from experiments.words import money
from traces import home
from traces.errors import InputError
from traces.home import ExperimentFolder, experiment_folder, write_atomically, writing
from traces.kernel import NANO, Chat, Record
from traces.store import Store


@contextmanager
def progress_bar(folder: ExperimentFolder) -> Iterator[Callable[[conduct.Progress], None]]:
    """A bar on stderr: runs done, and how many succeeded so far, by team."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{folder.id}", total=None)

        def watch(progress: conduct.Progress) -> None:
            tally: dict[str, list[bool]] = {}
            for outcome in progress.outcomes:
                if not outcome.lost:
                    tally.setdefault(outcome.name, []).append(outcome.success)
            so_far = ", ".join(f"{team} {sum(won)}/{len(won)}" for team, won in sorted(tally.items()))
            lost = missing.in_total(missing.losses(progress.outcomes))
            so_far = f"{so_far} [red]{lost}[/red]" if lost else so_far
            bar.update(task, total=progress.total, completed=progress.done, description=so_far or "starting")

        yield watch


class Result(msgspec.Struct, frozen=True):
    """What `headcount compare` answers. `tokens`, `cost_usd`, `latency_s` and `messages` of a team are means per run
    with a result; `failed` counts runs without one, `lost` says of which teams and why; `digest` is of all
    events apart from wall times. Where `verdict_kind` is nothing_measured there are no teams.
    `verdict` answers for these cases or for cases like these, `second` says what it comes to for the other."""

    experiment: str
    digest: str
    verdict: str
    verdict_kind: str
    reason: str
    simulated: bool
    teams: list[TeamSummary]
    differences: tuple[Compared, ...]
    frameworks: list[Framework]
    failed: int
    first_error: str
    lost: tuple[Lost, ...] = ()
    second: str = ""


def result(folder: ExperimentFolder, done: Sequence[Outcome], digest: str, simulated: bool) -> Result:
    """`done`: the runs that came to an end; those that were cut off on the way are looked up."""
    experiment, recorded = folder.id, folder.read_plan()
    outcomes = with_cut_off(recorded, done, Store().team_rows(experiment))
    judged = verdict_on(recorded, outcomes)
    measured = judged.kind != "nothing_measured"
    return Result(
        experiment,
        digest,
        judged.text,
        judged.kind,
        judged.reason,
        simulated,
        summarise(outcomes) if measured else [],
        judged.differences,
        frameworks.compare(outcomes) if measured else [],
        sum(outcome.lost for outcome in outcomes),
        judged.first_error,
        judged.lost,
        judged.second,
    )


def write(path: Path, data: bytes, option: str) -> None:
    """A file that the user named with `option`. Raises InputError where it cannot be written."""
    with writing(f"{option}: {path}"):
        write_atomically(path, data)


def as_json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def show(found: Result, plan: Plan) -> None:
    """The comparison table, the verdict, and where to go from here."""
    console = printing.console()
    if found.verdict_kind == "nothing_measured":
        show_nothing(found.experiment, found.verdict, found.reason, found.lost)
        return
    console.print(_teams_table(found, plan))
    colour = "bold red" if found.verdict_kind in UNJUDGED else "bold"
    console.print(f"\n[{colour}]{escape(found.verdict)}[/{colour}]", highlight=False)
    for line in filter(None, (found.second, found.reason)):
        console.print(line, highlight=False, markup=False)
    if found.frameworks:
        console.print("\nWhat the framework costs:")
    for framework in found.frameworks:
        console.print(frameworks.in_words(framework), highlight=False)
    if found.failed:
        console.print(f"\n[red]{missing.in_total(found.lost)}.[/red] The first error:", highlight=False)
        console.print(found.first_error, markup=False, highlight=False)
        console.print(again(found.experiment, found.lost), highlight=False)
    console.print(
        f"\nEvery message is open to replay: headcount replay {found.experiment} 0"
        "\nIn the app (compare, replay, launch):  make app, or: headcount app",
        highlight=False,
    )
    if found.simulated:
        console.print(
            "With a real model: --model local (a small one that runs here), --model openai/gpt-4o-mini (with its key "
            "in the environment),\nor --model hosted_vllm/NAME --api-base http://HOST:8000/v1 for your own GPU "
            "server. `headcount doctor` says what works here.",
            highlight=False,
        )


def _teams_table(found: Result, plan: Plan) -> Table:
    kind = "simulated" if found.simulated else "measured"
    table = Table(
        title=f"{plan.scenario} on {plan.model} ({kind})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.pad_edge = False
    table.add_column("team", no_wrap=True)
    for name in ("runs", "success", "95 % interval", "tokens", "cost", "latency", "messages"):
        table.add_column(name, justify="right", no_wrap=True)
    for team in found.teams:
        table.add_row(
            team.name,
            words.answered(team.trials, team.lost),
            f"{team.success:.1%}",
            f"{100 * team.ci_low:.0f} to {100 * team.ci_high:.0f} %",
            words.tokens(team.tokens, team.tokens_origin),
            money(team.cost_usd),
            f"{team.latency_s:.1f} s",
            f"{team.messages:.1f}",
        )
    lost = any(team.lost for team in found.teams)
    only = "; success and means are of the runs with a result" if lost else ""
    table.caption = f"tokens, cost, latency and messages: mean per run{only}"
    return table


def show_nothing(experiment: str, text: str, reason: str, lost: Sequence[Lost]) -> None:
    """That nothing was measured, why, and what to do."""
    console = printing.console()
    console.print(f"[bold red]{escape(text)}[/bold red]", highlight=False)
    console.print(f"[red]{escape(reason)}[/red]", highlight=False)
    if len({error for one in lost for error in one.errors}) > 1:
        for line in missing.by_team(lost):
            console.print(f"  {line}", markup=False, highlight=False)
    console.print(again(experiment, lost), highlight=False)


def again(experiment: str, lost: Sequence[Lost]) -> str:
    """How lost runs are done again; "" for runs from elsewhere, which cannot be."""
    if home.find_experiment(experiment).read_plan().get("imported"):
        return ""
    return f"\nWhen the cause is mended: {missing.once_more(experiment, lost)}"


def show_run(experiment: str, outcome: Outcome, *, json: bool) -> None:
    """One run: its answer, what the grader saw, what it cost."""
    row = Store().run(experiment, outcome.run)
    if json:
        print(as_json(row))
        return
    console = printing.console()
    if outcome.lost and outcome.status != "ungraded":
        console.print("[bold red]Nothing was measured: the run broke off.[/bold red]", highlight=False)
        console.print(f"[red]{escape(missing.short(outcome.why_lost))}[/red]", highlight=False)
        console.print(f"\nStep by step: headcount replay {experiment} {outcome.run}", highlight=False)
        return
    console.print(f"[bold]{row.case_id}[/bold] · {row.team} · {row.model}", highlight=False)
    console.print(row.answer or "(no answer)", markup=False, highlight=False)
    console.print()
    for record in Store().events(experiment, outcome.run):
        if type(record.event).__name__ == "Evaluated":
            console.print("\n".join(describe(record)), markup=False, highlight=False)
    spent = f"{words.tokens(row.tokens, row.tokens_origin)} tokens, {money(row.cost_usd)}, {row.latency_s:.1f} s"
    kind = "simulated" if row.simulated else "measured"
    console.print(f"{row.status} ({row.ended_by}) · {spent} ({kind}) · {row.messages} messages", highlight=False)
    console.print(f"\nStep by step: headcount replay {experiment} {outcome.run}", highlight=False)


def show_steps(experiment: str, run: int, step: int | None, *, json: bool) -> None:
    """A run's events, a line each, or one of them in full."""
    records = Store().events(experiment, run)
    damage.tell(experiment_folder(experiment))
    if not records:
        raise InputError(f"experiment {experiment} has no run {run}; `headcount list {experiment}` shows them")
    if step is not None:
        if not 0 <= step < len(records):
            raise InputError(f"run {run} has steps 0 to {len(records) - 1}, not {step}")
        shown = records[step : step + 1]
    else:
        shown = records
    if json:
        print(as_json(shown))
        return
    console = printing.console()
    if step is not None:
        console.print("\n".join(describe(shown[0], records)), markup=False, highlight=False)
        return
    spent: int | None = 0
    for record in records:
        spent = added(spent, record)
        so_far = money(None if spent is None else spent / NANO)
        console.print(
            f"{record.seq:4d} {record.t:8.2f}s {so_far:>10}  {headline(record)}",
            markup=False,
            highlight=False,
            overflow="ellipsis",
            no_wrap=True,
        )
    console.print(f"\nOne step in full: headcount replay {experiment} {run} --step N", highlight=False)


def added(spent: int | None, record: Record) -> int | None:
    """What was spent so far, in nano-dollars; unknown once a call's price is."""
    if not isinstance(record.event, Chat):
        return spent
    cost = record.event.usage.cost_nano_usd
    return None if spent is None or cost is None else spent + cost
