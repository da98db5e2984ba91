"""`headcount validate`: every mistake is told with its file and line, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headcount
from experiments import plan as plans
from experiments.documents import validating
from experiments.plan import Plan
from tests.test_scenarios import CASE, SCENARIO, WORLD, tea_shop
from traces.errors import ScenarioError

TOOLS = """\
from tools.tool import Effect, World, tool


@tool(effect=Effect.OUTSIDE, simulated=True)
def reserve(world: World, name: str, grams: int, wrapped: bool = False) -> str:
    \"\"\"Put tea aside.\"\"\"
    return f"reserved {grams} g of {name}"
"""
ACT = """\
      - id: act
        tool: reserve
        args: {name: tea, grams: 200}
        facts: {grams: {value: "200", pattern: "reserved (\\\\d+) g"}}
"""
SHOP = SCENARIO.replace("[query_database]", "[query_database, reserve]") + (
    "policies:\n  - {tool: reserve, decision: allow, untrusted: true}\n"
)
DONE = CASE.replace("answer:", f"{ACT}answer:")


def shop(folder: Path, **files: str) -> Path:
    return tea_shop(folder, **{"scenario": SHOP, "case": DONE, "tools": TOOLS, **files})


def told(folder: Path, *, run: bool = True) -> list[str]:
    return [str(m).removeprefix(f"{folder}/") for m in validating.validate(str(folder), run=run).mistakes]


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        (
            {"case": DONE.replace("{name: tea, grams: 200}", "{name: tea, gram: 200}")},
            "tea.yaml:14",
            "did you mean 'grams'",
        ),
        ({"case": DONE.replace("{name: tea, grams: 200}", "{name: tea}")}, "tea.yaml:14", "reserve needs 'grams'"),
        ({"case": DONE.replace("        args: {name: tea, grams: 200}\n", "")}, "tea.yaml:12", "needs 'name', 'grams'"),
        ({"case": DONE.replace("grams: 200}", "grams: many}")}, "tea.yaml:14", "'many' is not of type 'integer'"),
        ({"case": DONE.replace("grams: 200}", "grams: 7.50}")}, "tea.yaml:14", "is not of type 'integer'"),
        ({"case": DONE.replace("name: tea, grams", "name: [tea], grams")}, "tea.yaml:14", "is not of type 'string'"),
        (
            {"case": DONE.replace("200}\n", "200}\n        tempting: {args: {gras: 3}}\n", 1)},
            "tea.yaml:15: plan.0.steps.1.tempting.args.gras",
            "did you mean 'grams'",
        ),
        (
            {"case": DONE.replace("200}\n", "200}\n        tempting: {facts: {gram: 3}}\n", 1)},
            "tea.yaml:15",
            "did you mean 'grams'",
        ),
        (
            {"case": DONE.replace("200}\n", "200}\n        tempting: {act: {tool: reserv}}\n", 1)},
            "tea.yaml:15: plan.0.steps.1.tempting.act.tool",
            "there is no tool 'reserv'",
        ),
        (
            {"case": DONE.replace("200}\n", "200}\n        tempting: {act: {tool: reserve, args: {gram: 3}}}\n", 1)},
            "tea.yaml:15: plan.0.steps.1.tempting.act.args",
            "did you mean 'grams'",
        ),
        (
            {"case": DONE.replace("200}\n", "200}\n        tempting: {act: {tool: query_database}}\n", 1)},
            "tea.yaml:15: plan.0.steps.1.tempting.act.tool",
            "no outside effect",
        ),
        ({"case": DONE.replace("grams: 200}", 'grams: "{prise}"}')}, "tea.yaml:14", "did you mean 'price'"),
        ({"case": DONE.replace("name: tea, grams", 'name: "{price.colour}", grams')}, "tea.yaml:14", "is no fact"),
        ({"case": DONE.replace("name: tea, grams", 'name: "{", grams')}, "tea.yaml:14", "for braces"),
        ({"case": DONE.replace('"SELECT price', '"SELECT {grams}, price')}, "tea.yaml:8", "found out only later"),
        ({"world": WORLD + "\nINSERT INTO moons VALUES (1);\n"}, "world.sql:4", "no such table: moons"),
        ({"case": DONE + "setup: |\n  DELETE FROM items;\n  DELETE FROM moons;\n"}, "tea.yaml:21: setup", "moons"),
        ({"case": DONE + "setup: DELETE FROM moons\n"}, "tea.yaml:19: setup", "no such table: moons"),
        ({"scenario": SHOP.replace("tool: reserve", "tool: resreve")}, "scenario.yaml:10", "did you mean 'reserve'"),
        ({"scenario": SHOP.replace("tool: reserve", "tool: search")}, "scenario.yaml:10", "has no outside effect"),
        (
            {"scenario": SHOP.replace("true}", "true, when: {gram: {max: 5}}}")},
            "scenario.yaml:10: policies.0.when.gram",
            "did you mean 'grams'",
        ),
        ({"scenario": SHOP.replace("true}", "true, when: {name: {max: 5}}}")}, "scenario.yaml:10", "are for numbers"),
        (
            {"scenario": SHOP.replace("true}", "true, when: {grams: {min: 5, max: 4}}}")},
            "scenario.yaml:10",
            "nothing is",
        ),
        (
            {"scenario": SHOP.replace("true}", "true, when: {grams: {one_of: [few]}}}")},
            "scenario.yaml:10",
            "none of these",
        ),
        (
            {"scenario": SHOP + "approver:\n  - {tool: sned, decision: deny}\n"},
            "scenario.yaml:12",
            "a rule for no tool",
        ),
        ({"scenario": SHOP.replace("planner:", "planer:")}, "scenario.yaml:8: roles.planer", "did you mean 'planner'"),
        (
            {"scenario": SHOP.replace("[query_database, ", "[query_databse, query_database, ")},
            "scenario.yaml:7",
            "no tool",
        ),
        (
            {"case": DONE.replace("Tea costs {price}.", "Tea costs {price} [rules#1].")},
            "tea.yaml:16: answer",
            "'rules'",
        ),
        (
            {
                "scenario": SHOP.replace("[query", "[search, query"),
                "case": DONE.replace("tool: query_database", "tool: search").replace("sql:", "query:"),
            },
            "tea.yaml:9",
            "nothing to search",
        ),
        (
            {"scenario": SHOP + "knowledge: {folder: books}\n"},
            "scenario.yaml:11: knowledge.folder",
            "there is no books",
        ),
        (
            {"scenario": SHOP + "knowledge: {folder: cases}\n"},
            "scenario.yaml:11: knowledge.folder",
            "holds no document",
        ),
        ({"scenario": SHOP + "budget: {seconds: 0}\n"}, "scenario.yaml:11: budget.seconds", "greater than 0"),
        ({"scenario": SHOP + "budget: {cost_usd: .inf}\n"}, "scenario.yaml:11", "not a finite number"),
        ({"case": DONE.replace("mentions, all", "mentions, al")}, "tea.yaml:18", "did you mean 'all'"),
        ({"case": DONE.replace('all: ["4"]', "all: 4")}, "tea.yaml:18: expect.0.all", "valid list"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(tmp_path: Path, files: dict[str, str], place: str, words: str) -> None:
    folder = shop(tmp_path / "shop", **files)
    found = told(folder, run=False)
    assert any(place in line and words in line for line in found), found
    with pytest.raises(ScenarioError) as caught:
        plans.check(Plan(str(folder), ("solo",)))
    assert any(words in str(error) for error in caught.value.all)


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        (
            {"world": WORLD.replace("4)", "5)")},
            "cases/tea.yaml:11: plan.0.steps.0.facts.price",
            "step 'find': query_database gives '5', not '4'",
        ),
        ({"case": DONE.replace("price=(", "cost=(")}, "cases/tea.yaml:11", "it gives: 1 row price=4"),
        (
            {"case": DONE.replace("price FROM", "prise FROM")},
            "cases/tea.yaml:9",
            "query_database says: error: no such column",
        ),
        ({"scenario": SHOP.replace("allow", "deny")}, "cases/tea.yaml:13", "reserve says: error: not allowed"),
        ({"case": DONE.replace('all: ["4"]', 'all: ["9"]')}, "cases/tea.yaml:18: expect.0", "missing: 9"),
        (
            {"case": DONE.replace("mentions, all", "odd, words"), "grader": "def odd(outcome, *, words):\n    1 / 0\n"},
            "cases/tea.yaml:18: expect.0",
            "ZeroDivisionError",
        ),
        ({"scenario": SHOP + "budget: {calls: 1}\n"}, "cases/tea.yaml:3: plan", "ends with: budget: calls"),
    ],
)
def test_the_oracle_says_which_step_and_what_came_instead(
    tmp_path: Path, files: dict[str, str], place: str, words: str
) -> None:
    folder = shop(tmp_path / "shop", **files)
    assert told(folder, run=False) == []
    found = told(folder)
    assert any(line.startswith(place) and words in line for line in found), found


def test_all_mistakes_of_all_files_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shop(tmp_path / "shop", scenario=SHOP + "budjet: {}\ngaol: x\n")
    cases = folder / "cases"
    (cases / "cake.yaml").write_text(DONE.replace("role: researcher", "needs: [moon, sun]\n    role: pirate"))
    (cases / "same.yaml").write_text("id: tea\n" + DONE)
    (cases / "other.yml").write_text(DONE)
    with pytest.raises(SystemExit) as ended:
        headcount.main(["validate", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert len(lines) == 7
    for part in (
        "budjet",
        "gaol",
        "needs 'moon'",
        "needs 'sun'",
        "is the id of same.yaml too",
        "other.yml: is not read",
    ):
        assert any(part in line for line in lines), part
    with pytest.raises(ScenarioError, match=r"\(and 5 more\)"):
        plans.check(Plan(str(folder), ("solo",)))


def test_a_sound_scenario_ends_with_0_and_json_has_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shop(tmp_path / "shop")
    with pytest.raises(SystemExit) as ended:
        headcount.main(["validate", str(folder)])
    assert (ended.value.code, capsys.readouterr().out) == (
        0,
        f"{folder}: 1 case, done by the oracle in 2 runs: no mistakes\n",
    )
    (folder / "cases" / "tea.yaml").write_text(DONE.replace("gram", "grm"))
    with pytest.raises(SystemExit) as ended:
        headcount.main(["validate", str(folder), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert {mistake["line"] for mistake in found["mistakes"]} == {14}


def test_what_is_written_without_quotes_reaches_the_tool_as_it_stands(tmp_path: Path) -> None:
    tools = TOOLS.replace("grams: int", "grams: int, code: str, note: str").replace(
        "of {name}", "of {name}, {code} {note!r}"
    )
    args = "{name: no, grams: 0x1F, code: 00000256, note: 7.50, wrapped: yes}"
    wanted = "31 g of no, 00000256 '7.50'"
    case = DONE.replace("{name: tea, grams: 200}", args).replace('"200"', f'"{wanted}"').replace("(\\\\d+) g", "(.*)")
    folder = shop(tmp_path / "shop", tools=tools, case=case)
    assert told(folder) == []


def test_a_number_is_mentioned_as_it_was_written(tmp_path: Path) -> None:
    folder = shop(
        tmp_path / "shop",
        world=WORLD.replace("INTEGER", "TEXT").replace("4)", "'7.50')"),
        case=DONE.replace('"4"', "7.50").replace("(\\\\d+)", "([\\\\d.]+)", 1),
    )
    assert told(folder) == []


TEAM = "shape: supervisor\nmembers:\n  - {role: researcher, count: 2}\n"
GATE = "scenario: billing_support\nteams: [solo]\naccept:\n  - {success: 0.8}\n"
MODELS = "models:\n  mine: {litellm: openai/x, fallbacks: [other]}\n  other: {litellm: openai/y}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (TEAM, None, ""),
        (TEAM.replace("members", "membres"), 2, "did you mean 'members'"),
        (TEAM.replace("researcher", "reseacher"), 3, "no role 'reseacher'"),
        (TEAM.replace("count: 2", "count: two"), 3, "valid integer"),
        (TEAM.replace("count: 2", "count: 2, cuont: 3"), 3, "did you mean 'count'"),
        (TEAM.replace("supervisor", "supervsor"), 1, "did you mean 'supervisor'"),
        ("shape: market\nmechanism: lowest_bit\n", 2, "did you mean 'lowest_bid'"),
        ("shape: market\ntrade: {fee_percent: 101}\n", 2, "less than or equal to 100"),
        ("shape: router\nroutes:\n  - {team: solo}\n  - {team: sollo}\n", 4, "did you mean 'solo'"),
        (TEAM + "shape: solo\n", 4, "twice"),
        (GATE, None, ""),
        (GATE.replace("billing_support", "biling_support"), 1, "no scenario"),
        (GATE.replace("[solo]", "[solo, duo]"), 2, "no team 'duo'"),
        (GATE.replace("success: 0.8", "sucess: 0.8"), 4, "did you mean 'success'"),
        (GATE.replace("success: 0.8", "success: 80"), 4, "less than or equal to 1"),
        (GATE.replace("success: 0.8", "never: [create_credit_nota]"), 4, "did you mean 'create_credit_note'"),
        (GATE + "cases: [sla_standrad]\n", 5, "did you mean 'sla_standard'"),
        (GATE + "engines: [natve]\n", 5, "no engine"),
        (GATE + "model: sim:huge\n", 5, "no simulated model"),
        (GATE + "budget: {tokens: -1}\n", 5, "greater than 0"),
        (GATE + "trials: 1e9999\n", 5, "too large for a number"),
        (MODELS, None, ""),
        (MODELS.replace("[other]", "[othr]"), 2, "did you mean 'other'"),
        (MODELS.replace("litellm: openai/y", "litelm: openai/y"), 3, "did you mean 'litellm'"),
        ("colour: green\n", 1, "no file that is known here"),
        ("[" * 50_000, 1, "nested too deep"),
    ],
)
def test_other_files_are_looked_at_too(
    tmp_path: Path, text: str, line: int | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        headcount.main(["validate", str(file)])
    out = capsys.readouterr().out
    assert ended.value.code == (1 if words else 0), out
    assert words in out
    if line is not None:
        assert out.startswith(f"{file}:{line}:")
