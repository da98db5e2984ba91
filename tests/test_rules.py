"""Rules for outside effects: what a bound lets through, and that nothing is approved where nobody approves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from experiments.plan import Plan
from tests.trials import do, events
from tools.policy import Ask, Decision, Gate, Refusing, SimulatedApprover
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


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize("name", ["min", "max"])
def test_a_bound_is_a_number_that_bounds(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Rule.model_validate({"tool": "pay", "decision": "allow", "when": {"amount": {name: float(value)}}})


@pytest.mark.parametrize(
    "rule",
    [
        {"tool": "pay", "decision": "allow", "wen": {}},
        {"tool": "pay", "decision": "allow", "when": {"amount": {"maximum": 5}}},
        {"tool": "pay", "decision": "perhaps"},
        {"decision": "allow"},
    ],
)
def test_a_rule_with_a_slip_in_it_is_no_rule(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


@pytest.mark.parametrize(
    ("decision", "untrusted", "tainted", "fits"),
    [
        ("allow", False, False, True),
        ("allow", False, True, False),
        ("allow", True, True, True),
        ("allow", True, False, True),
        ("deny", False, True, True),
        ("ask", False, True, True),
    ],
)
def test_untrusted_text_keeps_only_an_allow_from_fitting(
    decision: Any, untrusted: bool, tainted: bool, fits: bool
) -> None:
    rule = Rule(tool="pay", decision=decision, untrusted=untrusted)
    assert rule.fits("pay", {"amount": 5}, tainted) is fits
    assert not rule.fits("mail", {"amount": 5}, tainted)


@pytest.mark.parametrize("decision", ["allow", "ask", "deny"])
def test_every_argument_must_be_there_and_within(decision: Any) -> None:
    rule = Rule(tool="pay", decision=decision, when={"amount": Bound(max=10), "to": Bound(one_of=("ann",))})
    assert rule.fits("pay", {"amount": 10, "to": "ann", "note": "x"}, tainted=False)
    for arguments in ({"amount": 11, "to": "ann"}, {"amount": 10, "to": "bob"}, {"amount": 10}, {"to": "ann"}, {}):
        assert not rule.fits("pay", arguments, tainted=False)


class Asked:
    """An approver that keeps why it was asked."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def decide(self, ask: Ask, reason: str) -> Decision:
        self.reasons.append(reason)
        return Decision(True, "Ada", "")


def _gate(rules: list[dict[str, Any]], tainted: bool = False) -> tuple[Decision, list[str]]:
    approver = Asked()
    gate = Gate([Rule.model_validate({"tool": "pay", **rule}) for rule in rules], approver)
    ask = Ask("ann", "pay", {"amount": 5}, ("a mail",) if tainted else ())
    return asyncio.run(gate.decide(ask)), approver.reasons


def test_who_approves_learns_why_it_is_asked() -> None:
    assert _gate([{"decision": "ask", "reason": "above 4"}])[1] == ["above 4"]
    assert _gate([])[1] == ["no rule fits"]
    decision, why = _gate([{"decision": "allow"}], tainted=True)
    assert why == ["no rule fits, and the context holds untrusted text"]
    assert (decision.approver, decision.by_rule) == ("Ada", False)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"decision": "allow", "reason": "small"}], (True, "policy:rule 1", "small")),
        ([{"decision": "allow"}], (True, "policy:rule 1", "the policy says allow")),
        ([{"decision": "deny"}], (False, "policy:rule 1", "the policy says deny")),
        ([{"decision": "deny", "when": {"amount": {"min": 6}}}, {"decision": "allow"}],
         (True, "policy:rule 2", "the policy says allow")),
    ],
)  # fmt: skip
def test_a_rule_decides_with_its_reason_and_nobody_is_asked(
    rules: list[dict[str, Any]], expected: tuple[bool, str, str]
) -> None:
    decision, why = _gate(rules)
    assert (decision.approved, decision.approver, decision.reason, why) == (*expected, [])
    assert decision.by_rule


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"decision": "allow", "reason": "small"}], (True, "simulated:rule 1", "small")),
        ([{"decision": "allow"}], (True, "simulated:rule 1", "allow")),
        ([{"decision": "ask"}], (False, "simulated:rule 1", "ask")),
        ([{"tool": "mail", "decision": "deny"}, {"decision": "deny"}], (False, "simulated:rule 2", "deny")),
        ([{"tool": "mail", "decision": "allow"}], (False, "simulated:default", "no rule of the approver allows it")),
    ],
)
def test_the_simulated_approver_goes_by_its_own_rules(
    rules: list[dict[str, Any]], expected: tuple[bool, str, str]
) -> None:
    approver = SimulatedApprover([Rule.model_validate({"tool": "pay", **rule}) for rule in rules])
    tainted = Ask("ann", "pay", {"amount": 5}, ("a mail",))  # it stands in for a person, who sees what is in it
    decision = asyncio.run(approver.decide(tainted, "no rule fits"))
    assert (decision.approved, decision.approver, decision.reason) == expected
    assert decision.by_rule


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
