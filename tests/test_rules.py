"""Rules for outside effects: what a bound lets through, and that nothing is approved where nobody approves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from experiments.plan import Plan
from tests.trials import do, events
from tools.policy import Ask, Gate, Refusing
from tools.rules import Bound, Rule
from traces.kernel import ApprovalDecided, EffectIntended


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ({"max": 250}, [0, 0.01, 250, 250.0], [250.01, -0.01, -99999, 251]),
        ({"min": 10}, [10, 10.0, 11, 10**12], [9.99, 0, -10]),
        ({"min": 10, "max": 20}, [10, 15, 20], [9, 21, -15]),
        ({"min": -5, "max": 5}, [-5, 0, 5], [-5.1, 5.1]),
        ({"max": -1}, [-1, -100], [0, 1, -0.5]),
        ({"max": 0}, [0], [1, -1]),
    ],
)
def test_bounds_are_included_and_a_most_alone_begins_at_0(bound: dict[str, Any], inside: Any, outside: Any) -> None:
    assert [value for value in inside if not Bound(**bound).fits(value)] == []
    assert [value for value in outside if Bound(**bound).fits(value)] == []


@pytest.mark.parametrize("bound", [{"max": 250}, {"min": 0}, {"min": 0, "max": 250}])
@pytest.mark.parametrize(
    "value", [True, False, float("nan"), float("inf"), float("-inf"), "5", "", None, [5], {"a": 5}, 10**400, -(10**400)]
)
def test_only_numbers_are_within_numbers(bound: dict[str, Any], value: Any) -> None:
    assert not Bound(**bound).fits(value)


@pytest.mark.parametrize(
    ("listed", "inside", "outside"),
    [
        (["refund", "tax"], ["refund", "tax"], ["Refund", "", "refund ", None, ["refund"], 1]),
        ([1, 2.5], [1, 1.0, 2.5], [True, 2, "1", None]),
        ([True], [True], [1, 1.0, "true", False]),
    ],
)
def test_one_of_a_list_is_just_that(listed: list[Any], inside: Any, outside: Any) -> None:
    bound = Bound(one_of=tuple(listed))
    assert [value for value in inside if not bound.fits(value)] == []
    assert [value for value in outside if bound.fits(value)] == []


def test_a_list_and_bounds_hold_together() -> None:
    bound = Bound(one_of=(1, 5, 9), max=5)
    assert [value for value in (1, 5, 9, 2) if bound.fits(value)] == [1, 5]


@pytest.mark.parametrize("decision", ["deny", "ask"])
@pytest.mark.parametrize(
    ("bound", "value", "fits"),
    [
        ({"min": 1000}, 1000, True),
        ({"min": 1000}, 999, False),
        ({"min": 1000}, "5000", True),
        ({"min": 1000}, True, True),
        ({"min": 1000}, float("nan"), True),
        ({"max": 0}, -5, True),
        ({"max": 0}, 1, False),
    ],
)
def test_what_cannot_be_compared_is_denied_or_asked_about(
    decision: str, bound: dict[str, Any], value: Any, fits: bool
) -> None:
    rule = Rule.model_validate({"tool": "pay", "decision": decision, "when": {"amount": bound}})
    assert rule.fits("pay", {"amount": value}, tainted=False) is fits


def test_where_nobody_approves_what_the_rules_leave_open_is_refused() -> None:
    rules = [Rule.model_validate({"tool": "pay", "decision": "allow", "when": {"amount": {"max": 10}}})]
    gate = Gate(rules, Refusing())

    def decided(amount: Any) -> tuple[bool, str]:
        decision = asyncio.run(gate.decide(Ask("ann", "pay", {"amount": amount})))
        return decision.approved, decision.approver

    assert decided(10) == (True, "policy:rule 1")
    assert [decided(amount) for amount in (11, -99999, True)] == [(False, "policy:approver")] * 3


def test_a_run_with_the_approver_deny_has_no_effect_that_the_rules_did_not_allow() -> None:
    def decisions(approver: Any) -> tuple[list[ApprovalDecided], int]:
        plan = Plan("billing_support", ("solo",), model="sim:oracle", trials=1, approver=approver)
        all_events = [event for _, recorder in do(plan) for event in events(recorder)]
        effects = sum(isinstance(event, EffectIntended) for event in all_events)
        return [event for event in all_events if isinstance(event, ApprovalDecided)], effects

    simulated, _ = decisions("simulated")
    assert any(event.approved and event.approver.startswith("simulated:") for event in simulated)
    denied, effects = decisions("deny")
    asked = [event for event in denied if not event.approver.startswith("policy:rule")]
    assert asked
    assert not any(event.approved for event in asked)
    assert effects == sum(event.approved for event in denied)
