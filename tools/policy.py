"""Which outside effects are allowed: rules of the scenario, then an approver."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Bound(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float | None = None
    max: float | None = None
    one_of: tuple[str | float, ...] | None = None


class Rule(BaseModel):
    """The first rule that fits a call of an outside-effect tool decides. `when` bounds arguments. An
    `allow` fits a call from a context that holds untrusted text only where it says `untrusted: true`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    decision: Literal["allow", "ask", "deny"]
    when: dict[str, Bound] = {}
    untrusted: bool = False
    reason: str = ""
