"""What the command line lists: experiments, runs, scenarios, teams, models, and what works here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from experiments import words
from experiments.terminal import printing
from experiments.terminal.report import as_json
from experiments.words import ago, money
from traces.rows import RunRow

# Columns that a narrow terminal wraps; the others, numbers and names to be typed, stay whole.
WORDS = ("scenario", "model", "case", "team", "labels", "changed", "what", "features", "title", "folder", "damage")
STATES = {"ok": "green", "missing": "yellow", "off": "dim", "damaged": "red"}


def show(what: str, *, json: bool) -> None:
    """Print a listing. Raises InputError for what is no kind of thing, no scenario and no experiment."""
    listings = {"experiments": _experiments, "scenarios": _scenarios, "teams": _teams, "models": _models}
    rows = listings[what]() if what in listings else _cases(what) if _is_scenario(what) else _runs(what)
    if json:
        print(as_json(rows))
        return
    if not rows:
        print("Nothing here yet. Start with: headcount compare billing_support")
        return
    if what == "models":
        _show_cards(rows)
        return
    _show_table(rows)


def _show_table(rows: list[dict[str, Any]]) -> None:
    """What differs between rows as a table that fits a narrow terminal; what forks have in common, above it. Commands
    are in the JSON."""
    console, left_out = printing.console(), {"command"}
    for column in ("fork of", "changed"):
        values = {row.get(column) for row in rows}
        if len(values) == 1 and values != {None}:
            console.print(f"{column}: {values.pop()}", highlight=False, markup=False)
            left_out.add(column)
    columns = [
        name for name in rows[0] if name not in left_out and any(row.get(name) not in (None, "") for row in rows)
    ]
    table, told = (
        Table(box=None),
        [["" if row.get(name) is None else str(row[name]) for name in columns] for row in rows],
    )
    for place, name in enumerate(columns):
        texts = [name, *(line[place] for line in told)]
        wraps, widest = name in WORDS, max(map(len, texts))
        table.add_column(name, no_wrap=not wraps, min_width=_least(texts) if wraps else widest)
    for line in told:
        table.add_row(*line)
    printing.whole(console, table)


def _least(texts: list[str]) -> int:
    """How narrow a column that wraps may become: a word of up to 20 characters, a file's name say, stays whole."""
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    return min(20, max(longest, min(12, max(map(len, texts)))))


def _experiments() -> list[dict[str, Any]]:
    from traces.store import Store

    store = Store()
    rows, broken_off = store.experiments(), store.broken_off()
    return [
        {
            "experiment": row.id,
            "scenario": row.scenario,
            "model": words.model(row.plan),
            "state": row.state,
            "runs": f"{row.done}/{row.total}",
            "broke off": broken_off.get(row.id),
            "when": ago(row.created),
            "command": row.command,
            "damage": "; ".join(row.damage),
        }
        for row in rows
    ]


def _runs(name: str) -> list[dict[str, Any]]:
    from experiments import damage
    from traces import home
    from traces.labels import Labels
    from traces.store import Store

    folder = home.find_experiment(name)
    rows = Store().runs(folder.id)
    said: dict[int, list[str]] = {}
    for one in Labels().of(folder.id):
        said.setdefault(one.run, []).append(one.name)
    damage.tell(folder)
    return [
        {
            "run": row.run,
            "case": row.case_id,
            "team": row.team,
            "trial": row.trial,
            "status": row.status,
            "success": row.success,
            "tokens": row.tokens,
            "tokens_origin": row.tokens_origin,
            "cost": money(row.cost_usd),
            "latency_s": round(row.latency_s, 2),
            "messages": row.messages,
        }
        | _origin(row)
        | ({"labels": ", ".join(dict.fromkeys(said.get(row.run, ()))) or None} if said else {})
        for row in rows
    ]


def _origin(row: RunRow) -> dict[str, Any]:
    if row.parent_experiment is None:
        return {}
    return {"fork of": f"{row.parent_experiment} {row.parent_run} at {row.parent_step}", "changed": row.changes}


def _scenarios() -> list[dict[str, Any]]:
    from tasks import scenario

    found = [scenario.load(name) for name in scenario.shipped()]
    return [{"scenario": s.name, "cases": len(s.cases), "title": s.file.title, "folder": str(s.folder)} for s in found]


def _is_scenario(what: str) -> bool:
    from tasks import scenario

    return what in scenario.shipped() or Path(what, "scenario.yaml").is_file()


def _cases(name: str) -> list[dict[str, Any]]:
    from tasks import scenario

    return [
        {"case": case.id, "difficulty": case.difficulty, "features": ", ".join(case.kinds), "title": case.title}
        for case in scenario.load(name).cases
    ]


def _teams() -> list[dict[str, Any]]:
    from agents import table

    return [{"team": name, "what": table.team(name).settings.about} for name in (*table.TEAMS, *table.ELSEWHERE)]


def _models() -> list[dict[str, Any]]:
    """Cards: what is known of each model; empty is unknown."""
    from experiments import modelcards

    return [modelcards.row(model) for model in modelcards.offered()]


def _show_cards(rows: list[dict[str, Any]]) -> None:
    """Each model with what it is, and below it what is known of it."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    for row in rows:
        name, what, *card = row.items()
        known = [f"{column}: {value}" for column, value in card if value is not None]
        about = f"{what[1]}\n{' · '.join(known) or 'nothing is known of it'}"
        table.add_row(escape(name[1]), escape(about))
    printing.console().print(table, highlight=False)


def show_doctor(*, deep: bool, json: bool) -> None:
    from experiments import doctor

    checks = doctor.checks(deep=deep)
    if json:
        print(as_json(checks))
        return
    table = Table(box=None, show_header=False)
    for check in checks:
        row = msgspec.structs.asdict(check)
        table.add_row(row["name"], f"[{STATES.get(row['state'], '')}]{row['state']}", row["detail"], row["how"])
    printing.console().print(table)
