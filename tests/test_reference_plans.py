"""Reference plans with other ways, optional steps, conditions, and nothing to do: the simulator, the autopsy and
calibration read them alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.models.simulated.index import index_of
from experiments.failures.attempts import read_run
from experiments.failures.autopsy import autopsy
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import Done, do, events, profile
from traces.errors import ScenarioError
from traces.kernel import ToolExecuted

TOOLS = '''
from tools.tool import Effect, World, tool


@tool(effect=Effect.READ)
def look_up(world: World, order: str) -> str:
    """The state of an order."""
    return "state=" + world.db.execute("SELECT state FROM orders WHERE id = ?", [order]).fetchone()[0]


@tool(effect=Effect.OUTSIDE, simulated=True)
def refund(world: World, order: str) -> str:
    """Pay an order back."""
    world.db.execute("UPDATE orders SET refunded = 1 WHERE id = ?", [order])
    return "refunded " + order
'''
SCENARIO = """title: Orders
story: Orders that came broken are paid back.
goal: Pay back what came broken.
database: world.sql
budget: {tokens: 1000000}
roles:
  researcher: {tools: [query_database, look_up]}
  coder: {tools: [query_database, look_up, refund]}
policies:
  - {tool: refund, decision: allow, untrusted: true}
"""
CASE = """title: An order
request: Please pay order NUMBER back.
plan:
  - id: order
    goal: Find out in what state it came
    role: researcher
    steps:
      - id: find
        tool: query_database
        args: {sql: "SELECT state FROM orders WHERE id = 'NUMBER'"}
        any_of: [{tool: look_up, args: {order: NUMBER}}]
        facts: {state: {value: STATE, pattern: "state=(\\\\w+)"}}
      - id: customer
        tool: query_database
        args: {sql: "SELECT customer FROM orders WHERE id = 'NUMBER'"}
        optional: true
        facts: {customer: {value: Ada, pattern: "customer=(\\\\w+)"}}
  - id: reply
    goal: Decide, pay back where that is due, and answer
    role: coder
    needs: [order]
    steps:
      - id: judge
        skill: decide
        facts: {verdict: {value: VERDICT, given: [state], otherwise: OTHER}}
      - id: pay
        tool: refund
        args: {order: NUMBER}
        when: verdict is refund
        facts: {paid: {value: NUMBER, pattern: "refunded (\\\\w+)"}}
answer: "Decision: {verdict}"
expect:
  - {grader: database, sql: "SELECT sum(refunded) FROM orders", equals: [[REFUNDED]]}
"""
NOTHING = """title: Spam
request: Hello!
plan:
  - {id: reply, goal: Answer, role: coder}
answer: Thank you for your message.
expect:
  - {grader: database, sql: "SELECT sum(refunded) FROM orders", equals: [[0]]}
"""


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    (folder / "cases").mkdir(parents=True)
    (folder / "tools.py").write_text(TOOLS)
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "world.sql").write_text(
        "CREATE TABLE orders (id TEXT, state TEXT, customer TEXT, refunded INTEGER DEFAULT 0);\n"
        "INSERT INTO orders (id, state, customer) VALUES ('a1', 'broken', 'Ada'), ('b2', 'whole', 'Ada');\n"
    )
    for name, values in (
        ("due", ("a1", "broken", "refund", "nothing", "1")),
        ("not_due", ("b2", "whole", "nothing", "refund", "0")),
    ):
        text = CASE
        for word, value in zip(("NUMBER", "STATE", "VERDICT", "OTHER", "REFUNDED"), values, strict=True):
            text = text.replace(word, value)
        (folder / "cases" / f"{name}.yaml").write_text(text)
    (folder / "cases" / "spam.yaml").write_text(NOTHING)
    return folder


def _called(done: Done) -> list[str]:
    return [event.tool for event in events(done[1]) if isinstance(event, ToolExecuted)]


def test_who_makes_no_errors_succeeds_by_any_way_and_with_or_without_what_is_optional(orders: Path) -> None:
    teams = ("solo", "graph", "supervisor", "market", "ensemble")
    done = do(Plan(str(orders), teams, model="sim:oracle", trials=6))
    assert [(o.team, o.case) for o, _ in done if not o.success] == []
    alone = [one for one in done if one[0].team == "solo" and one[0].case == "due"]
    assert {tool for one in alone for tool in _called(one)} == {"query_database", "look_up", "refund"}
    assert len({len(_called(one)) for one in alone}) > 1  # the optional step is done or not
    assert not any("refund" in _called(one) for one in done if one[0].case != "due")
    index = {case.id: index_of(case) for case in scenarios.load(str(orders)).cases}
    for outcome, recorder in done:
        if outcome.team == "solo":
            read = read_run(recorder.records, outcome.case, index[outcome.case])
            assert {attempt.kind for attempt in read.attempts} <= {"right"}


def test_who_has_the_tool_of_another_way_alone_takes_that(orders: Path) -> None:
    file = orders / "scenario.yaml"
    file.write_text(file.read_text().replace("query_database, ", ""))
    for name in ("due", "not_due"):
        case = orders / "cases" / f"{name}.yaml"
        text = case.read_text()
        start, end = text.index("      - id: customer"), text.index("  - id: reply")
        case.write_text(text[:start] + text[end:])
    done = do(Plan(str(orders), ("solo", "graph"), model="sim:oracle", trials=2))
    assert all(outcome.success for outcome, _ in done)
    assert "query_database" not in {tool for one in done for tool in _called(one)}


def test_who_is_wrong_about_the_condition_acts_on_it_and_the_autopsy_blames_the_verdict(orders: Path) -> None:
    model = profile(orders.with_name("model.yaml"), error=1, check={"own": 0, "other": 0})
    done = do(Plan(str(orders), ("solo", "graph"), model=model, cases=("due", "not_due"), trials=10))
    index = {case.id: index_of(case) for case in scenarios.load(str(orders)).cases}
    failed = [one for one in done if not one[0].success]
    assert len(failed) > len(done) / 2
    for one in failed:
        assert ("refund" in _called(one)) is (one[0].case == "not_due")
        found = autopsy(one[1].records, index[one[0].case])
        assert found is not None
        assert found.decisive is not None
        assert (found.decisive.step, found.decisive.label) == ("judge", "careless")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "Decision: {verdict}",
            "{customer}: {verdict}",
            "the answer uses 'customer', which step 'customer' finds out: that is opt",
        ),
        (
            "Decision: {verdict}",
            "{verdict} {paid}",
            "the answer uses 'paid', which step 'pay' finds out: that is not to be",
        ),
        ("verdict is refund", "verdict = refund", 'should be "FACT is VALUE"'),
        ("verdict is refund", "verdickt is refund", "no other step finds out 'verdickt'"),
        ("{tool: look_up, args: {order: b2}}", "{tool: look_upp, args: {order: b2}}", "there is no tool 'look_upp'"),
        ("{tool: look_up, args: {order: b2}}", "{tool: look_up, args: {ordr: b2}}", "look_up has no argument 'ordr'"),
    ],
)
def test_a_plan_that_cannot_be_is_told_with_its_place(orders: Path, before: str, after: str, words: str) -> None:
    case = orders / "cases" / "not_due.yaml"
    text = case.read_text()
    assert before in text
    case.write_text(text.replace(before, after))
    with pytest.raises(ScenarioError) as caught:
        checked(orders)
    assert words in str(caught.value)
    assert "not_due.yaml:" in str(caught.value)


def checked(folder: Path) -> None:
    from tasks import checking

    for problem in checking.problems(scenarios.load(str(folder))):
        raise problem
