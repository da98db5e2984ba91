"""Profiles: what a simulated model is like, in numbers. Shipped ones are in profiles/*.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks import yamlfile
from tasks.case import Skill, Strict
from traces.errors import InputError

# Failure modes of MAST (Cemri et al. 2025, "Why Do Multi-Agent LLM Systems Fail?"), by short names.
Mode = Literal[
    "disobeys_task",
    "disobeys_role",
    "repeats_step",
    "loses_history",
    "unaware_of_end",
    "resets",
    "doesnt_ask",
    "derails",
    "withholds",
    "ignores",
    "says_not_does",
    "ends_early",
]

FOLDER = Path(__file__).parent / "profiles"


class Check(Strict):
    """How well it finds a wrong fact: in its own work, in somebody else's; `blind` multiplies both where the right
    value is nowhere in sight. `false_alarm`: how often right work is sent back."""

    own: float = Field(ge=0, le=1)
    other: float = Field(ge=0, le=1)
    blind: float = Field(ge=0, le=1)
    false_alarm: float = Field(ge=0, le=1)


class Speed(Strict):
    """Seconds to the first token beyond reading the prompt, tokens per second reading and writing, and the standard
    deviation of the logarithm of the total."""

    first_token_s: float = Field(ge=0)
    prefill_tps: float = Field(gt=0)
    decode_tps: float = Field(gt=0)
    jitter: float = Field(ge=0)


class Price(Strict):
    """USD per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Profile(Strict):
    """`error`: probability that a step of a skill goes wrong, in a short context with few tools. It grows by
    `per_1k_context` for each 1,000 tokens of prompt and by `per_extra_tool` for each tool beyond four.
    `mix`: weights of the failure modes (names of MAST), among those that can happen at a step."""

    name: str
    note: str = ""
    context_window: int = Field(gt=0)
    parameters: float | None = None
    error: dict[Skill, float]
    plan_error: float = Field(ge=0, le=1)
    per_1k_context: float = Field(ge=0)
    per_extra_tool: float = Field(ge=0)
    check: Check
    mix: dict[Mode, float] = Field(default={})
    verbosity: float = Field(gt=0)
    speed: Speed
    price: Price

    def error_rate(self, skill: Skill, context_tokens: int, tools: int) -> float:
        """The probability that this step goes wrong here."""
        grown = 1 + self.per_1k_context * context_tokens / 1000 + self.per_extra_tool * max(0, tools - 4)
        return min(0.95, self.error[skill] * grown)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load(name: str) -> Profile:
    """A shipped profile by name, or one of the user's by the path of its file."""
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(f"no simulated model {name!r}: give one of {', '.join(names())}, or a profile's .yaml file")
    return yamlfile.load(path, Profile, name=path.stem)
