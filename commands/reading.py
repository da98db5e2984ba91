"""Reading traces: queries, and finding events."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.options import Json
from traces.errors import InputError

cli = typer.Typer()

TABLE = 1000
"""Rows that anybody reads of a printed table."""


@cli.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="A query over runs, events, messages, calls, tools, retrievals, market.")
    ],
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows, at most (default: all; of a printed table the first 1,000).")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="A file for all rows: .parquet, .csv or .json.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    json: Json = False,
) -> None:
    """Ask the index in SQL (DuckDB's); nothing can be changed."""
    from experiments.reading import querying
    from traces.store import Store

    if sum((csv, json, into is not None)) > 1:
        raise InputError("--csv, --json and --into: give one of them")
    if into is not None:
        if limit is not None:
            raise InputError("--limit: a file holds all rows; write LIMIT into the query")
        print(f"{into}: {querying.write(Store(), query, into):,} rows")
        return
    asked = limit if limit is not None or csv or json else TABLE
    store = Store()
    rows = store.sql(query, None if asked is None else asked + 1)
    for error in store.left_out.values():
        print(f"headcount: left out: {error}", file=sys.stderr)
    _print(rows[:asked], csv=csv, json=json)
    if asked is not None and len(rows) > asked:
        print(f"The first {asked:,} rows; there are more: --limit N, or --into FILE for all.", file=sys.stderr)


@cli.command()
def search(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    text: Annotated[str, typer.Option(help="What stands somewhere in the event, case aside.")] = "",
    agent: Annotated[str, typer.Option(help="Who did it.")] = "",
    kind: Annotated[str, typer.Option(help="What it is: chat, execute_tool, message, bid, ...")] = "",
    min_cost: Annotated[float | None, typer.Option(help="Model calls of at least so many dollars.")] = None,
    team: Annotated[str, typer.Option(help="Only runs of this team.")] = "",
    case: Annotated[str, typer.Option(help="Only runs on this case.")] = "",
    success: Annotated[bool | None, typer.Option("--success/--failure", help="Only runs that ended so.")] = None,
    label: Annotated[
        str, typer.Option(help="Only what this was said about in Replay: a label, `thumb up`, `thumb down`, `comment`.")
    ] = "",
    limit: Annotated[int, typer.Option(help="Events, at most.")] = 50,
    json: Json = False,
) -> None:
    """Find events of an experiment that is over."""
    from experiments.reading import search as searching
    from traces import home
    from traces.store import Store

    wanted = searching.Wanted(text, agent, kind, min_cost, team, case, success, label)
    rows = searching.search(Store(), home.find_experiment(experiment).id, wanted, limit)
    _print(rows, csv=False, json=json)


@cli.command()
def diff(
    experiment: Annotated[str, typer.Argument(help="The left run's experiment: an id, a part of one, or `latest`.")],
    run: Annotated[int, typer.Argument(help="The left run's number.")],
    others: Annotated[list[str], typer.Argument(help="The right run: [EXPERIMENT] RUN.")],
    json: Json = False,
) -> None:
    """Show two runs side by side, and where they part. Aligned by what they do, with what that changed."""
    from experiments.forks import diff as diffing
    from traces import home
    from traces.store import Store

    if len(others) > 2 or not others[-1].isdigit():
        raise InputError("headcount diff EXPERIMENT RUN [EXPERIMENT] RUN: the right run is a number")
    ids = [home.find_experiment(name).id for name in (experiment, others[0] if len(others) == 2 else experiment)]
    sides = list(zip(ids, (run, int(others[-1])), strict=True))
    store = Store()
    left, right = (store.events(name, number) for name, number in sides)
    rows = diffing.aligned(left, right)
    changed = diffing.changes(*(store.run(name, number) for name, number in sides))
    first = diffing.first_divergence(rows)
    table = [
        {
            "": ">" if number == first else "",
            "what": row.mark,
            "left": diffing.line(row.left),
            "right": diffing.line(row.right),
        }
        for number, row in enumerate(rows)
    ]
    figures = [{"": c.name, "left": c.left, "right": c.right} for c in changed]
    if json:
        import json as encoding

        print(encoding.dumps({"first_divergence": first, "rows": table, "changes": figures}, indent=2))
        return
    _print(table, csv=False, json=False)
    _print(figures, csv=False, json=False)


def _print(rows: list[dict[str, Any]], *, csv: bool, json: bool) -> None:
    if json:
        import json as encoding

        print(encoding.dumps(rows, indent=2, default=str))
    elif csv:
        from experiments.reading.search import as_csv

        print(as_csv(rows), end="")
    elif rows:
        from experiments.terminal.printing import show_rows

        show_rows(rows)
    else:
        print("nothing found")
