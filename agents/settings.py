"""A team as data: who is in it, how each agent works inside, and when it stops. Files of this form are teams."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from agents.limits import RESERVE
from marketplace.inbox import Full
from marketplace.mechanisms import MECHANISMS
from tasks import yamlfile
from tasks.case import Strict
from traces import paths
from traces.errors import InputError, ScenarioError

SHIPPED = Path(__file__).parent / "teams"


class Member(Strict):
    """`count` agents of a role. `model`: another one than the experiment's, by name; `smaller` is the next smaller of
    the shipped simulated profiles."""

    role: str
    count: int = Field(default=1, ge=1, le=100)
    model: str | None = None

    @field_validator("role")
    @classmethod
    def _known(cls, role: str) -> str:
        from agents import roles

        try:
            roles.find(role)
        except InputError as error:
            raise ValueError(str(error)) from None
        return role


class Stop(Strict):
    """The first that is met ends the rounds. `agreement`: the share of proposals that are equal; `budget`: the share of
    the run's token budget that is used."""

    max_rounds: int | None = Field(default=None, ge=1, le=100)
    agreement: float | None = Field(default=None, gt=0, le=1)
    budget: float | None = Field(default=None, gt=0, le=1)


class Inside(Strict):
    """How each agent works.

    plan_first: plan-then-act (Wang et al. 2023, "Plan-and-Solve"), not step by step (ReAct, Yao et al. 2023).
    check:      who looks at an attempt before it counts: nobody, the agent itself, or a critic beside it.
    memory:     what happens when the context window is nearly full: the oldest messages are left out (window), or
                summed up by the model (summary).
    remember:   facts with a source are kept in LanceDB for later cases, and recalled from there.
    escalate:   the agent may ask a person.
    max_steps:  turns with tool calls that all agents of a run may take together; None: only the budget ends the work.
    fallback:   the model to go on with when a call has failed for good.
    cache:      a call that was made before in the run is answered from memory.
    """

    plan_first: bool = False
    check: Literal["none", "self", "critic"] = "none"
    memory: Literal["window", "summary"] = "window"
    remember: bool = False
    escalate: bool = False
    max_steps: int | None = Field(default=None, ge=1)
    fallback: str | None = None
    cache: bool = False


class When(Strict):
    """What a route fits: all that is given must hold. `feature` and `difficulty` are the case's own labels; `matches`
    (a regular expression) and `longer_than` (characters) look at the request."""

    feature: str | None = None
    difficulty: Literal["easy", "medium", "hard"] | None = None
    matches: str | None = None
    longer_than: int | None = None

    @field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern


class Route(Strict):
    when: When = When()
    team: str


class Mailbox(Strict):
    """A worker's inbox. `limit`: so many assignments wait in it, beside the one that the worker does; None is no limit.
    `full`: the sender waits for a place (wait), the oldest is dropped (drop_oldest), or the new one refused (refuse);
    what is dropped or refused comes back to who assigned it as not done."""

    limit: int | None = Field(default=None, ge=1, le=1000)
    full: Full = Full.WAIT


Evidence = Annotated[float, Field(ge=0)]


class Trade(Strict):
    """The rules of a market.

    quality:    who says whether a delivery is good enough: the reviewer, a second worker that does it again with the
                reviewer's vote where they differ (redundancy), or the case's reference (grader: the truth, a ceiling).
    reserve:    the most tokens that a subtask may be promised; the poster starts with so many for each.
    endowment:  the tokens that each worker starts with, out of which it pays penalties.
    fee_percent, penalty_percent: the market's share of a payment; what is paid for a failure, of the price.
    reposts:    how often a subtask is given to somebody else. With 0, the last delivery is taken as it is.
    deadline_s: seconds on the run's clock from the award, or from being sent back, to the delivery; None is no limit.
    explore:    reputations are drawn from what is known (Thompson sampling), not taken at their mean.
    known:      what the agents have earned before: agent → skill → [good, bad], as `headcount market reputations`
                prints it from an experiment.
    outside:    agents that may join from other processes, with their roles (docs/market.md); they have call_s seconds
                to bid, and outside_s to deliver where there is no deadline.
    """

    quality: Literal["reviewer", "grader", "redundancy"] = "reviewer"
    reserve: int = Field(default=RESERVE, ge=1)
    endowment: int = Field(default=1_000, ge=0)
    fee_percent: int = Field(default=2, ge=0, le=100)
    penalty_percent: int = Field(default=10, ge=0, le=100)
    reposts: int = Field(default=0, ge=0, le=20)
    deadline_s: float | None = Field(default=None, gt=0)
    explore: bool = False
    known: dict[str, dict[str, tuple[Evidence, Evidence]]] = Field(default_factory=dict)
    outside: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], str] = Field(
        default_factory=dict
    )
    call_s: float = Field(default=5.0, gt=0)
    outside_s: float = Field(default=120.0, gt=0)


