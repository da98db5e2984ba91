"""Asking the index on the command line: SQL, and finding events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests import cli
from tests.trials import profile, puzzle
from traces.store import Store


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    scenario = str(puzzle(tmp_path / "puzzle", subtasks=2, cases=2))
    model = profile(tmp_path / "model.yaml")
    folder = prepare(Plan(scenario, ("solo", "supervisor"), model=model, trials=1, workers=1))
    conduct(folder)
    return folder.id


def test_sql_answers_as_table_json_and_csv(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT team, count(*) AS n FROM runs GROUP BY team ORDER BY team"
    assert json.loads(cli.said(capsys, "sql", query, "--json")[1]) == [
        {"team": "solo", "n": 2},
        {"team": "supervisor", "n": 2},
    ]
    assert cli.said(capsys, "sql", query, "--csv")[1] == "team,n\nsolo,2\nsupervisor,2\n"
    assert "supervisor" in cli.said(capsys, "sql", query)[1]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM events",
        "DROP VIEW calls",
        "ATTACH 'other.duckdb'",
        "COPY runs TO 'stolen.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT 1; DELETE FROM events",
        "SET enable_external_access = true",
        " ; ",
        "/* nothing */",
    ],
)
def test_sql_changes_nothing_and_reads_nothing_else(
    experiment: str, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Store().sql("SELECT count(*) AS n FROM events")
    code, out, err = cli.said(capsys, "sql", query)
    assert code != 0
    assert out == ""
    assert err.startswith("headcount: ")
    assert Store().sql("SELECT count(*) AS n FROM events") == before


def test_bad_sql_says_where(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cli.said(capsys, "sql", "SELECT nothing_such FROM runs")
    assert code != 0
    assert "nothing_such" in err
    assert "LINE 1" in err
    assert "Traceback" not in err


def test_events_are_found_by_what_they_are(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(cli.said(capsys, "search", experiment, "--kind", "chat", "--min-cost", "0.0000001", "--json")[1])
    calls = Store().sql("SELECT count(*) AS n FROM calls WHERE cost_nano_usd >= 100")[0]["n"]
    assert 0 < len(found) == min(50, calls)
    reviewer = json.loads(cli.said(capsys, "search", experiment, "--agent", "reviewer", "--json")[1])
    assert reviewer
    assert {row["agent"] for row in reviewer} == {"reviewer"}
    assert {row["team"] for row in reviewer} == {"supervisor"}
    assert "nothing found" in cli.said(capsys, "search", experiment, "--text", "it's nowhere % said")[1]
    code, _, err = cli.said(capsys, "search", experiment, "--kind", "chatter")
    assert code != 0
    assert "execute_tool" in err


def test_two_runs_side_by_side(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    same = json.loads(cli.said(capsys, "diff", experiment, "0", "0", "--json")[1])
    assert same["first_divergence"] is None
    assert {row["what"] for row in same["rows"]} == {"same"}
    runs = Store().sql("SELECT min(run) AS run FROM runs GROUP BY team ORDER BY team")
    left, right = (str(row["run"]) for row in runs)
    other = json.loads(cli.said(capsys, "diff", experiment, left, experiment, right, "--json")[1])
    assert other["rows"][other["first_divergence"]][""] == ">"
    assert {"left", "right"} & {row["what"] for row in other["rows"]}
    teams = next(change for change in other["changes"] if change[""] == "team")
    assert (teams["left"], teams["right"]) == ("solo", "supervisor")
    code, _, err = cli.said(capsys, "diff", experiment, "0", "one")
    assert code != 0
    assert "[EXPERIMENT] RUN" in err


def test_a_table_says_that_there_are_more_rows_and_files_hold_all(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq

    query = "SELECT range AS n FROM range(1234)"
    _, out, err = cli.said(capsys, "sql", query)
    assert "999" in out
    assert "1000" not in out
    assert err.startswith("The first 1,000 rows")
    assert len(cli.said(capsys, "sql", query, "--csv")[1].splitlines()) == 1235
    assert len(json.loads(cli.said(capsys, "sql", query, "--json")[1])) == 1234
    assert "1,234 rows" in cli.said(capsys, "sql", query, "--into", tmp_path / "n.csv")[1]
    cli.said(capsys, "sql", "SELECT * FROM runs ORDER BY run", "--into", tmp_path / "runs.parquet")
    assert pq.read_table(tmp_path / "runs.parquet").column("team").to_pylist() == [
        row.team for row in Store().runs(experiment)
    ]
    assert "should end in .parquet" in cli.said(capsys, "sql", query, "--into", tmp_path / "n.xlsx")[2]


def test_a_row_of_many_columns_stands_below_the_other(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = cli.said(capsys, "sql", "SELECT * FROM runs ORDER BY run LIMIT 2")[1]
    assert out.count("cost_nano_usd") == 2
    assert experiment in out


def test_an_unknown_price_stays_unknown_step_by_step(experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    from experiments.terminal.report import added
    from traces.kernel import Chat, Record, Usage

    def call(nano: int | None) -> Record:
        return Record(0, 0, 0.0, 0.0, Chat("a", "act", "m", 0, (), "", Usage(1, 1, 0, 1, nano, 1.0)))

    assert added(added(0, call(5)), call(7)) == 12
    assert added(added(0, call(None)), call(7)) is None
