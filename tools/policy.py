"""Which outside effects are allowed: rules of the scenario first, then an approver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from tools.rules import Rule


class Decision(Struct, frozen=True):
    """`approver` is `policy:<rule>`, `simulated:<rule>` or a person's name."""

    approved: bool
    approver: str
    reason: str

    @property
    def by_rule(self) -> bool:
        """Whether the same would be decided again."""
        return self.approver.startswith(("policy:", "simulated:"))


class Ask(Struct, frozen=True):
    """A call of a tool with an outside effect. `untrusted`: the texts from outside in its agent's context."""

    agent: str
    tool: str
    arguments: dict[str, Any]
    untrusted: tuple[str, ...] = ()


class Approver(Protocol):
    """Decides where the rules do not; `reason` says why it was asked."""

    async def decide(self, ask: Ask, reason: str) -> Decision: ...


class Decides(Protocol):
    """Decides on a call of a tool with an outside effect: what a Gate is."""

    async def decide(self, ask: Ask) -> Decision: ...


class SimulatedApprover:
    """Stands in for a person in batch: rules of the same form as the policy's; what none of them allows is denied."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    async def decide(self, ask: Ask, reason: str) -> Decision:
        for number, rule in enumerate(self._rules, 1):
            if rule.fits(ask.tool, ask.arguments, tainted=False):
                return Decision(rule.decision == "allow", f"simulated:rule {number}", rule.reason or rule.decision)
        return Decision(False, "simulated:default", "no rule of the approver allows it")


class Refusing:
    """Allows nothing that the rules leave open."""

    async def decide(self, ask: Ask, reason: str) -> Decision:
        return Decision(False, "policy:approver", "nobody approves anything in this run")


class Gate:
    """Decides on every call of a tool with an outside effect: by the first rule that fits, else by the approver."""

    def __init__(self, rules: Sequence[Rule], approver: Approver) -> None:
        self._rules, self._approver = rules, approver

    async def decide(self, ask: Ask) -> Decision:
        tainted = bool(ask.untrusted)
        for number, rule in enumerate(self._rules, 1):
            if rule.fits(ask.tool, ask.arguments, tainted):
                if rule.decision == "ask":
                    return await self._approver.decide(ask, rule.reason)
                allowed = rule.decision == "allow"
                return Decision(allowed, f"policy:rule {number}", rule.reason or f"the policy says {rule.decision}")
        reason = "no rule fits" + (", and the context holds untrusted text" if tainted else "")
        return await self._approver.decide(ask, reason)
