"""The docs' examples run."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from agents import table
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tasks import scenario as scenarios
from traces.store import Store

ROOT = Path(__file__).parent.parent
_FILE = re.compile(r"^`([\w./]+)`\n\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_example_scenario_is_complete_and_the_oracle_solves_it(tmp_path: Path) -> None:
    folder = tmp_path / "tea_shop"
    files = dict(_FILE.findall((ROOT / "docs" / "scenarios.md").read_text()))
    assert {"scenario.yaml", "cases/two_teas.yaml", "documents/returns.md", "world.sql", "tools.py"} == files.keys()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    scenarios.load(str(folder))
    progress = conduct(prepare(Plan(str(folder), tuple(table.TEAMS), model="sim:oracle", trials=1)))
    assert [(o.team, o.success) for o in sorted(progress.outcomes, key=lambda o: o.run)] == [
        (team, True) for team in table.TEAMS
    ]


def test_the_example_team_is_a_team(tmp_path: Path) -> None:
    files = dict(_FILE.findall((ROOT / "docs" / "teams.md").read_text()))
    (tmp_path / "careful.yaml").write_text(files["careful.yaml"])
    team = table.team(str(tmp_path / "careful.yaml"))
    assert [member.role for member in team.settings.people] == ["supervisor", "coder", "reviewer"]


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_only_commands_and_teams_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    import commands.cli

    verbs = set(typer.main.get_command(commands.cli.cli).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"`headcount ([a-z]+)", text)) <= verbs
    for team in table.TEAMS:
        assert f"`{team}`" in text


def test_the_columns_in_the_docs_are_those_that_duckdb_has(tmp_path: Path) -> None:
    import duckdb

    store = Store(tmp_path)
    store.refresh()
    text = (ROOT / "docs" / "traces.md").read_text().partition("### The columns")[2]
    written: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if found := re.match(r"`(\w+)`: ", line):
            view = found[1]
            written[view] = []
        elif found := re.match(r"\| `(\w+)` \| (\S+) \| \S", line):
            written[view].append((found[1], found[2]))
    assert [*written] == ["runs", "events", "messages", "calls", "tools", "retrievals", "market"]
    with duckdb.connect(store.path, read_only=True) as con:  # as DuckDB's own shell opens it
        for view, columns in written.items():
            assert [row[:2] for row in con.execute(f"DESCRIBE {view}").fetchall()] == columns, view


def test_the_queries_of_the_docs_can_be_asked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    queries = re.findall(r'headcount sql "([^"]+)"', (ROOT / "docs" / "sweep.md").read_text())
    assert len(queries) == 3
    for query in queries:
        assert store.sql(query) == []


def test_the_help_says_of_each_verb_what_it_does_in_a_line() -> None:
    import commands.cli

    verbs = typer.main.get_command(commands.cli.cli).commands  # type: ignore[attr-defined]
    shown = {name: verb.get_short_help_str(64) for name, verb in verbs.items() if not verb.hidden}
    assert [name for name, line in shown.items() if line.endswith("...")] == []
