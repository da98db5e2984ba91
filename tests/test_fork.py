"""Forking: the past is shared, one thing is changed, the rest runs on from there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from experiments import modelcards
from experiments import plan as plans
from experiments.design import expecting
from experiments.forks import fork
from experiments.forks.fork import ForkPlan, changeable, prepared
from experiments.forks.verify import verify
from experiments.judging import answers
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.trials import conducted
from traces.committed import committed
from traces.errors import InputError
from traces.home import ExperimentFolder
from traces.kernel import ApprovalDecided, Chat, LimitHit, MessageSent, Record, RunStarted, ToolExecuted
from traces.prompts import prompt_at
from traces.store import Store


@pytest.fixture
def parent() -> ExperimentFolder:
    folder = prepare(
        Plan("billing_support", ("supervisor",), model="sim:small", cases=("first_month",), trials=1, seed=3)
    )
    conducted(folder)
    return folder


def _records(folder: ExperimentFolder) -> list[Record]:
    (run,) = committed(folder.journals())
    return run.records


def _first(records: list[Record], kind: type, last: bool = False) -> int:
    found = [record.seq for record in records if isinstance(record.event, kind)]
    return found[-1 if last else 0]


def _fork(parent: ExperimentFolder, step: int, **changes: str) -> list[Record]:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    folder = prepared(ForkPlan(parent.id, 0, step, named))
    (records,) = conducted(folder)
    old = _records(parent)
    assert _events(records)[1:step] == _events(old)[1:step]
    assert [one for one in verify(folder) if not one.same] == []
    return records


def _events(records: list[Record]) -> list[tuple[float, object]]:
    return [(record.t, record.event) for record in records]


def test_a_fork_without_a_change_comes_to_its_parents_end(parent: ExperimentFolder) -> None:
    records = _records(parent)
    before = parent.journal_file().read_bytes()
    for step in range(1, len(records), 13):
        again = _fork(parent, step)
        keyless = [[e for e in _events(r)[1:] if "EffectIntended" not in repr(e)] for r in (again, records)]
        assert keyless[0] == keyless[1]
    assert parent.journal_file().read_bytes() == before


def test_the_same_fork_is_the_same_run_and_many_forks_differ(parent: ExperimentFolder) -> None:
    step = _first(_records(parent), Chat)
    many = [conducted(prepared(ForkPlan(parent.id, 0, step, {}, trials=4))) for _ in range(2)]
    assert [_events(run)[1:] for run in many[0]] == [_events(run)[1:] for run in many[1]]
    assert len({repr(_events(run)[1:]) for run in many[0]}) > 1


def test_a_prompt_and_instructions_can_be_changed(parent: ExperimentFolder) -> None:
    step = _first(_records(parent), Chat, last=True)
    for name, place in (("prompt", -1), ("instructions", 0)):
        records = _fork(parent, step, **{name: "Say that it is not done."})
        chats = [r.seq for r in records if isinstance(r.event, Chat) and r.seq >= step]
        assert prompt_at(records, chats[0])[place].content == "Say that it is not done."


def test_a_reply_a_result_and_a_message_can_be_changed(parent: ExperimentFolder) -> None:
    old = _records(parent)
    told = _fork(parent, step := _first(old, MessageSent, last=True), message="It is all wrong.")
    assert told[step].event.message.content == "It is all wrong."  # type: ignore[union-attr]
    found = _fork(parent, step := _first(old, ToolExecuted), result="0 rows")
    assert found[step].event.result == "0 rows"  # type: ignore[union-attr]
    assert "0 rows" in str([r.event for r in found[step + 1 :] if isinstance(r.event, Chat)])
    said = _fork(parent, step := _first(old, Chat, last=True), reply='{"done": true, "answer": "Forked."}')
    assert said[-1].event.answer == "Forked."  # type: ignore[union-attr]
    assert said[step].event.text.endswith('"Forked."}')  # type: ignore[union-attr]


def test_a_debater_acts_on_what_it_was_told_and_not_on_what_was_thought() -> None:
    folder = prepare(Plan("billing_support", ("debate",), model="sim:small", cases=("first_month",), trials=1, seed=10))
    (old,) = conducted(folder)
    agreed = next(r for r in old if isinstance(r.event, MessageSent) and r.event.message.kind == "agrees")
    told = _fork(folder, agreed.seq, message="* amount: 611.61 is wrong")
    heard = next(r.event for r in told if r.seq > agreed.seq and isinstance(r.event, Chat) and r.event.purpose == "act")
    assert heard.agent == agreed.event.message.to  # type: ignore[union-attr]
    assert "611.61 is wrong" in heard.added[-1].content
    proposed = next(r for r in old if isinstance(r.event, MessageSent) and r.event.message.kind == "proposal")
    other = _fork(folder, proposed.seq, message="Nothing was wrong.")
    attack = next(e for _, e in _events(other) if isinstance(e, Chat) and e.purpose == "attack" and e.agent == "solo-2")
    assert "Nothing was wrong." in attack.added[-1].content


def test_an_approval_can_be_changed_and_then_nothing_is_done(parent: ExperimentFolder) -> None:
    step = _first(_records(parent), ApprovalDecided)
    records = _fork(parent, step, approved="no")
    assert "not allowed: decided by the fork" in records[step + 1].event.result  # type: ignore[union-attr]


def test_the_model_the_budget_and_the_team_can_be_changed(parent: ExperimentFolder) -> None:
    old = _records(parent)
    for step in (_first(old, Chat), _first(old, Chat, last=True)):
        calls = [(r.seq, r.event) for r in _fork(parent, step, model="sim:large") if isinstance(r.event, Chat)]
        assert {(e.model, e.window) for seq, e in calls if seq >= step} == {("sim:large", 200_000)}
        assert {(e.model, e.window) for seq, e in calls if seq < step} <= {("sim:small", 32_768)}
    both = _fork(parent, step, model="sim:large", reply="What?")
    after = [r.event for r in both if isinstance(r.event, Chat) and r.seq >= step]
    assert [(e.model, e.window) for e in after[:2]] == [("sim:small", 32_768), ("sim:large", 200_000)]
    spent = sum(r.event.usage.tokens for r in old[:step] if isinstance(r.event, Chat))
    limited = _fork(parent, step, budget__tokens=str(spent))
    assert isinstance(limited[step].event, LimitHit)
    assert _fork(parent, step, team__stop__max_rounds="5")[-1].event.status == "completed"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("step", "changes", "message"),
    [
        (0, {}, "can be forked at steps 1 to"),
        (999, {}, "can be forked at steps 1 to"),
        (6, {"result": "x"}, "--set result: at step 6 can be set: prompt, reply"),
        (6, {"budget.tokens": "many"}, "not a number"),
        (6, {"team.nothing": "1"}, "the team has no such setting"),
        (6, {"team.stop.max_rounds": "-1"}, "team.stop.max_rounds"),
        (6, {"model": "sim:huge"}, "no simulated model 'huge'"),
        (36, {"budget.tokens": "700"}, "what is set shows already at step"),
    ],
)
def test_what_cannot_be_set_is_said(parent: ExperimentFolder, step: int, changes: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepared(ForkPlan(parent.id, 0, step, changes))
    assert len(list(parent.path.parent.iterdir())) == 1


def test_what_can_be_changed_is_told(parent: ExperimentFolder) -> None:
    records = _records(parent)
    assert changeable(parent.id, 0, _first(records, ToolExecuted))["result"].startswith("1 row")
    assert (
        changeable(parent.id, 0, _first(records, Chat))["prompt"]
        == prompt_at(records, _first(records, Chat))[-1].content
    )


def test_a_fork_that_was_cut_off_is_resumed(parent: ExperimentFolder) -> None:
    step = _first(_records(parent), ToolExecuted)
    folder = prepared(ForkPlan(parent.id, 0, step, {"result": "0 rows"}))
    (whole,) = conducted(folder)
    lines = folder.journal_file().read_bytes().splitlines(keepends=True)
    for cut in (1, step - 1, step, step + 1, step + 4, len(lines) - 1):
        folder.journal_file().write_bytes(b"".join(lines[:cut]))
        (again,) = conducted(folder)
        assert _events(again) == _events(whole)


def test_lineage_is_stored_and_shown(parent: ExperimentFolder) -> None:
    _ = Store().runs(parent.id)
    command = [
        sys.executable,
        "-m",
        "headcount",
        "fork",
        parent.id,
        "0",
        "--at",
        "6",
        "--set",
        "prompt=Plan.",
        "--json",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (row,) = Store().runs(told["experiment"])
    assert (row.parent_experiment, row.parent_run, row.parent_step) == (parent.id, 0, 6)
    assert json.loads(row.changes or "") == {"prompt": "Plan."}
    assert Store().runs(parent.id)[0].parent_experiment is None
    (record, *_) = Store().events(told["experiment"], 0)
    assert isinstance(record.event, RunStarted)
    assert record.event.run.parent is not None
    assert record.event.run.parent.changes == {"prompt": "Plan."}


def test_other_words_for_a_simulated_model_are_said_to_be_another_draw(parent: ExperimentFolder) -> None:
    assert "only a real model tells" in fork.caveat(parent, ["prompt"])
    assert "only a real model tells" in fork.caveat(parent, ["budget.tokens", "instructions"])
    assert fork.caveat(parent, ["reply", "result", "budget.tokens"]) == ""


def test_forks_are_no_comparison_and_no_estimate_of_what_runs_take() -> None:
    plan = Plan("billing_support", ("supervisor",), model="sim:small", cases=("first_month",), trials=1)
    whole = prepare(plan)
    conduct(whole)
    folder = prepared(ForkPlan(whole.id, 0, 5, {}, 2))
    conduct(folder)
    store = Store()
    won = sum(row.success is True for row in store.runs(folder.id))
    said = answers.answer(store.experiment(folder.id), store)
    assert said.text == f"Forked from run 0 of {whole.id} at step 5: {won} of 2 succeeded."
    (expected,) = expecting.expect(plan, plans.check(plan), modelcards.card("sim:small", None), store)
    assert (expected.basis, expected.runs) == ("past", 1)
