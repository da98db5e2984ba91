"""A scenario: a folder that holds a job. See docs/scenarios.md for the format.

scenario.yaml   what the job is, who may use what, the policies, the budget
cases/*.yaml    the cases, one file each; the file's name is the case's id
documents/      what can be retrieved (Markdown, text, HTML, PDF, DOCX, CSV)
world.sql       the database that every trial gets a fresh copy of
tools.py        the scenario's own tools          (functions marked with @tool)
grader.py       the scenario's own graders        (functions named in a case's `expect`)
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks import graders, wanted, yamlfile
from tasks.case import Case, Expect, Step, Strict, Tempting
from tasks.wanted import Late, Want
from tools import registry
from tools.chunking import Strategy
from tools.rules import Rule
from tools.tool import Tool
from traces import beside, paths, yamltree
from traces.errors import InputError, ScenarioError
from traces.kernel import Budget

T = TypeVar("T")
SOME = 3
"""Cases that a message names."""
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
    files: tuple[Path, ...] = ()
    """Of the cases, in their order."""

    @cached_property
    def problems(self) -> tuple[ScenarioError, ...]:
        """What is wrong although every file can be read; a run would fail on it later."""
        from tasks import checking

        return checking.problems(self)

    def path_of(self, case: Case) -> Path:
        return next(file for known, file in zip(self.cases, self.files, strict=True) if known is case)

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
        raise InputError(_no_case(self, case_id))

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Every tool of any role, in order of first mention: what one agent alone gets."""
        return tuple(dict.fromkeys(name for role in self.file.roles.values() for name in role.tools))


def _no_case(scenario: Scenario, given: str) -> str:
    ids = [case.id for case in scenario.cases]
    near = difflib.get_close_matches(given[:100], ids, SOME) or [one for one in ids if given and given in one][:SOME]
    meant = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(ids[:SOME])}"
    more = f" and {len(ids) - SOME} more" if len(ids) > SOME and not near else ""
    name = scenario.name if scenario.folder.parent == SHIPPED else shlex.quote(str(scenario.folder))
    return f"{scenario.name} has no case {given[:100]!r}; {meant}{more} (all: headcount list {name})"


