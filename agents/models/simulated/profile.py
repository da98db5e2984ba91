"""Profiles: what a simulated model is like, in numbers. Shipped ones are in profiles/*.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from agents.models.simulated import scaling
from agents.models.simulated.servers import Servers
from tasks import yamlfile
from tasks.case import Skill, Strict
from traces import paths
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
OWN_SETTINGS = ("refusal", "cutoff", "verbosity", "context_window")
SERVER_SETTINGS = (
    "replicas",
    "slots",
    "batch_slowdown",
    "network_s",
    "requests_per_minute",
    "tokens_per_minute",
    "gpu_hour",
)
CORRELATION_SETTINGS = ("clones",)
LOAD_SETTINGS = {"load": "calls_per_s", "load_input": "input_tokens", "load_output": "output_tokens"}


class Check(Strict):
    """How well it finds a wrong fact: in its own work, in somebody else's; `blind` multiplies both where the right
    value is nowhere in sight. `false_alarm`: how often right work is sent back."""

    own: float = Field(ge=0, le=1)
    other: float = Field(ge=0, le=1)
    blind: float = Field(ge=0, le=1)
    false_alarm: float = Field(ge=0, le=1)


class Yields(Strict):
    """How often it gives up a value of its own, right or wrong: told by `one` that it is wrong (a review, a peer with
    another value), or against `more` peers who agree on another one than hold its own."""

    one: float = Field(ge=0, le=1)
    more: float = Field(ge=0, le=1)


class Correlation(Strict):
    """What tries of the same step share, each from 0 (nothing) to 1 (`difficulty`). `clones`: the correlation, on the
    logit scale, of two tries of the same model. `others`: the share of that difficulty which any other model has in
    common with it, `family`: a model of the same family. `case`: the share that the steps of a case have in common."""

    clones: float = Field(ge=0, lt=1)
    others: float = Field(ge=0, le=1)
    family: float = Field(ge=0, le=1)
    case: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _kin_are_nearer(self) -> Correlation:
        if self.family < self.others:
            raise ValueError(f"family ({self.family:g}) should not be below others ({self.others:g})")
        return self


class Handover(Strict):
    """What gets lost between agents. `loss`: how often a fact that one passes on to another is not passed on as it is,
    at each hop, in a short context; it grows as errors do. `bent`: the share of those that come out wrong; the others
    are left out. `unaided`: how often who was given a part of the job finds out by itself what that rests on, where
    nobody told it."""

    loss: float = Field(ge=0, le=1)
    bent: float = Field(ge=0, le=1)
    unaided: float = Field(ge=0, le=1)


def _typical(field: str) -> Callable[[], Any]:
    """What a profile has whose file does not give it, such as one from an earlier version: as the shipped medium."""
    return lambda: getattr(_file("medium"), field)


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
    `commission`: how often it makes an act that a case tempts it to and that must not be made. `looks_right`: how often
    it takes what a wrong call of its own gave back for what it was looking for.
    `mix`: weights of the failure modes (names of MAST), among those that can happen at a step. `refusal`: how often
    it declines to work on a request. `cutoff`: what was public by then (2024-06) it knows without looking it up.
    `servers`: what serves it; without, every call is served at once. `model`: the model that it is, whose difficulties
    it has, by default `name`; `family`: of which it is. `intervals`: of numbers that were fitted to runs, by name such
    as error.act, what 95 in 100 plausible models have."""

    name: str
    model: str = ""
    family: str = ""
    note: str = ""
    context_window: int = Field(gt=0)
    parameters: float | None = Field(default=None, gt=0)
    training_tokens: float | None = Field(default=None, gt=0)
    cutoff: str = Field(default="", pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")
    alignment: str = ""
    kv_bytes: int | None = Field(default=None, gt=0)
    refusal: float = Field(default=0, ge=0, le=1)
    error: dict[Skill, Annotated[float, Field(ge=0, le=1)]]
    plan_error: float = Field(ge=0, le=1)
    commission: float = Field(default_factory=_typical("commission"), ge=0, le=1)
    looks_right: float = Field(default_factory=_typical("looks_right"), ge=0, le=1)
    per_1k_context: float = Field(ge=0)
    per_extra_tool: float = Field(ge=0)
    check: Check
    correlation: Correlation = Field(default_factory=_typical("correlation"))
    yields: Yields = Field(default_factory=_typical("yields"))
    handover: Handover = Field(default_factory=_typical("handover"))
    mix: dict[Mode, Annotated[float, Field(ge=0)]] = Field(default={})
    verbosity: float = Field(gt=0)
    speed: Speed
    price: Price
    servers: Servers | None = None
    intervals: dict[str, tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]] = Field(default={})

    @field_validator("error")
    @classmethod
    def _of_each_skill(cls, error: dict[Skill, float]) -> dict[Skill, float]:
        missing = [skill for skill in get_args(Skill) if skill not in error]
        if missing:
            raise ValueError(f"says nothing of {', '.join(missing)}")
        return error

    @model_validator(mode="after")
    def _intervals_are_of_its_numbers(self) -> Profile:
        data = self.model_dump()
        for name, (low, high) in self.intervals.items():
            found: Any = data
            for part in name.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if not isinstance(found, int | float) or not low <= found <= high:
                raise ValueError(f"intervals: {name}: {low:g} to {high:g} does not hold the profile's number, {found}")
        return self

    @property
    def weights(self) -> str:
        """Whose difficulties it has: the same for all its clones."""
        return self.model or self.name

    def error_rate(self, skill: Skill, context_tokens: int, tools: int) -> float:
        """The probability that this step goes wrong here."""
        return min(0.95, self.error[skill] * self.crowded(context_tokens, tools))

    def crowded(self, context_tokens: int, tools: int = 0) -> float:
        """How many times as likely an error is here as in a short context with few tools."""
        return 1 + self.per_1k_context * context_tokens / 1000 + self.per_extra_tool * max(0, tools - 4)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(spec: str) -> Profile:
    """A profile by what stands behind `sim:`.

    `medium` (a shipped one) or the path of a file; or a size, `params=8e9,tokens=15e12` (and `law=hoffmann` for the
    original fit); each with more settings behind it, such as `medium,replicas=2,slots=8,load=1.5,gpu_hour=2.5`.
    Raises InputError for what it does not know, ScenarioError for a mistake in a file.
    """
    first, *rest = spec.split(",")
    settings = _settings(spec, rest if "=" not in first else [first, *rest])
    base = _sized(spec, settings) if "=" in first else _file(first)
    return _with(spec, base, settings)


