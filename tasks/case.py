"""A case: one concrete job, the task graph and reference solution that solve it, and what the grader looks for."""

from __future__ import annotations

import heapq
import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

if TYPE_CHECKING:
    import networkx as nx

Skill = Literal["retrieve", "lookup", "compute", "decide", "act", "write"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Fact(Strict):
    """Something that a step finds out.

    value:     the true value, as an agent would write it.
    pattern:   a regular expression with one group that reads the value out of the tool's actual result; without it
               the fact is known when `value` or one of `seen_as` stands in the result.
    given:     (steps without a tool) the facts it is concluded from: with a wrong one, `otherwise` comes out.
    otherwise: what a careless or misled agent believes instead.
    public:    the date (2023-05) since when anybody could know it: a model trained later may know it by heart. Without
               it the fact is private, and has to be found out.
    """

    value: str
    pattern: str | None = None
    seen_as: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    otherwise: str | None = None
    public: str = Field(default="", pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError("needs exactly one group ( ) around the value")
        return pattern


class Tempting(Strict):
    """What a careless agent does instead of the step: other arguments, or other conclusions."""

    args: dict[str, Any] = {}
    facts: dict[str, str] = {}


class Step(Strict):
    """One step of the reference solution: a tool call, or (without `tool`) a conclusion.

    `args` may quote facts of earlier steps as {name}. `id` is unique in the case.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    tool: str | None = None
    args: dict[str, Any] = {}
    facts: dict[str, Fact] = {}
    skill: Skill | None = None
    tempting: Tempting | None = None

    @field_validator("facts", mode="before")
    @classmethod
    def _short_form(cls, facts: Any) -> Any:
        if isinstance(facts, dict):
            return {name: fact if isinstance(fact, dict) else {"value": str(fact)} for name, fact in facts.items()}
        return facts

    @model_validator(mode="after")
    def _finds_something(self) -> Step:
        if not self.facts:
            raise ValueError(f"step {self.id!r} finds out nothing: give it at least one fact")
        return self


class Subtask(Strict):
    """A node of the task graph: a piece of work that one agent can be given."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    goal: str
    role: str
    needs: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


class Expect(BaseModel):
    """One check: `grader` is a name from tasks.graders or a function of the scenario's grader.py; the other fields
    are its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    grader: str
    name: str = ""
    weight: float = Field(default=1.0, gt=0)

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Case(Strict):
    """`request` is what the customer or reader asked; it is untrusted text. `setup` is SQL run on the case's fresh
    database. `answer` is the reference answer, with facts as {name} and their sources as {name.source}. `personal`:
    texts of this case that must not leave the machine in a shared file, such as the customer's name."""

    id: str
    title: str
    request: str
    plan: tuple[Subtask, ...] = Field(min_length=1)
    answer: str
    expect: tuple[Expect, ...] = Field(min_length=1)
    difficulty: Literal["easy", "medium", "hard"] = "medium"
    features: tuple[str, ...] = ()
    setup: str = ""
    personal: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """By what else than difficulty cases are told apart: its features, and how many tools its solution takes."""
        tools = {step.tool for subtask in self.plan for step in subtask.steps} - {None}
        return (*self.features, f"{len(tools)} tool{'' if len(tools) == 1 else 's'}")

    @model_validator(mode="after")
    def _hangs_together(self) -> Case:
        steps = [step.id for subtask in self.plan for step in subtask.steps]
        facts = [name for subtask in self.plan for step in subtask.steps for name in step.facts]
        for what, names in (("subtask", [s.id for s in self.plan]), ("step", steps), ("fact", facts)):
            double = next((n for n in names if names.count(n) > 1), None)
            if double:
                raise ValueError(f"{what} {double!r} is defined twice")
        ids = {subtask.id for subtask in self.plan}
        for subtask in self.plan:
            for need in subtask.needs:
                if need not in ids:
                    raise ValueError(f"subtask {subtask.id!r} needs {need!r}, which is no subtask of this case")
        try:
            _ = self.order
        except CycleError as error:
            cycle = " -> ".join(error.args[1][:-1])
            raise ValueError(f"the plan needs itself: {cycle}") from None
        self._quotes_known_facts(set(facts))
        return self

    def _quotes_known_facts(self, facts: set[str]) -> None:
        from tasks.templates import names_in

        for subtask in self.plan:
            for step in subtask.steps:
                given = {g for fact in step.facts.values() for g in fact.given}
                unknown = (names_in(step.args) | given) - facts
                if unknown:
                    raise ValueError(f"step {step.id!r} uses {sorted(unknown)[0]!r}, which no step finds out")
        unknown = names_in(self.answer) - facts
        if unknown:
            raise ValueError(f"the answer uses {sorted(unknown)[0]!r}, which no step finds out")

    @property
    def order(self) -> tuple[str, ...]:
        """The subtasks' ids, each after those that it needs, otherwise as the plan has them."""
        place = {subtask.id: number for number, subtask in enumerate(self.plan)}
        sorter = TopologicalSorter({subtask.id: subtask.needs for subtask in self.plan})
        sorter.prepare()
        ready, found = sorted(map(place.__getitem__, sorter.get_ready())), []
        while ready:
            found.append(self.plan[heapq.heappop(ready)].id)
            sorter.done(found[-1])
            for name in sorter.get_ready():
                heapq.heappush(ready, place[name])
        return tuple(found)

    def graph(self) -> nx.DiGraph[str]:
        """The task graph: an edge from each subtask to those that need it."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        for subtask in self.plan:
            graph.add_node(subtask.id, role=subtask.role, goal=subtask.goal)
        for subtask in self.plan:
            graph.add_edges_from((need, subtask.id) for need in subtask.needs)
        return graph