def shipped() -> list[str]:
    """The names of the scenarios that come with Headcount."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/scenario.yaml"))


def find(name: str) -> Path:
    """The folder of a scenario given by a shipped name or a path. Raises InputError that lists what there is."""
    for folder in (SHIPPED / name, paths.given(name)):
        if paths.is_file(folder / "scenario.yaml"):
            return folder.resolve()
    if paths.is_dir(paths.given(name)):
        raise InputError(f"{name}: a scenario folder needs a scenario.yaml (see docs/scenarios.md)")
    raise InputError(f"no scenario {name!r}: give the path of a folder, or one of {', '.join(shipped())}")


def load(name: str) -> Scenario:
    """The scenario, read and checked whole: mistakes in its files raise ScenarioError with the place of the first, the
    others as `more`. Read once for as long as no file in its folder changes."""
    folder = find(name)
    beside.look(folder)
    return _load(folder, _stamp(folder))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that a file has changed: names, times, sizes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return tuple((str(path), (seen := path.stat()).st_mtime_ns, seen.st_size) for path in paths)


def read(folder: Path) -> tuple[Scenario | None, list[ScenarioError]]:
    """What can be read of a folder, and everything that is wrong. None where scenario.yaml cannot be read."""
    reading = _Reading(folder)
    return reading.scenario(), reading.wrong


@lru_cache(maxsize=16)
def _load(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> Scenario:
    scenario, wrong = read(folder)
    if wrong:
        raise ScenarioError.first_of(wrong)
    assert scenario is not None
    return scenario


class _Reading:
    """One reading of a folder, which collects all that is `wrong`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[ScenarioError] = []
        self._place = folder / "scenario.yaml"

    def scenario(self) -> Scenario | None:
        file = self._tried(lambda: yamlfile.load(self._place, ScenarioFile))
        tools = self._tried(lambda: registry.load(self.folder)) or registry.builtin()
        custom = self._tried(lambda: graders.custom_graders(self.folder))
        late = types_of(tools, custom or {})
        read = [
            (path, self._tried(partial(yamlfile.read, path, Case, late, {"id": path.stem}))) for path in self._paths()
        ]
        cases = {path: case for path, case in read if case is not None}
        self.wrong += _named_twice(cases)
        if file is not None:
            self.wrong += [*_check_parts(self.folder, file), *_check_tools(self.folder, file, tools)]
            for path, case in cases.items():
                self.wrong += _check_roles(path, case, file)
        if custom is not None:
            for path, case in cases.items():
                self.wrong += _check_graders(path, case, custom)
        if file is None:
            return None
        return Scenario(
            name=self.folder.name, folder=self.folder, file=file, cases=tuple(cases.values()), files=tuple(cases)
        )

    def _paths(self) -> list[Path]:
        folder = self.folder / "cases"
        paths = sorted(folder.glob("*.yaml"))
        if not paths:
            self.wrong.append(ScenarioError(str(folder), "holds no case: add at least one .yaml file"))
        other = sorted((*folder.glob("*.yml"), *folder.glob("*.json"), *folder.glob("*/*.yaml")))
        self.wrong += [ScenarioError(str(path), "is not read: a case is cases/NAME.yaml") for path in other]
        return paths

    def _tried(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ScenarioError as error:
            self.wrong.append(error)
            return None


def types_of(tools: Mapping[str, Tool], custom: Mapping[str, graders.Grader]) -> Late:
    """What the arguments of steps and of checks take: what their tools and graders say."""
    wants = {name: wanted.of_schema(tool.parameters) for name, tool in tools.items()}
    check = {name: graders.wants(grader) for name, grader in {**graders.BUILTIN, **custom}.items()}

    def step(node: yamltree.Mapping) -> Mapping[str, Want]:
        args = wants.get(_text(node, "tool"), wanted.ANYTHING)
        tempting = wanted.of(Tempting)
        return {"args": args, "tempting": structs.replace(tempting, fields={**tempting.fields, "args": args})}

    return {Step: step, Expect: lambda node: check.get(_text(node, "grader"), {})}


def _text(node: yamltree.Mapping, key: str) -> str:
    value = node.entries.get(key, (0, None))[1]
    return value.value if isinstance(value, yamltree.Scalar) else ""


def _named_twice(cases: Mapping[Path, Case]) -> Iterator[ScenarioError]:
    seen: dict[str, Path] = {}
    for path, case in cases.items():
        if case.id in seen:
            yield yamlfile.error_at(path, ["id"], f"{case.id!r} is the id of {seen[case.id].name} too: give another")
        seen.setdefault(case.id, path)


def _check_parts(folder: Path, file: ScenarioFile) -> Iterator[ScenarioError]:
    place = folder / "scenario.yaml"
    if file.database and not paths.is_file(folder / file.database):
        yield yamlfile.error_at(place, ["database"], f"there is no {file.database} in {folder}")
    if file.knowledge and not paths.is_dir(folder / file.knowledge.folder):
        here = ["knowledge", "folder"]
        yield yamlfile.error_at(place, here, f"there is no {file.knowledge.folder} in {folder}")


def _check_tools(folder: Path, file: ScenarioFile, there: Mapping[str, Tool]) -> Iterator[ScenarioError]:
    for name, role in file.roles.items():
        for index, tool in enumerate(role.tools):
            if tool not in there:
                why = f"no tool {tool!r}; there are: {', '.join(there)}{yamlfile.nearest(tool, there)}"
                yield yamlfile.error_at(folder / "scenario.yaml", ["roles", name, "tools", index], why)


def _check_graders(path: Path, case: Case, custom: Mapping[str, graders.Grader]) -> Iterator[ScenarioError]:
    error = yamlfile.place_of(path)
    for index, expect in enumerate(case.expect):
        for loc, problem in graders.problems_with(expect, custom):
            yield error(["expect", index, *loc], problem)


def _able(step: Step, tools: Collection[str]) -> bool:
    return any(way.tool in tools for way in step.ways)


def _check_roles(path: Path, case: Case, file: ScenarioFile) -> Iterator[ScenarioError]:
    error = yamlfile.place_of(path)
    for index, subtask in enumerate(case.plan):
        role = file.roles.get(subtask.role)
        if role is None:
            near = yamlfile.nearest(subtask.role, file.roles)
            why = f"no role {subtask.role!r} in scenario.yaml; it has: {', '.join(file.roles)}{near}"
            yield error(["plan", index, "role"], why)
            continue
        missing = next((s.tool for s in subtask.steps if s.tool and not _able(s, role.tools)), None)
        if missing:
            has = ", ".join(role.tools) or "no tools"
            why = f"{subtask.role} may not use {missing!r}, which subtask {subtask.id!r} needs; it has: {has}"
            yield error(["plan", index, "role"], why)