def _file(name: str) -> Profile:
    path = FOLDER / f"{name}.yaml"
    if not paths.is_file(path):
        path = paths.given(name)
    if not paths.is_file(path):
        raise InputError(
            f"no simulated model {name!r}: give one of {', '.join(names())}, a profile's .yaml file, or a size such as "
            "params=8e9,tokens=15e12"
        )
    return of_file(path)


def of_file(path: Path) -> Profile:
    """A profile's file. Raises ScenarioError."""
    return yamlfile.load(path, Profile, name=path.stem)


def _settings(spec: str, words: list[str]) -> dict[str, str]:
    known = {"params", "tokens", "law", *OWN_SETTINGS, *CORRELATION_SETTINGS, *SERVER_SETTINGS, *LOAD_SETTINGS}
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            raise InputError(f"sim:{spec}: {word!r} is none of {', '.join(f'{name}=' for name in sorted(known))}")
        found[name] = value
    return found


def _sized(spec: str, settings: dict[str, str]) -> Profile:
    sizes = {name: _number(spec, name, settings.pop(name, "")) for name in ("params", "tokens")}
    law = settings.pop("law", "epoch")
    if law not in scaling.LAWS:
        raise InputError(f"sim:{spec}: law={law!r} is none of {', '.join(scaling.LAWS)}")
    anchors = {name: _file(name).model_dump() for name in scaling.ANCHORS}
    data = scaling.profile_data(anchors, sizes["params"], sizes["tokens"], law)
    size = f"params={sizes['params']:g},tokens={sizes['tokens']:g}"
    return Profile.model_validate({**data, "name": spec, "model": size})


def _number(spec: str, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise InputError(f"sim:{spec}: {name}={value!r} should be a number above 0, such as {name}=8e9")
    return number


def _with(spec: str, base: Profile, settings: dict[str, str]) -> Profile:
    """The profile with the settings instead of its own."""
    if not settings:
        return base
    data = {**base.model_dump(), "name": spec, "model": base.weights}
    servers = dict(data["servers"] or {})
    for name, value in settings.items():
        data["intervals"].pop(name, None)
        if name in LOAD_SETTINGS:
            servers["load"] = {**servers.get("load", {}), LOAD_SETTINGS[name]: value}
        elif name in SERVER_SETTINGS:
            servers[name] = value
        elif name in CORRELATION_SETTINGS:
            data["correlation"] = {**data["correlation"], name: value}
            data["intervals"].pop(f"correlation.{name}", None)
        else:
            data[name] = value
    try:
        return Profile.model_validate({**data, "servers": servers or None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"sim:{spec}: {first['loc'][-1]}: {first['msg']}, got {first['input']!r}") from None
