"""Scenario files: what is wrong is told with file, line, field and what would be right."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tasks import scenario as scenarios
from tasks.case import Case
from tools import registry
from traces.errors import InputError, ScenarioError

SCENARIO = """\
title: Tea shop
story: Prices of tea.
goal: Answer questions about tea.
database: world.sql
roles:
  researcher:
    tools: [query_database]
  planner: {}
"""
CASE = """\
title: What does tea cost?
request: How much is the tea?
plan:
  - id: price
    goal: Find the price
    role: researcher
    steps:
      - id: find
        tool: query_database
        args: {sql: "SELECT price FROM items"}
        facts: {price: {value: "4", pattern: "price=(\\\\d+)"}}
answer: Tea costs {price}.
expect:
  - {grader: mentions, all: ["4"]}
"""
WORLD = "CREATE TABLE items (name TEXT, price INTEGER);\nINSERT INTO items VALUES ('tea', 4);\n"


def tea_shop(folder: Path, **files: str) -> Path:
    """A small scenario, with some of its files replaced: `scenario`, `case`, `world`, `tools`, `grader`."""
    (folder / "cases").mkdir(parents=True)
    (folder / "scenario.yaml").write_text(files.get("scenario", SCENARIO))
    (folder / "cases" / "tea.yaml").write_text(files.get("case", CASE))
    (folder / "world.sql").write_text(files.get("world", WORLD))
    for name in ("tools", "grader"):
        if name in files:
            (folder / f"{name}.py").write_text(files[name])
    return folder


def test_a_scenario_is_read_from_anywhere(tmp_path: Path) -> None:
    scenario = scenarios.load(str(tea_shop(tmp_path / "tea shop")))
    assert (scenario.name, [case.id for case in scenario.cases]) == ("tea shop", ["tea"])
    assert scenario.tool_names == ("query_database",)


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    one = scenarios.load(str(tea_shop(tmp_path / "one")))
    two = scenarios.load(str(tea_shop(tmp_path / "two")))
    other = scenarios.load(str(tea_shop(tmp_path / "other", world=WORLD.replace("4", "5"))))
    assert one.digest == two.digest != other.digest


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        ({"scenario": "title: [unclosed"}, "scenario.yaml:1", "not valid YAML"),
        ({"scenario": "- a\n- b\n"}, "scenario.yaml:1", "should be a mapping"),
        ({"scenario": SCENARIO + "colour: green\n"}, "scenario.yaml:9: colour", "no such field here; there are title,"),
        ({"scenario": SCENARIO + "budjet: {}\n"}, "scenario.yaml:9: budjet", "did you mean 'budget'?"),
        ({"scenario": SCENARIO.replace("title: Tea shop\n", "")}, "scenario.yaml:1: title", "Field required"),
        (
            {"scenario": SCENARIO.replace("query_database", "telepathy")},
            "scenario.yaml:7",
            "no tool 'telepathy'; there are: search, query_database, run_python",
        ),
        ({"scenario": SCENARIO.replace("world.sql", "moon.sql")}, "scenario.yaml", "there is no moon.sql"),
        ({"scenario": SCENARIO + "budget: {tokens: -5}\n"}, "scenario.yaml:9: budget.tokens", "greater than 0, got -5"),
        (
            {"case": CASE.replace("role: researcher", "role: pirate")},
            "tea.yaml:6: plan.0.role",
            "no role 'pirate' in scenario.yaml; it has: researcher, planner",
        ),
        (
            {"case": CASE.replace("role: researcher", "role: planner")},
            "tea.yaml:6",
            "planner may not use 'query_database'",
        ),
        (
            {"case": CASE.replace("goal: Find the price", "goal: x\n    needs: [moon]")},
            "tea.yaml",
            "needs 'moon', which is no subtask",
        ),
        (
            {"case": CASE.replace("goal: Find the price", "goal: x\n    needs: [price]")},
            "tea.yaml",
            "the plan needs itself: price",
        ),
        (
            {"case": CASE.replace("{price}.", "{pirce}.")},
            "tea.yaml",
            "the answer uses 'pirce', which no step finds out",
        ),
        ({"case": CASE.replace("price=(\\\\d+)", "price=\\\\d+")}, "tea.yaml:11", "needs exactly one group"),
        ({"case": CASE.replace("price=(\\\\d+)", "price=(")}, "tea.yaml:11", "not a regular expression"),
        ({"case": CASE.replace("mentions", "vibes")}, "tea.yaml:14: expect.0.grader", "no grader 'vibes'"),
        ({"case": CASE.replace("all:", "every:")}, "tea.yaml:14: expect.0.grader", "it takes: all, any"),
        ({"tools": "def f(:\n"}, "tools.py:1", "SyntaxError"),
        ({"tools": "import math\n\nmath.tea\n"}, "tools.py:3", "AttributeError"),
        ({"grader": "1 / 0\n"}, "grader.py:1", "ZeroDivisionError"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, files: dict[str, str], place: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(str(tea_shop(tmp_path / "tea", **files)))
    assert place in str(caught.value)
    assert words in str(caught.value)


def test_bad_sql_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tea_shop(tmp_path / "tea", world=WORLD + "\nINSERT INTO moons VALUES (1);\n")
    with pytest.raises(ScenarioError, match=r"world\.sql:4: SQL: no such table: moons"):
        registry.world(folder, "world.sql")
    with pytest.raises(ScenarioError, match="case's setup"):
        registry.world(tea_shop(tmp_path / "tea2"), "world.sql", "DELETE FROM moons;")


def test_every_world_is_fresh(tmp_path: Path) -> None:
    folder = tea_shop(tmp_path / "tea")
    with closing(registry.world(folder, "world.sql", "INSERT INTO items VALUES ('cake', 6);")) as first:
        first.db.execute("DELETE FROM items")
        with closing(registry.world(folder, "world.sql")) as second:
            assert second.db.execute("SELECT * FROM items").fetchall() == [("tea", 4)]


def test_what_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no scenario 'nope'.*billing_support, market_brief"):
        scenarios.load("nope")
    with pytest.raises(InputError, match=r"needs a scenario\.yaml"):
        scenarios.load(str(tmp_path))
    empty = tea_shop(tmp_path / "tea")
    (empty / "cases" / "tea.yaml").unlink()
    with pytest.raises(ScenarioError, match="holds no case"):
        scenarios.load(str(empty))


def test_shipped_scenarios_are_rich_enough() -> None:
    for name in scenarios.shipped():
        scenario = scenarios.load(name)
        levels = {case.difficulty for case in scenario.cases}
        assert len(scenario.cases) >= 20
        assert levels == {"easy", "medium", "hard"}
        assert any(step.tempting for case in scenario.cases for task in case.plan for step in task.steps)


def test_the_task_graph_has_the_needs_as_edges() -> None:
    case: Case = scenarios.load("billing_support").case("sla_standard")
    assert set(case.graph().predecessors("amount")) == {"account", "incident", "policy"}
