"""Rules for tools with an outside effect, as a scenario's file has them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from traces.bounds import is_number


class Bound(BaseModel):
    """What an argument must be for a rule to fit: within `min` and `max` (both included), or one of a list. A `max` of
    0 or more without a `min` bounds the amount: nothing below 0 is within. Only finite numbers are within numeric
    bounds: no text, no truth value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min: float | None = None
    max: float | None = None
    one_of: tuple[bool | str | float, ...] | None = None

    def fits(self, value: Any) -> bool:
        """Whether it is surely within: what an `allow` asks for."""
        least = 0.0 if self.min is None and self.max is not None and self.max >= 0 else self.min
        return self._listed(value) and (not self._numeric or (is_number(value) and _within(value, least, self.max)))

    def may_fit(self, value: Any) -> bool:
        """Whether it is within, or cannot be compared: what an `ask` or a `deny` is satisfied with."""
        return self._listed(value) and (not self._numeric or not is_number(value) or _within(value, self.min, self.max))

    @property
    def _numeric(self) -> bool:
        return self.min is not None or self.max is not None

    def _listed(self, value: Any) -> bool:
        """Whether it is in the list; True is not 1 there."""
        if self.one_of is None:
            return True
        return any(isinstance(value, bool) is isinstance(one, bool) and value == one for one in self.one_of)


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


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
        return all(name in arguments and self._bounds(bound, arguments[name]) for name, bound in self.when.items())

    def _bounds(self, bound: Bound, value: Any) -> bool:
        return bound.fits(value) if self.decision == "allow" else bound.may_fit(value)
