"""Which outside effects are allowed: rules of the scenario first, then an approver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict


class Bound(BaseModel):
    """What an argument must be for a rule to fit: within `min` and `max` (both included), or one of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float | None = None
    max: float | None = None
    one_of: tuple[str | float, ...] | None = None

    def fits(self, value: Any) -> bool:
        if self.one_of is not None and value not in self.one_of:
            return False
        if self.min is None and self.max is None:
            return True
        if not isinstance(value, int | float):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class Rule(BaseModel):
    """The first rule that fits a call of an outside-effect tool decides. `when` bounds arguments. An
    `allow` fits a call from a context that holds untrusted text only where it says `untrusted: true`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    decision: Literal["allow", "ask", "deny"]
    when: dict[str, Bound] = {}
    untrusted: bool = False
    reason: str = ""

    def fits(self, tool: str, arguments: dict[str, Any], tainted: bool) -> bool:
        if self.tool != tool or (self.decision == "allow" and tainted and not self.untrusted):
            return False
        return all(name in arguments and bound.fits(arguments[name]) for name, bound in self.when.items())


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