class Settings(Strict):
    """`shape` is a shipped team's name or the import path of a function; the other fields are what that shape takes.

    lead: plans, decides or judges. members: do the work. reviewer: checks it. mechanism: how a market awards;
    trade: its other rules. inbox: of each of the members.
    routes: the first that fits names the team for a case.
    """

    shape: str
    about: str = ""
    lead: Member | None = None
    members: tuple[Member, ...] = ()
    reviewer: Member | None = None
    stop: Stop = Stop()
    inbox: Mailbox = Mailbox()
    agent: Inside = Inside()
    mechanism: str = "lowest_bid"
    trade: Trade = Trade()
    routes: tuple[Route, ...] = ()

    @property
    def people(self) -> tuple[Member, ...]:
        """Everyone in the team."""
        return tuple(m for m in (self.lead, *self.members, self.reviewer) if m is not None)


def shipped() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(path: Path) -> Settings:
    """A team's file. What it leaves out is as in the shipped team of its shape; what that team does not take is an
    error. Raises ScenarioError (file, line, field)."""
    own = yamlfile.load(path, Settings)
    _check_names(path, own)
    base = SHIPPED / f"{own.shape}.yaml"
    if path == base or ":" in own.shape:
        return own
    if not paths.is_file(base):
        raise yamlfile.error_at(
            path,
            ["shape"],
            f"no team {own.shape!r}: one of {', '.join(shipped())}, or an import path module:name"
            f"{yamlfile.nearest(own.shape, shipped())}",
        )
    default = yamlfile.load(base, Settings)
    takes = default.model_fields_set | {"about", "agent"}
    wrong = [
        yamlfile.error_at(
            path,
            [field],
            f"{own.shape} has no {field!r}; it takes {', '.join(sorted(takes))}{yamlfile.nearest(field, takes)}",
        )
        for field in sorted(own.model_fields_set - takes)
    ]
    if wrong:
        raise ScenarioError.first_of(wrong)
    return _over(default, own)


def _check_names(path: Path, own: Settings) -> None:
    """The mechanism and the teams of routes are there; of a team's file or an import path only when it is used."""
    wrong = []
    if own.mechanism not in MECHANISMS and ":" not in own.mechanism:
        known = f"one of {', '.join(MECHANISMS)}, or an import path{yamlfile.nearest(own.mechanism, MECHANISMS)}"
        wrong.append(yamlfile.error_at(path, ["mechanism"], f"no mechanism {own.mechanism!r}: {known}"))
    for number, route in enumerate(own.routes):
        if route.team not in shipped() and not route.team.endswith((".yaml", ".yml")) and ":" not in route.team:
            known = f"one of {', '.join(shipped())}, a team's file, or an import path{_near(route.team)}"
            wrong.append(yamlfile.error_at(path, ["routes", number, "team"], f"no team {route.team!r}: {known}"))
    if wrong:
        raise ScenarioError.first_of(wrong)


def _near(team: str) -> str:
    return yamlfile.nearest(team, shipped())


def _over(default: Settings, own: Settings) -> Settings:
    """The default with the user's fields; stop rules are replaced as a whole, agents' habits one by one."""
    fields: dict[str, Any] = {name: getattr(own, name) for name in own.model_fields_set}
    if "agent" in fields:
        habits = {name: getattr(own.agent, name) for name in own.agent.model_fields_set}
        fields["agent"] = default.agent.model_copy(update=habits)
    return default.model_copy(update=fields)
