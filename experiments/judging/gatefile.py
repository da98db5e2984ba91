"""experiment.yaml: an experiment with what it has to reach, for `headcount check`. docs/verdict.md has the format."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from agents import table
from agents.models import table as models
from experiments.plan import Approver, Plan
from tasks import scenario as scenarios
from tasks import yamlfile
from tasks.case import Strict
from tasks.scenario import BudgetSpec, Scenario
from tools import registry
from traces import paths
from traces.errors import InputError, ScenarioError

SLIP = 0.85  # names more alike than this (difflib) are meant to be the same


class NotWorse(Strict):
    """Than another team of the experiment, by more than `margin` (0.05 is 5 points)."""

    team: str = "solo"
    margin: float = Field(default=0.05, gt=0, lt=1)


class Accept(Strict):
    """What has to hold of a team; of every team where none is named. `success`: the share of runs that succeed, at
    least. At most: `cost_usd` and `tokens`, means per run; `latency_p95_s`, seconds that 95 % of runs keep to, on
    the runs' own clock; `refused_actions`, outside effects that were tried and refused by a rule or a person, in all
    runs; `failed`, runs that broke off with an error. `never`: tools that no run may call."""

    team: str | None = None
    success: float | None = Field(default=None, ge=0, le=1)
    cost_usd: float | None = Field(default=None, ge=0)
    tokens: float | None = Field(default=None, ge=0)
    latency_p95_s: float | None = Field(default=None, ge=0)
    refused_actions: int | None = Field(default=None, ge=0)
    failed: int | None = Field(default=None, ge=0)
    never: tuple[str, ...] = ()
    not_worse_than: NotWorse | None = None

    @model_validator(mode="after")
    def _something(self) -> Accept:
        if not self.model_fields_set - {"team"}:
            raise ValueError("says nothing that has to hold: give success, cost_usd, latency_p95_s, never, ...")
        return self


class Total(Strict):
    """What all runs together may use."""

    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)


class GateFile(Strict):
    """`undecided`: whether the check passes where there were too few trials to tell if a success rate is reached."""

    scenario: str
    teams: tuple[str, ...] = ("solo",)
    engines: tuple[str, ...] = ("native",)
    model: str = models.DEFAULT
    api_base: str | None = None
    cases: int | tuple[str, ...] | None = None
    trials: int = Field(default=3, ge=1)
    seed: int = 1
    budget: BudgetSpec = BudgetSpec()
    total: Total = Total()
    workers: int = Field(default=0, ge=0)
    approver: Approver = "simulated"
    accept: tuple[Accept, ...] = Field(min_length=1)
    undecided: Literal["fail", "pass"] = "fail"


def load(path: Path) -> tuple[GateFile, Plan]:
    """The file and the experiment that it describes; scenarios and team files stand where they are from the file.
    Raises ScenarioError with line and field."""
    file = yamlfile.load(path, GateFile)
    teams = tuple(_beside(path, team) for team in file.teams)
    _check_names(path, file, teams)
    names = {table.name_of(team) for team in teams}
    for number, accept in enumerate(file.accept):
        for field, name in (("team", accept.team), ("not_worse_than", _other(accept))):
            if name is not None and name not in names:
                wrong = f"{name!r} is none of {', '.join(sorted(names))}{yamlfile.nearest(name, names)}"
                raise yamlfile.error_at(path, ["accept", number, field], wrong)
    return file, Plan(
        _beside(path, file.scenario),
        teams,
        file.engines,
        file.model,
        file.api_base,
        file.cases,
        file.trials,
        file.seed,
        file.budget.kernel(),
        file.workers,
        total=BudgetSpec(tokens=file.total.tokens, cost_usd=file.total.cost_usd).kernel(),
        approver=file.approver,
    )


def _check_names(path: Path, file: GateFile, teams: tuple[str, ...]) -> None:
    """Scenario, teams, engines, model, cases and tools are there. Raises ScenarioError with all that are not, except
    for mistakes inside of the files that are named, which are their own."""
    error, wrong = yamlfile.place_of(path), list[ScenarioError]()

    def tried(loc: yamlfile.Loc, find: Callable[[], object]) -> None:
        try:
            find()
        except ScenarioError:
            raise
        except InputError as missing:
            wrong.append(error(loc, str(missing)))

    for number, team in enumerate(teams):
        tried(["teams", number], partial(table.team, team))
    for number, engine in enumerate(file.engines):
        tried(["engines", number], partial(table.engine, engine))
    tried(["model"], partial(models.resolve, file.model, file.api_base))
    tried(["scenario"], partial(scenarios.find, _beside(path, file.scenario)))
    if not wrong:
        wrong += _unknown_in(scenarios.load(_beside(path, file.scenario)), file, error)
    if wrong:
        raise ScenarioError.first_of(wrong)


def _unknown_in(
    scenario: Scenario, file: GateFile, error: Callable[[yamlfile.Loc, str], ScenarioError]
) -> Iterator[ScenarioError]:
    """Cases that the scenario does not have, and slips in the names of its tools: what no run may call may well be a
    tool that is not there, which a model makes up."""
    ids = [case.id for case in scenario.cases]
    for number, case in enumerate(file.cases if isinstance(file.cases, tuple) else ()):
        if case not in ids:
            yield error(["cases", number], f"{scenario.name} has no case {case!r}{yamlfile.nearest(case, ids)}")
    tools = registry.load(scenario.folder)
    for number, accept in enumerate(file.accept):
        for place, tool in enumerate(accept.never):
            if tool not in tools and difflib.get_close_matches(tool, tools, 1, SLIP):
                near = yamlfile.nearest(tool, tools)
                yield error(["accept", number, "never", place], f"{scenario.name} has no tool {tool!r}{near}")


def _other(accept: Accept) -> str | None:
    return accept.not_worse_than.team if accept.not_worse_than else None


def _beside(path: Path, name: str) -> str:
    """A file or folder that the file names by where it stands from it; anything else as it is."""
    found = path.parent / paths.given(name)
    return str(found) if paths.exists(found) and ("/" in name or "." in name) else name
