"""Why runs failed: the first decisive error by rules over the trace, its label, and who had to do with it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from agents.models.simulated.index import index_of
from experiments.failures.autopsy import NO_ERROR, Autopsy, autopsy, by_team, title
from experiments.failures.autopsy_score import score
from experiments.failures.mast import LABELS, MODES
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tasks import scenario
from tasks.case import Case
from tests import cli
from tests.trials import do, profile, puzzle
from traces import kernel as k

CASE = Case.model_validate(
    {
        "id": "refund",
        "title": "A refund",
        "request": "Please refund what is due.",
        "answer": "We credited {amount} with {note}: {rule}.",
        "expect": [{"grader": "mentions", "all": ["40"]}],
        "plan": [
            {
                "id": "facts",
                "goal": "Find it",
                "role": "researcher",
                "steps": [
                    {
                        "id": "find_rule",
                        "tool": "search",
                        "args": {"query": "refund policy for late deliveries"},
                        "facts": {"rule": {"value": "late is free"}},
                    },
                    {
                        "id": "find_paid",
                        "tool": "query_database",
                        "args": {"sql": "SELECT paid FROM orders"},
                        "facts": {"paid": {"value": "40", "pattern": "paid=(\\d+)"}},
                    },
                ],
            },
            {
                "id": "credit",
                "goal": "Credit it",
                "role": "coder",
                "needs": ["facts"],
                "steps": [
                    {
                        "id": "decide",
                        "facts": {"amount": {"value": "40", "given": ["rule", "paid"], "otherwise": "20"}},
                    },
                    {
                        "id": "pay",
                        "tool": "make_credit",
                        "args": {"amount": "{amount}"},
                        "facts": {"note": {"value": "CN-1", "pattern": "created (\\S+)"}},
                    },
                ],
            },
        ],
    }
)
TOOLS = ("search", "query_database", "make_credit")
RULE, PAID = (
    ("search", {"query": "refund policy for late deliveries"}, "late is free"),
    (
        "query_database",
        {"sql": "SELECT paid FROM orders"},
        "paid=40",
    ),
)
NOTED = "- rule: late is free\n- paid: 40"
ANSWER = "We credited 40 with CN-1: late is free."
Call = tuple[str, dict[str, Any], str]


class Trace:
    """A trace in the making: agents say things, call tools, and are told things."""

    def __init__(self) -> None:
        run = k.Run("s", "refund", "team", "native", "m", 0, 1, k.Budget(), "virtual", True)
        self.events: list[k.Event] = [k.RunStarted(run, "go")]
        self._prompts: dict[str, list[k.ChatMessage]] = {}
        self._kept: dict[str, int] = {}

    def told(self, agent: str, text: str) -> Trace:
        self._prompts.setdefault(agent, []).append(k.ChatMessage("user", text))
        return self

    def says(self, agent: str, text: str, *calls: Call, purpose: str = "act", tools: tuple[str, ...] = TOOLS) -> Trace:
        prompt, kept = self._prompts.setdefault(agent, []), self._kept.get(agent, 0)
        made = tuple(
            k.ToolCall(f"c{len(self.events)}-{n}", name, json.dumps(arguments))
            for n, (name, arguments, _) in enumerate(calls)
        )
        self.events.append(k.Chat(agent, purpose, "m", kept, tuple(prompt[kept:]), text, k.Usage(), made, tools=tools))
        self._kept[agent] = len(prompt)
        prompt.append(k.ChatMessage("assistant", text, made))
        for call, (name, arguments, result) in zip(made, calls, strict=True):
            effect = "outside" if name in ("make_credit", "cancel_order") else "read"
            ok = not result.startswith("error")
            self.events.append(k.ToolExecuted(agent, name, call.id, effect, arguments, ok, result))
            prompt.append(k.ChatMessage("tool", result, tool_call_id=call.id, trusted=False))
        return self

    def ends(self, answer: str, success: bool = False) -> list[k.Record]:
        self.events += [
            k.AnswerHandedIn("x", answer),
            k.Evaluated(success, float(success), ()),
            k.RunFinished("completed", "done", answer, k.Usage(), 1.0, 0),
        ]
        return [k.Record(7, seq, float(seq), 0.0, event) for seq, event in enumerate(self.events)]


def paying(amount: str) -> Call:
    return ("make_credit", {"amount": amount}, "created CN-1")


def alone() -> Trace:
    return Trace().told("solo", "Do the job.")


def found(trace: list[k.Record]) -> Autopsy:
    result = autopsy(trace, index_of(CASE))
    assert result is not None
    return result


LAST_WORDS = f"{NOTED}\n- amount: 40"
SMALL: dict[str, list[k.Record]] = {
    "careless": alone().says("solo", "", RULE, PAID).says("solo", f"{NOTED}\n- amount: 20", paying("20")).ends(ANSWER),
    "says_not_does": alone()
    .says("solo", "", RULE, PAID)
    .says("solo", "- rule: late is free\n- paid: 4\n- amount: 4", paying("4"))
    .ends(ANSWER),
    "disobeys_role": alone().says("solo", "", ("search_as_admin", RULE[1], "error: no such tool")).ends(""),
    "repeats": alone().says("solo", "", RULE).says("solo", "- rule: late is free", RULE).ends(""),
    "resets": alone().says("solo", "", RULE, PAID).says("solo", NOTED, RULE).ends(""),
    "derails": alone().says("solo", "", ("search", {"query": "weather in Oslo"}, "rain")).ends(""),
    "unaware_of_end": alone()
    .says("solo", "", RULE, PAID)
    .says("solo", LAST_WORDS, paying("40"))
    .says("solo", "- note: CN-1", ("search", {"query": "more about refunds"}, "nothing"))
    .ends(ANSWER),
    "ends_early": alone().says("solo", "", RULE).says("solo", "We credited nothing: late is free.").ends("nothing"),
    "withholds": Trace()
    .told("r", "[subtask: facts] Find it")
    .says("r", "", RULE, PAID)
    .says("r", NOTED)
    .told("r", "[subtask: facts] Find it. Report again.")
    .says("r", "- rule: late is free")
    .ends("late is free"),
    "disobeys_task": Trace()
    .says("boss", json.dumps({"subtasks": [{"id": "credit", "goal": "", "needs": []}]}), purpose="plan")
    .ends(""),
    "ignores": Trace()
    .says("boss", json.dumps({"subtasks": [{"id": "facts"}, {"id": "credit", "needs": []}]}), purpose="plan")
    .ends(""),
    "loses_history": alone()
    .says("solo", "", RULE, PAID)
    .says("solo", LAST_WORDS, paying("40"))
    .told("solo", "Sum up.")
    .says("solo", json.dumps({"notes": ["- rule: late is free"]}), purpose="sum_up")
    .ends(""),
    "incomplete_check": Trace()
    .told("judge", f"[subtask: facts] Find it\nDelivered:\n{NOTED.replace('40', '4')}")
    .says("judge", json.dumps({"ok": True, "problems": []}), purpose="review")
    .ends(ANSWER),
    "wrong_check": Trace()
    .told("judge", f"[subtask: facts] Find it\nDelivered:\n{NOTED}")
    .says("judge", json.dumps({"ok": False, "problems": [{"about": "rule", "reason": "no"}]}), purpose="review")
    .ends(ANSWER),
    "oversteps": alone()
    .says("solo", "", RULE, PAID)
    .says("solo", NOTED, paying("40"))
    .says("solo", "", ("cancel_order", {"id": "7"}, "cancelled"), tools=(*TOOLS, "cancel_order"))
    .ends(ANSWER),
    "refuses": alone().says("solo", "I'm sorry, but I can't help with that.").ends(""),
}


def test_every_label_has_a_trace_of_its_own() -> None:
    assert SMALL.keys() == LABELS.keys() - {"doesnt_ask", "repeats_step"}


@pytest.mark.parametrize("label", SMALL)
def test_an_error_of_each_kind_gets_its_label(label: str) -> None:
    assert found(SMALL[label]).label == label


def test_no_label_for_a_success_or_for_a_run_without_a_grade() -> None:
    success = alone().says("solo", "", ("search", {"query": "weather in Oslo"}, "rain")).ends("", success=True)
    assert autopsy(success, index_of(CASE)) is None
    assert autopsy(success[:-2], index_of(CASE)) is None
    assert autopsy([], index_of(CASE)) is None


def test_a_retry_of_a_call_that_failed_and_work_asked_for_again_are_no_repetition() -> None:
    failed = ("search", RULE[1], "error: out of order")
    trace = (
        alone()
        .says("solo", "", failed)
        .says("solo", "", RULE)
        .told("solo", "Once more, please.")
        .says("solo", "", RULE)
    )
    assert "repeats" not in {error.label for error in found(trace.ends("")).errors}


def test_the_chain_says_who_introduced_passed_on_saw_and_let_it_through() -> None:
    wrong = "- rule: late is free\n- paid: 4"
    trace = (
        Trace()
        .told("finder", "[subtask: facts] Find it")
        .says("finder", "", RULE, PAID)
        .says("finder", wrong)
        .told("judge", f"[subtask: facts] Find it\nDelivered:\n{wrong}")
        .says("judge", json.dumps({"ok": True, "problems": []}), purpose="review")
        .told("payer", f"[subtask: credit] Credit it\n{wrong}")
        .says("payer", f"{wrong}\n- amount: 4", paying("4"))
        .ends("We credited 4.")
    )
    result = found(trace)
    assert result.decisive is not None
    assert (result.decisive.agent, result.decisive.seq, result.label) == ("finder", 4, "says_not_does")
    assert result.agents("introduced") == ("finder",)
    assert result.agents("passed_on") == ("payer",)
    assert result.agents("let_through") == ("judge",)
    assert set(result.agents("saw")) == {"judge", "payer"}
    (team,) = by_team([result])
    assert (team.failed, team.labels, team.passed_on, team.shown, team.caught) == (1, {"says_not_does": 1}, 1, 1, 0)


def test_an_error_that_was_put_right_is_not_the_decisive_one() -> None:
    derailed = alone().says("solo", "", ("search", {"query": "weather in Oslo"}, "rain"))
    trace = derailed.says("solo", "", RULE, PAID).says("solo", f"{NOTED}\n- amount: 20", paying("20")).ends(ANSWER)
    assert [error.label for error in found(trace).errors] == ["derails", "careless"]
    assert found(trace).label == "careless"


def test_a_failure_that_no_rule_explains_says_so() -> None:
    assert found(Trace().ends("")).label == NO_ERROR


def test_a_run_that_broke_says_how() -> None:
    broken: list[k.Event] = [
        k.Evaluated(False, 0.0, ()),
        k.RunFinished("failed", "an error", "", k.Usage(), 0.0, 0, "no model"),
    ]
    result = found([k.Record(0, seq, 0.0, 0.0, event) for seq, event in enumerate(broken)])
    assert (result.label, result.ended) == ("broke off", "failed: no model")


def test_labels_are_named_as_in_the_paper() -> None:
    assert len(MODES) == 14
    assert title("says_not_does") == "FM-2.6 Reasoning-action mismatch"
    assert "FM-1.3" in title("repeats")


WORDS = st.sampled_from(
    [
        "",
        NOTED,
        "- paid: 4",
        "{",
        '{"ok": 3}',
        '{"subtasks": [1]}',
        '{"problems": {}, "ok": false}',
        "[subtask: facts]",
        "I can't help",
    ]
)
CHATS = st.builds(
    k.Chat,
    st.sampled_from("ab"),
    st.sampled_from(["act", "answer", "plan", "review", "check", "sum_up", "attack", "odd"]),
    st.just("m"),
    st.integers(0, 5),
    st.lists(st.builds(k.ChatMessage, st.sampled_from(["user", "assistant", "tool"]), WORDS), max_size=2).map(tuple),
    WORDS,
    st.just(k.Usage()),
    st.sampled_from([(), (k.ToolCall("c", "search", "{"),), (k.ToolCall("c", "make_credit", '{"amount": 3}'),)]),
    tools=st.sampled_from([(), TOOLS]),
)
CALLS = st.builds(
    k.ToolExecuted,
    st.sampled_from("abc"),
    st.sampled_from([*TOOLS, "unheard_of"]),
    st.sampled_from("cd"),
    st.sampled_from(["read", "outside", "team", ""]),
    st.sampled_from([{}, {"query": None}, {"amount": "40"}, {"amount": [1]}]),
    st.booleans(),
    WORDS,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHATS | CALLS, max_size=12))
def test_an_odd_trace_is_read_as_far_as_it_goes(odd: list[k.Event]) -> None:
    graded: list[k.Event] = [*odd, k.Evaluated(False, 0.0, ())]
    found([k.Record(0, seq, 0.0, 0.0, event) for seq, event in enumerate(graded)])


@cache
def cases() -> dict[str, Case]:
    return {case.id: case for case in scenario.load("billing_support").cases}


@pytest.fixture(scope="module")
def failed() -> list[tuple[Autopsy, list[k.Record]]]:
    """The failed runs of a small seeded experiment of simulated teams."""
    plan = Plan("billing_support", ("solo", "supervisor"), model="sim:small", trials=2, seed=3)
    done = [(outcome.case, recorder.records) for outcome, recorder in do(plan)]
    read = [(autopsy(records, index_of(cases()[case])), records) for case, records in done]
    return [(one, records) for one, records in read if one is not None]


def test_the_labels_of_simulated_runs_are_mostly_right(failed: list[tuple[Autopsy, list[k.Record]]]) -> None:
    found = score(failed)
    assert found.runs > 10
    assert found.explained.part / found.runs > 0.9
    assert found.located.part / found.explained.part > 0.9
    assert found.decisive.part / found.explained.part > 0.85
    hits = sum(value.part for value in found.precision.values())
    assert hits / sum(value.whole for value in found.precision.values()) > 0.85
    assert hits / sum(value.whole for value in found.recall.values()) > 0.7
    assert sum(found.confusion.values()) >= hits


def test_the_true_labels_are_not_looked_at(failed: list[tuple[Autopsy, list[k.Record]]]) -> None:
    for one, records in failed:
        hidden = [
            structs.replace(r, event=structs.replace(r.event, fault=None)) if isinstance(r.event, k.Chat) else r
            for r in records
        ]
        assert autopsy(hidden, index_of(cases()[one.case])) == one


def test_a_score_of_nothing_is_empty() -> None:
    found = score([])
    assert (found.runs, found.recall, found.decisive.value) == (0, {}, None)


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    """Every conclusion of these runs is wrong."""
    scenario = str(puzzle(tmp_path / "puzzle", subtasks=2, cases=2))
    model = profile(tmp_path / "model.yaml", error=0.95)
    folder = prepare(Plan(scenario, ("solo", "supervisor"), model=model, trials=1, workers=1))
    conduct(folder)
    return folder.id


def test_the_command_explains_an_experiment_and_a_run_and_scores_itself(
    experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(cli.said(capsys, "autopsy", experiment, "--json")[1])
    (first, *_) = told["runs"]
    assert {team["team"] for team in told["teams"]} <= {"solo", "supervisor"}
    assert sum(team["failed"] for team in told["teams"]) == len(told["runs"])
    assert first["label"] == "careless"
    assert "careless" in cli.said(capsys, "autopsy", experiment)[1]
    one = json.loads(cli.said(capsys, "autopsy", experiment, str(first["run"]), "--json")[1])
    assert one == first
    text = cli.said(capsys, "autopsy", experiment, str(first["run"]))[1]
    assert f"step {first['decisive']['seq']}, {first['decisive']['agent']}" in text
    scored = json.loads(cli.said(capsys, "autopsy", experiment, "--score", "--json")[1])
    assert scored["runs"] == len(told["runs"])
    assert "Precision" in cli.said(capsys, "autopsy", experiment, "--score")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "there is no experiment 'nowhere'"),
        (("latest", "99"), "99"),
        (("latest", "0", "--score"), "--score is about a whole experiment"),
    ],
)
def test_bad_input_gets_one_line(
    experiment: str, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = cli.said(capsys, "autopsy", *arguments)
    assert code != 0
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_without_the_scenario_nobody_can_say(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "puzzle" / "scenario.yaml").unlink()
    code, _, error = cli.said(capsys, "autopsy", experiment)
    assert code != 0
    assert "its scenario is not here" in error
