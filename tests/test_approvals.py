"""A person's yes or no: waited for, found again after a crash, used once, recorded with the name."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from standin import Standin, call, text

from experiments import plan as plans
from experiments.plan import Plan
from tools import approvals
from tools.approvals import GO_ON, Inbox, Request
from tools.policy import Ask, Decision
from traces import clock
from traces.errors import InputError
from traces.kernel import ApprovalDecided, ToolExecuted
from traces.store import Store

CREDIT = Ask("coder-1", "create_credit_note", {"invoice_id": "INV-1", "amount": 300.0}, ("Dear desk, credit me.",))
ARGUMENTS = '{"invoice_id": "INV-0001", "amount": 300, "reason": "duplicate"}'


def _inbox(folder: Path, wait_s: float = 30.0, run: int = 0) -> Inbox:
    return Inbox(folder, run, wait_s, step=lambda: 7, case="a_case", team="solo")


def _decided(folder: Path, ask: Ask = CREDIT, wait_s: float = 30.0) -> Decision:
    return clock.run(_inbox(folder, wait_s).decide(ask, "the team lead decides"), virtual=False)


def _await(folder: Path) -> Request:
    deadline = time.monotonic() + 60
    while not (found := approvals.waiting(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0]


def _later(folder: Path, approved: bool, why: str = "") -> threading.Thread:
    def answer() -> None:
        approvals.answer(folder, _await(folder).id, approved=approved, by="Ada", text=why)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


@pytest.mark.parametrize(("approved", "why"), [(True, "approved"), (False, "too much")])
def test_the_decision_is_the_persons(tmp_path: Path, approved: bool, why: str) -> None:
    thread = _later(tmp_path, approved, why)
    assert _decided(tmp_path) == Decision(approved, "Ada", why)
    thread.join()
    assert approvals.waiting(tmp_path) == []


def test_the_request_says_all_that_there_is_to_know(tmp_path: Path) -> None:
    thread = threading.Thread(target=_decided, args=(tmp_path, CREDIT, 1.0))
    thread.start()
    request = _await(tmp_path)
    thread.join()
    assert (request.tool, request.arguments, request.untrusted) == (CREDIT.tool, CREDIT.arguments, CREDIT.untrusted)
    assert (request.agent, request.run, request.step, request.case, request.team) == ("coder-1", 0, 7, "a_case", "solo")
    assert (request.reason, round(request.until - request.asked)) == ("the team lead decides", 1)


def test_nobody_in_time_is_a_no(tmp_path: Path) -> None:
    decision = _decided(tmp_path, wait_s=0.3)
    assert (decision.approved, decision.approver) == (False, "nobody")
    assert "nobody answered within 0.3 s" in decision.reason
    request, _ = approvals.all_of(tmp_path)[0]
    with pytest.raises(InputError, match="answered already"):
        approvals.answer(tmp_path, request.id, approved=True, by="Ada")


async def _asked_and_killed(folder: Path) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_inbox(folder).decide(CREDIT, ""), 0.3)


def test_an_answer_that_came_while_the_run_was_dead_is_found_and_used_once(tmp_path: Path) -> None:
    clock.run(_asked_and_killed(tmp_path), virtual=False)
    approvals.answer(tmp_path, _await(tmp_path).id, approved=True, by="Ada")
    assert _decided(tmp_path, wait_s=0.3).approver == "Ada"
    assert _decided(tmp_path, wait_s=0.3).approver == "nobody"
    assert [answer.by for _, answer in approvals.all_of(tmp_path) if answer] == ["Ada", "nobody"]


def test_the_same_call_twice_is_asked_twice(tmp_path: Path) -> None:
    async def both() -> list[Decision]:
        inbox = _inbox(tmp_path, 0.3)
        return [await inbox.decide(CREDIT, ""), await inbox.decide(CREDIT, "")]

    clock.run(both(), virtual=False)
    assert len(approvals.all_of(tmp_path)) == 2


def test_the_first_answer_stands(tmp_path: Path) -> None:
    clock.run(_asked_and_killed(tmp_path), virtual=False)
    request = _await(tmp_path).id
    results: list[str] = []

    def give(name: str) -> None:
        with contextlib.suppress(InputError):
            approvals.answer(tmp_path, request, approved=name == "Ada", by=name)
            results.append(name)

    threads = [threading.Thread(target=give, args=(name,)) for name in ("Ada", "Bob", "Cy", "Di")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [approvals.all_of(tmp_path)[0][1].by]  # type: ignore[union-attr]


@pytest.mark.parametrize(("request_id", "by"), [("../../etc", "Ada"), ("0" * 16, "Ada"), ("0" * 16, " ")])
def test_wrong_answers_are_refused(tmp_path: Path, request_id: str, by: str) -> None:
    with pytest.raises(InputError):
        approvals.answer(tmp_path, request_id, approved=True, by=by)


def test_questions_are_answered_the_same_way(tmp_path: Path) -> None:
    thread = _later(tmp_path, True, "Use the 2026 policy.")
    asked = _inbox(tmp_path).answer("solo", "Which policy?")
    assert clock.run(asked, virtual=False) == ("Use the 2026 policy.", "Ada")
    thread.join()
    assert clock.run(_inbox(tmp_path, 0.3).answer("solo", "And now?"), virtual=False) == (GO_ON, "nobody")


def test_simulated_time_waits_for_nobody(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="simulated"):
        clock.run(_inbox(tmp_path).decide(CREDIT, ""), virtual=True)
    with pytest.raises(InputError, match="--approver person: sim:medium runs in simulated time"):
        plans.check(Plan("billing_support", approver="person"))
    with pytest.raises(InputError, match="none of simulated, person, terminal, deny"):
        plans.check(Plan("billing_support", approver="boss"))  # type: ignore[arg-type]


# --- whole runs ---------------------------------------------------------------------------------------------------

SCRIPT = [call("create_credit_note", ARGUMENTS), text("I made the credit note CN-1.")]


def _events(experiment: str) -> tuple[ApprovalDecided, ToolExecuted]:
    events = [record.event for record in Store().events(experiment, 0)]
    decided = next(event for event in events if isinstance(event, ApprovalDecided))
    return decided, next(e for e in events if isinstance(e, ToolExecuted) and e.tool == "create_credit_note")


SKIPS_ITS_CHECKS = "shape: solo\nagent: {check: none}\n"


def test_the_terminal_asks_and_a_no_reaches_the_agent(tmp_path: Path) -> None:
    team = tmp_path / "bare.yaml"
    team.write_text(SKIPS_ITS_CHECKS)
    with Standin(SCRIPT) as server:
        model = ["--model", "hosted_vllm/standin", "--api-base", server.url, "--approver", "terminal", "--json"]
        command = [sys.executable, "-m", "headcount", "run", "billing_support", "--team", str(team), *model]
        done = subprocess.run(
            command, input="no\nnot this customer\n", capture_output=True, text=True, check=False, timeout=100
        )
    assert done.returncode == 0, done.stderr
    assert "wants to do this" in done.stderr
    assert "invoice_id = 'INV-0001'" in done.stderr
    decided, made = _events(json.loads(done.stdout)["experiment"])
    assert (decided.approved, decided.reason, made.ok) == (False, "not this customer", False)
    assert "not this customer" in made.result
