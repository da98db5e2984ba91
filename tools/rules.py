"""Rules for tools with an outside effect, as a scenario's file has them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Bound(BaseModel):
    """What an argument must be for a rule to fit: within `min` and `max` (both included), or one of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tool: str
    decision: Literal["allow", "ask", "deny"]
    when: dict[str, Bound] = {}
    untrusted: bool = False
    reason: str = ""

    def fits(self, tool: str, arguments: dict[str, Any], tainted: bool) -> bool:
        if self.tool != tool or (self.decision == "allow" and tainted and not self.untrusted):
            return False
        return all(name in arguments and bound.fits(arguments[name]) for name, bound in self.when.items())
