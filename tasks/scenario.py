"""A scenario: a folder that holds a job. See docs/scenarios.md for the format.

scenario.yaml   what the job is, who may use what, the policies, the budget
cases/*.yaml    the cases, one file each; the file's name is the case's id
documents/      what can be retrieved (Markdown, text, HTML, PDF, DOCX, CSV)
world.sql       the database that every trial gets a fresh copy of
tools.py        the scenario's own tools          (functions marked with @tool)
grader.py       the scenario's own graders        (functions named in a case's `expect`)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks import graders, yamlfile
from tasks.case import Case, Strict
from tools import registry
from tools.chunking import Strategy
from tools.rules import Rule
from traces.errors import InputError, ScenarioError
from traces.kernel import Budget

SHIPPED = Path(__file__).resolve().parent / "scenarios"


class RoleUse(Strict):
    """What a role may use in this scenario, and what it should know about the job."""

    tools: tuple[str, ...] = ()
    guidance: str = ""


class Knowledge(Strict):
    """`embedding`: wordllama (runs here, offline), or a LiteLLM embedding model's name. `chunking`: where documents are
    cut (tools.chunking)."""

    folder: str = "documents"
    embedding: str = "wordllama"
    chunk_chars: int = Field(default=900, ge=100)
    overlap_chars: int = Field(default=120, ge=0)
    chunking: Strategy = "paragraphs"
    results: int = Field(default=4, ge=1, le=50)


class BudgetSpec(Strict):
    """Per run, shared by the whole team."""

    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)

    def kernel(self) -> Budget:
        return Budget(self.tokens, self.cost_usd, self.seconds, self.calls)


class Personal(Strict):
    """What is personal data, and is taken out of whatever is shared or exported: everything that stands in `columns` of
    the database (table.column), `texts` wherever they stand, and what `patterns` match: email, phone, iban, card, or
    regular expressions."""

    columns: tuple[Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$")], ...] = ()
    texts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    @field_validator("patterns")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns


class ScenarioFile(Strict):
    """scenario.yaml. `policies` decide on outside effects; what they leave open (`ask`) goes to the approver: a
    person, or in batch the simulated one described by `approver` (rules of the same form; none fits: deny)."""

    title: str
    story: str
    goal: str
    answer_style: str = ""
    roles: dict[str, RoleUse]
    knowledge: Knowledge | None = None
    database: str | None = None
    policies: tuple[Rule, ...] = ()
    approver: tuple[Rule, ...] = ()
    budget: BudgetSpec = BudgetSpec()
    personal: Personal = Personal()


class Scenario(BaseModel):
    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    name: str
    folder: Path
    file: ScenarioFile
    cases: tuple[Case, ...]

    @cached_property
    def digest(self) -> str:
        """Names the exact content of the folder: a comparison is only fair between equal digests."""
        total = hashlib.blake2b(digest_size=8)
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            total.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()

    def case(self, case_id: str) -> Case:
        for case in self.cases:
            if case.id == case_id:
                return case
        raise InputError(f"{self.name} has no case {case_id!r}; it has: {', '.join(c.id for c in self.cases)}")

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Every tool of any role, in order of first mention: what one agent alone gets."""
        return tuple(dict.fromkeys(name for role in self.file.roles.values() for name in role.tools))


def shipped() -> list[str]:
    """The names of the scenarios that come with Headcount."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/scenario.yaml"))


def find(name: str) -> Path:
    """The folder of a scenario given by a shipped name or a path. Raises InputError that lists what there is."""
    for folder in (SHIPPED / name, Path(name).expanduser()):
        if (folder / "scenario.yaml").is_file():
            return folder.resolve()
    if Path(name).expanduser().is_dir():
        raise InputError(f"{name}: a scenario folder needs a scenario.yaml (see docs/scenarios.md)")
    raise InputError(f"no scenario {name!r}: give the path of a folder, or one of {', '.join(shipped())}")


def load(name: str) -> Scenario:
    """The scenario, read and checked whole: a mistake in any file raises ScenarioError with its place. Read once for as
    long as no file in its folder changes."""
    folder = find(name)
    return _load(folder, _stamp(folder))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that a file has changed: names, times, sizes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return tuple((str(path), (seen := path.stat()).st_mtime_ns, seen.st_size) for path in paths)


@lru_cache(maxsize=16)
def _load(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> Scenario:
    file = yamlfile.load(folder / "scenario.yaml", ScenarioFile)
    paths = sorted((folder / "cases").glob("*.yaml"))
    if not paths:
        raise ScenarioError(str(folder / "cases"), "holds no case: add at least one .yaml file")
    cases = tuple(yamlfile.load(path, Case, id=path.stem) for path in paths)
    _check_tools(folder, file)
    custom = graders.custom_graders(folder)
    for path, case in zip(paths, cases, strict=True):
        _check_roles(path, case, file)
        _check_graders(path, case, custom)
    for field, part in (("database", file.database), ("knowledge.folder", file.knowledge and file.knowledge.folder)):
        if part and not (folder / part).exists():
            raise ScenarioError(str(folder / "scenario.yaml"), f"there is no {part} in {folder}", field=field)
    return Scenario(name=folder.name, folder=folder, file=file, cases=cases)


def _check_tools(folder: Path, file: ScenarioFile) -> None:
    there = registry.load(folder)
    for name, role in file.roles.items():
        for index, tool in enumerate(role.tools):
            if tool not in there:
                why = f"no tool {tool!r}; there are: {', '.join(there)}"
                raise yamlfile.error_at(folder / "scenario.yaml", ["roles", name, "tools", index], why)


def _check_graders(path: Path, case: Case, custom: Mapping[str, graders.Grader]) -> None:
    for index, expect in enumerate(case.expect):
        problem = graders.problem_with(expect, custom)
        if problem:
            raise yamlfile.error_at(path, ["expect", index, "grader"], problem)


def _check_roles(path: Path, case: Case, file: ScenarioFile) -> None:
    for index, subtask in enumerate(case.plan):
        role = file.roles.get(subtask.role)
        if role is None:
            why = f"no role {subtask.role!r} in scenario.yaml; it has: {', '.join(file.roles)}"
            raise yamlfile.error_at(path, ["plan", index, "role"], why)
        missing = next((s.tool for s in subtask.steps if s.tool and s.tool not in role.tools), None)
        if missing:
            has = ", ".join(role.tools) or "no tools"
            why = f"{subtask.role} may not use {missing!r}, which subtask {subtask.id!r} needs; it has: {has}"
            raise yamlfile.error_at(path, ["plan", index, "role"], why)
